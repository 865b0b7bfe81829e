"""Nothing that clients use goes away: the interface and the public tables against those of the last release."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from broker_assets.api.v1.compatibility import ADVICE, breaks, document_now, lost_columns, main, public_tables

DOCS = Path(__file__).resolve().parents[3] / "docs"


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    return document_now()


def test_no_client_of_the_last_release_breaks(now: dict[str, Any]) -> None:
    released = json.loads((DOCS / "openapi-v1.json").read_text())
    found = breaks(released, now)
    assert not found, "; ".join(found) + f": {ADVICE}"


def test_no_public_column_of_the_last_release_is_lost() -> None:
    released = json.loads((DOCS / "public-tables.json").read_text())
    found = lost_columns(released, public_tables())
    assert not found, "; ".join(found) + ": keep the column, and say in its comment what replaces it, for a release"


def _without_path(document: Any) -> None:
    del document["paths"]["/cone"]


def _without_parameter(document: Any) -> None:
    document["paths"]["/cone"]["get"]["parameters"] = [
        one for one in document["paths"]["/cone"]["get"]["parameters"] if one["name"] != "radius"
    ]


def _required(document: Any) -> None:
    for one in document["paths"]["/cone"]["get"]["parameters"]:
        one["required"] = True


def _new_and_required(document: Any) -> None:
    new = {"name": "epoch", "in": "query", "required": True, "schema": {}}
    document["paths"]["/cone"]["get"]["parameters"].append(new)


def _without_field(document: Any) -> None:
    content = document["paths"]["/cone"]["get"]["responses"]["200"]["content"]
    content["application/json"]["example"] = {"objects": [], "count": 1}


def _without_form(document: Any) -> None:
    del document["paths"]["/cone"]["get"]["responses"]["200"]["content"]["text/csv"]


def _without_value(document: Any) -> None:
    for one in document["paths"]["/cone"]["get"]["parameters"]:
        for part in one["schema"].get("anyOf", []):
            if "csv" in part.get("enum", []):
                part["enum"] = ["json"]


def _body(document: Any) -> None:
    del document["components"]["schemas"]["Question"]["properties"]["cone"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_without_path, "GET /cone is gone"),
        (_without_parameter, "radius is gone"),
        (_required, "became required"),
        (_new_and_required, "epoch is new and required"),
        (_without_field, "field objects.ra of the answer is gone"),
        (_without_form, "text/csv is gone"),
        (_without_value, "lost the value csv"),
        (_body, "field cone of the body is gone"),
    ],
)
def test_a_break_is_found(now: dict[str, Any], change: Callable[[Any], None], says: str) -> None:
    later = copy.deepcopy(now)
    change(later)
    assert any(says in text for text in breaks(now, later)), breaks(now, later)
    assert breaks(now, now) == []


def test_what_was_deprecated_may_go(now: dict[str, Any]) -> None:
    released, later = copy.deepcopy(now), copy.deepcopy(now)
    released["paths"]["/cone"]["get"]["deprecated"] = True
    del later["paths"]["/cone"]
    assert breaks(released, later) == []


def test_both_are_written(tmp_path: Path) -> None:
    main(str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert "/cone" in json.loads((tmp_path / "a.json").read_text())["paths"]
    assert json.loads((tmp_path / "b.json").read_text())["objects"]["ra"] == "DOUBLE PRECISION"


def test_a_release_that_breaks_clients_is_not_written(tmp_path: Path) -> None:
    released = {"objects": {"ra": "DOUBLE PRECISION", "colour": "REAL"}}
    (tmp_path / "b.json").write_text(json.dumps(released))
    with pytest.raises(SystemExit, match=r"objects\.colour is gone\n.*deprecated"):
        main(str(tmp_path / "a.json"), str(tmp_path / "b.json"))
    assert not (tmp_path / "a.json").exists()
    assert json.loads((tmp_path / "b.json").read_text()) == released

"""Answers are those that were recorded of the original, but for differences that are listed here, with reasons."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import requests

pytestmark = [pytest.mark.database, pytest.mark.shared]

CLIENT_ERRORS = (
    ("getalert", "abc"),
    ("getalert", "null"),
    ("ltcv", "{}"),
    ("ltcv", "objectids"),
    ("ltcvfeatures", '"objectid": 1}'),
    ("ltcvfeatures", "{}"),
    ("gethottransients", '"return_format": 5'),
    ("gethottransients", '"cheat_gentypes": 82'),
)
"""Mistakes of a client that no client of the original expects as 500: 422 with the same text."""

DIFFERENT = {
    'ltcv {"objectid": 1552185, "return_format": 1}': "the layout works, as its documentation says",
    'ltcv {"objectid": []}': "a list without objects has none",
    'gethottransients {"detected_since_mjd": 60660, "return_format": 1}': "mjd is a list, as the other columns are",
    "ltcv/ null": "every address works with and without the slash",
    "ppdbdiaobject/1552185 null": "every address works with and without the slash",
    "db/runsqlquery null": "every address works with and without the slash",
    'db/runsqlquery/ {"query": "select 1 as a", "subdict": [{}, {}]}': "numbers of queries and values must match",
    "ltcvs null": "the address is documented, and works; without a body it is a mistake of the client",
}
"""Requests that are answered otherwise, and why; each has a test of its own below."""


def recorded(folder: Path) -> list[dict[str, Any]]:
    found = json.loads((folder / "golden" / "desc_tom" / "http_responses.json").read_text())
    return [entry for entry in found if entry["path"].startswith(("elasticc2/", "db/"))]


def name_of(entry: dict[str, Any]) -> str:
    return f"{entry['path'].removeprefix('elasticc2/')} {json.dumps(entry['body'])}"


def unnumbered(answer: Any) -> Any:
    """Rows of the taxonomy without their numbers: those of the original depend on how often it was filled."""
    rows = answer.get("rows") if isinstance(answer, dict) else None
    if not rows or "gentype" not in rows[0]:
        return answer
    return {**answer, "rows": [{key: value for key, value in row.items() if key != "id"} for row in rows]}


def ask(entry: dict[str, Any], root: Any) -> requests.Response:
    options = {} if entry["body"] is None else {"json": entry["body"]}
    if entry["auth"] == "root":
        found: requests.Response = root.request(entry["method"], entry["path"], allow_redirects=False, **options)
        return found
    return requests.request(
        entry["method"], f"{root.url}/{entry['path']}", allow_redirects=False, timeout=30, **options
    )


def close(one: Any, other: Any) -> bool:
    """Equal, or numbers that differ by less than rounding of 32-bit arithmetic in the original."""
    if isinstance(one, dict):
        return list(one) == list(other) and all(close(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(close, one, other))
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-7)
    return type(one) is type(other) and one == other


def test_answers_are_those_of_the_original(shared_folder: Path, root: Any) -> None:
    compared = 0
    for entry in recorded(shared_folder):
        name = name_of(entry)
        if name in DIFFERENT:
            continue
        answer = ask(entry, root)
        path = entry["path"].removeprefix("elasticc2/")
        mistake = any(path == where and what in name for where, what in CLIENT_ERRORS) and entry["status"] == 500
        assert answer.status_code == (422 if mistake else entry["status"]), name
        if "json" in entry:
            found = answer.json()
            # Exactly, but for features, which the original computes from 32-bit quantiles.
            assert (
                close(found, entry["json"]) if "features" in path else unnumbered(found) == unnumbered(entry["json"])
            ), name
        if "text_not_strict_json" in entry:
            # Values that are not finite are null.
            assert answer.text == entry["text_not_strict_json"].replace(" ", "").replace("NaN", "null"), name
        if "text" in entry:
            assert answer.text == entry["text"], name
        kind = entry["content_type"].split(";")[0]
        assert answer.headers["content-type"].split(";")[0] == kind, name
        if entry.get("location"):
            assert answer.headers["location"] == entry["location"], name
        compared += 1
    assert compared == 69


def test_the_listed_differences_are_recorded_ones(shared_folder: Path) -> None:
    names = {name_of(entry) for entry in recorded(shared_folder)}
    assert set(DIFFERENT) <= names


def test_layout_1_has_plain_columns(root: Any) -> None:
    for path, body in (("ltcv", {"objectid": 1552185}), ("gethottransients", {"detected_since_mjd": 60660})):
        plain = root.post(f"elasticc2/{path}", json=body).json()["diaobject"][0]
        layout = root.post(f"elasticc2/{path}", json={**body, "return_format": 1}).json()["diaobject"][0]
        assert layout == {**{key: value for key, value in plain.items() if key != "photometry"}, **plain["photometry"]}


def test_no_objects_have_no_light_curves(root: Any) -> None:
    assert root.post("elasticc2/ltcv", json={"objectids": []}).json() == {"status": "ok", "diaobject": []}
    empty = root.post("elasticc2/ltcv", json={"objectids": [], "return_format": 2}).json()
    assert empty["diaobject"]["objectid"] == empty["diaobject"]["mjd"] == []

"""`broker-assets filter` as a user calls it, on a real database."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from stored_filters import add_object

from broker_assets.database import engine

pytestmark = pytest.mark.database

ONE = "SELECT diaObjectId, ra FROM objects WHERE nDiaSources > 2 ORDER BY diaObjectId"


def test_a_filter_from_its_file_to_its_end(command: Any, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "one.sql").write_text(ONE)
    assert "no filter yet" in command("filter", "list").stdout
    checked = command("filter", "check", "one.sql")
    assert "It returns diaObjectId, ra." in checked.stdout
    assert json.loads(command("filter", "check", "one.sql", "--json").stdout)["output"] == ["diaObjectId", "ra"]
    added = command("filter", "add", "one.sql", "--name", "Many", "--description", "often seen")
    assert added.exit_code == 0, added.output
    assert "Filter 1 is saved" in added.stdout
    enabled = command("filter", "enable", 1, "--quota", 50)
    assert enabled.exit_code == 0, enabled.output
    assert "no night in the archive" in enabled.stdout
    [listed] = json.loads(command("filter", "list", "--json").stdout)
    assert (listed["owner"], listed["active"], listed["matches_per_night"]) == ("ann", True, 50)
    assert "Many" in command("filter", "list").stdout
    form = {"selected": "objects.diaObjectId", "tables": "objects", "conditions": "objects.ra > 1"}
    (tmp_path / "form.json").write_text(json.dumps(form))
    assert "Version 2 of filter 1" in command("filter", "save", 1, "form.json").stdout
    shown = command("filter", "show", 1)
    for text in ("Many, of ann: active", "Version 2 of 2", "often seen", "objects.ra > 1"):
        assert text in shown.stdout
    assert "nDiaSources > 2" in command("filter", "show", 1, "--version", 1).stdout
    assert command("filter", "change", 1, "--name", "Other", "--no-alerts", "--expire", "never").exit_code == 0
    assert "Other" in command("filter", "list").stdout
    assert "no longer runs" in command("filter", "disable", 1).stdout
    with engine.connect(database_url) as connection:
        for number in (1, 2):
            add_object(connection, number)
        connection.commit()
    found = command("filter", "run", "one.sql", "--limit", 1)
    assert json.loads(found.stdout) == {"diaObjectId": 1, "ra": 10.0}
    assert "more than 1 rows" in found.stderr
    assert command("filter", "remove", 1, stdin="n\n").exit_code == 1
    assert "is removed" in command("filter", "remove", 1, "--yes").stdout
    assert "there is no filter 1" in command("filter", "show", 1).stderr


def test_what_is_wrong_is_said(command: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.sql").write_text("SELECT diaObjectId\nFROM objects WHERE nDiaSource > 2")
    wrong = command("filter", "check", "bad.sql")
    assert wrong.exit_code != 0
    assert "bad.sql:2:20" in wrong.stderr
    assert "nDiaSources" in wrong.stderr
    (tmp_path / "form.json").write_text('{"selected": "objects.ra", "table": "objects"}')
    assert command("filter", "check", "form.json").exit_code == 1
    (tmp_path / "list.json").write_text('{"selected": "objects.ra", "tables": "objects, watchlist:9"}')
    assert "there is none that ann may read" in command("filter", "run", "list.json").stderr
    assert command("filter", "add", "list.json", "--name", "x").exit_code == 1

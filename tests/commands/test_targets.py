"""`broker-assets targets`, as an operator calls it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from broker_assets.access import accounts
from broker_assets.cli import app
from broker_assets.database import engine
from broker_assets.settings import load_settings

pytestmark = pytest.mark.database


@pytest.fixture
def call(module_database_url: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    with engine.connect(module_database_url, autocommit=True) as connection:
        for name in ("ann", "bob"):
            user = accounts.add(connection, name, None)
            accounts.join(connection, user.userid, ["AGN"])
        connection.execute("INSERT INTO objects (diaobjectid, survey, ra, decl, ndiasources) VALUES (7, 1, 10, -5, 3)")
    monkeypatch.setenv("BROKER_DATABASE__URL", module_database_url)
    load_settings.cache_clear()
    return lambda *arguments: CliRunner().invoke(app, ["targets", *map(str, arguments)], env={"COLUMNS": "200"})


def test_from_adding_to_removing(call: Any, tmp_path: Path) -> None:
    assert "no such target" in call("list").output
    made = call("add", "M 1", "--ra", "05:34:31.94", "--dec", "22.0145", "--tag", "SNR", "--owner", "ann")
    assert made.exit_code == 0, made.output
    number = made.output.split()[1].rstrip(":")
    assert call("add", "--object", 7, "--tag", "x", "--owner", "ann").output.endswith(": 7\n")
    assert "83.633083" in call("list", "--tag", "snr").output
    for wrong, why in (
        (["x", "--ra", "north"], "not an angle"),
        (["m 1", "--ra", "1", "--dec", "2"], "has a target named"),
    ):
        refused = call("add", *wrong, "--owner", "ann")
        assert refused.exit_code == 2, why
    assert call("comment", number, "bright", "--owner", "bob").exit_code == 2  # bob may not see it
    assert call("change", number, "--group", "AGN", "--tag", "seen").exit_code == 0
    assert call("comment", number, "bright", "--owner", "bob").exit_code == 0
    shown = json.loads(call("show", number).output)
    assert (shown["tags"], shown["groups"], shown["comments"][0]["author"]) == (["seen"], ["AGN"], "bob")
    file, rest = tmp_path / "targets.csv", tmp_path / "rest.csv"
    assert call("export", file, "--owner", "ann").exit_code == 0
    file.write_text(file.read_text() + "far,SIDEREAL,,,400,2\n")
    imported = call("import", file, "--owner", "bob", "--rest", rest)
    assert imported.exit_code == 1
    assert "2 targets are made, 1 rows were refused\nline 4: ra: 400" in imported.output
    assert rest.read_text().splitlines()[1] == "far,SIDEREAL,,,400,2"
    assert len(json.loads(call("list", "--json", "--owner", "bob").output)) == 2
    assert call("remove", number, "--yes").exit_code == 0
    assert call("show", number).exit_code == 2

"""`broker-assets query` against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
import pytest
from command_line import Done, invoke
from interface_server import DEC, RA, InterfaceServer, small_server

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def server(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InterfaceServer]:
    with small_server(module_database_url, tmp_path_factory.mktemp("home")) as running:
        yield running


def query(server: InterfaceServer, folder: Path, *arguments: str) -> Done:
    return invoke("query", *arguments, folder=folder, BROKER_URL=server.url, BROKER_TOKEN=server.token)


def test_questions(server: InterfaceServer, tmp_path: Path) -> None:
    cone = query(server, tmp_path, "cone", str(RA), str(DEC), "--radius", "15")
    assert cone.returncode == 0, cone.stderr
    assert [line.split(",")[0] for line in cone.stdout.splitlines()] == ['"diaObjectId"', "1", "2"]
    about = query(server, tmp_path, "object", "1")
    assert json.loads(about.stdout)["diaObject"]["nDiaSources"] == 5
    saved = query(server, tmp_path, "lightcurve", "1", "2", "--format", "parquet", "--out", "a.parquet")
    assert saved.returncode == 0, saved.stderr
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet").num_rows == 10
    (tmp_path / "f.sql").write_text("SELECT objects.ra FROM objects WHERE objects.decl < 2.201")
    assert query(server, tmp_path, "sql", "f.sql").stdout.splitlines() == ["diaObjectId,ra", "1,150.1"]
    assert json.loads(query(server, tmp_path, "sql", "f.sql", "--format", "json").stdout)[0]["ra"] == 150.1
    some = query(server, tmp_path, "get", "/objects?limit=2")
    assert len(json.loads(some.stdout)["objects"]) == 2
    assert query(server, tmp_path, "get", "/objects?limit=2", "-f", "csv").stdout.count("\n") == 3
    assert json.loads(query(server, tmp_path, "get", "objects/1").stdout)["diaObjectId"] == 1, "an address of one form"


def test_what_goes_wrong_is_said(server: InterfaceServer, tmp_path: Path) -> None:
    unknown = query(server, tmp_path, "object", "99")
    assert unknown.returncode == 1
    assert "unknown" in unknown.stderr
    assert "cone" in unknown.stderr
    named = query(server, tmp_path, "lightcurve", "1", "nothing", "ü,b")
    assert (named.returncode, named.stdout.count("\n")) == (0, 6)
    assert "unknown, and left out: nothing, ü,b" in named.stderr
    for form, said in (("csv", "answers with application/json, not with csv"), ("fits", "there is no form 'fits'")):
        refused = query(server, tmp_path, "get", "/objects/1", "-f", form)
        assert (refused.returncode, said in refused.stderr) == (1, True)
    (tmp_path / "all.sql").write_text("SELECT diaObjectId FROM objects")
    assert query(server, tmp_path, "sql", "all.sql", "-f", "xml").returncode == 2
    few = query(server, tmp_path, "sql", "all.sql", "--limit", "2")
    assert (few.stdout.splitlines(), few.stderr.strip()) == (
        ["diaObjectId", "1", "2"],
        "There may be more than these 2 rows: give a larger --limit.",
    )
    gone = invoke("query", "object", "1", "--url", "http://127.0.0.1:9", folder=tmp_path)
    assert gone.returncode == 1
    assert "does not answer" in gone.stderr

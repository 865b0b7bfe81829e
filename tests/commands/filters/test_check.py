"""`broker-assets filter check` shows what is wrong with its place, and ends with code 1."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from broker_assets.commands.filters.application import app

WRONG = """-- bright ones
selected:
  objects.diaObjectId, flux2mg(g_psfFlux) AS m
tables: objects, watchlist:7
conditions: nDiaSource > 3
"""


def test_each_problem_has_its_line_a_mark_and_what_was_meant(tmp_path: Path) -> None:
    file = tmp_path / "wrong.sql"
    file.write_text(WRONG)
    result = CliRunner().invoke(app, ["check", str(file)])
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        f"{file}:3:24: there is no function flux2mg.",
        "      objects.diaObjectId, flux2mg(g_psfFlux) AS m",
        "                           ^",
        "    Did you mean flux2mag?",
        f"{file}:5:13: no table of the query has a column nDiaSource.",
        "    conditions: nDiaSource > 3",
        "                ^",
        "    Did you mean nDiaSources?",
    ]
    result = CliRunner().invoke(app, ["check", str(file), "--json"])
    assert result.exit_code == 1
    problems = json.loads(result.stdout)["problems"]
    assert [(item["part"], item["line"], item["column"]) for item in problems] == [
        ("selected", 3, 24),
        ("conditions", 5, 13),
    ]


def test_an_accepted_filter_says_what_it_returns_and_needs(tmp_path: Path) -> None:
    file = tmp_path / "right.sql"
    file.write_text(WRONG.replace("flux2mg", "flux2mag").replace("nDiaSource ", "nDiaSources "))
    result = CliRunner().invoke(app, ["check", str(file)])
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "The filter is accepted. It returns diaObjectId, m.",
        "It reads objects, watchlist_hits.",
        "It needs watchlist 7.",
    ]
    result = CliRunner().invoke(app, ["check", "-", "--json"], input="SELECT ra FROM objects")
    assert json.loads(result.stdout)["output"] == ["ra"]


def test_a_file_that_is_not_there_or_not_text(tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["check", str(tmp_path / "none.sql")]).exit_code == 1
    (tmp_path / "binary.sql").write_bytes(b"\xff\xfe")
    assert CliRunner().invoke(app, ["check", str(tmp_path / "binary.sql")]).exit_code == 2

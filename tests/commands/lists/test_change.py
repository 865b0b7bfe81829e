"""Changes of lists by commands, all or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from list_documents import document

from broker_assets.database import engine
from broker_assets.sky.lists import create_watchlist
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database


GOOD = "10, 10, one\n20, 20, two, 30\n"


def test_what_cannot_be_changed_is_said_in_one_line(command: Any, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(GOOD)
    command("watchlists", "add", "list.csv", "--name", "mine")
    command("watchlists", "add", "list.csv", "--name", "theirs", "--owner", "bob")
    with engine.connect(database_url, autocommit=True) as connection:
        tns = create_watchlist(connection, "system", "__TNS__", parse_watchlist(["1, 1"]), radius=3.0)
    for arguments, code, reason in (
        (("add", "list.csv", "--name", "MINE"), 1, "ann already has a watchlist named 'MINE'"),
        (("add", "list.csv", "--name", " "), 1, "1 to 256 characters"),
        (("add", "list.csv", "--name", "x", "--radius", "361"), 1, "radius 361.0 is not above 0 and at most 360"),
        (("add", "list.csv", "--name", "x", "--owner", "system"), 2, "the platform itself"),
        (("add", "list.csv", "--name", "x", "--expire", "tomorrow"), 2, "neither a date"),
        (("add", "list.csv", "--name", "x", "--expire", "2001-01-01"), 2, "in the past"),
        (("add", "list.csv"), 2, "--name"),
        (("show", "99"), 1, "there is no watchlist 99; `broker-assets watchlists list` shows all"),
        (("show", "theirs"), 1, "ann has no watchlist named 'theirs'"),
        (("update", "2", "--radius", "3"), 1, "belongs to bob; add --owner bob"),
        (("remove", "2", "--yes"), 1, "belongs to bob; add --owner bob"),
        (("remove", tns, "--yes", "--owner", "system"), 1, "kept up to date by the platform"),
        (("update", "1"), 2, "no change is given"),
        (("update", "1", "--file", "list.csv", "--append", "list.csv"), 2, "--file replaces all cones"),
        (("update", "1", "--name", "other", "--drop", "99"), 1, "0 of the 1 cone to drop; nothing was changed"),
        (("remove", "99", "--yes"), 1, "there is no watchlist 99"),
    ):
        done = command("watchlists", *arguments)
        assert done.exit_code == code, (arguments, done.output)
        assert reason in " ".join(done.stderr.split()), (arguments, done.stderr)
        assert code == 2 or len(done.stderr.splitlines()) == 1
    found = document(command, "watchlists", "list")
    assert [(entry["name"], entry["radius"], entry["revision"]) for entry in found if entry["owner"] != "system"] == [
        ("mine", 5.0, found[0]["revision"]),
        ("theirs", 5.0, found[1]["revision"]),
    ]
    assert command("watchlists", "update", "theirs", "--owner", "bob", "--radius", 3).exit_code == 0


def test_changes_of_one_command_are_made_together_or_not_at_all(command: Any, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(GOOD)
    (tmp_path / "other.csv").write_text("40, 40\n")
    command("watchlists", "add", "list.csv", "--name", "one")
    command("watchlists", "add", "list.csv", "--name", "two")
    before = document(command, "watchlists", "show", 1)
    done = command("watchlists", "update", 1, "--file", "other.csv", "--name", "TWO")
    assert done.exit_code == 1
    assert "ann already has a watchlist named 'TWO'" in done.stderr
    assert document(command, "watchlists", "show", 1) == before


def test_cones_are_appended_and_dropped(command: Any, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(GOOD)
    (tmp_path / "more.csv").write_text("40, 40, four\n")
    command("watchlists", "add", "list.csv", "--name", "x")
    [one, two] = document(command, "watchlists", "show", "x")["first_cones"]
    done = command("watchlists", "update", "x", "--append", "more.csv", "--drop", one["cone_id"])
    assert "1 cone removed; 1 cone added." in done.stdout
    cones = document(command, "watchlists", "show", "x")["first_cones"]
    assert [(cone["cone_id"] == two["cone_id"], cone["name"]) for cone in cones] == [(True, "two"), (False, "four")]

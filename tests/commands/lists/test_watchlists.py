"""`broker-assets watchlists` as a user calls it, on a real database."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from broker_assets.database import engine
from broker_assets.sky.lists import create_watchlist
from broker_assets.sky.rematch import rematch
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database

GOOD = "10, 10, one\n20, 20, two, 30\n"
BAD = "ra,dec,name\n10,10,one\nten,1,x\n20,-95,y\n30,30,three\n"


def document(command: Any, *arguments: Any) -> Any:
    """What a command says with --json."""
    done = command(*arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_add_show_list_update_remove(command: Any, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(GOOD)
    added = command(
        "watchlists", "add", "list.csv", "--name", "Quasars", "--radius", 3, "--public", "--description", "bright ones"
    )
    assert added.exit_code == 0, added.output
    assert "Watchlist 1 (Quasars) of ann: 2 cones, radius 3″" in added.stdout
    assert "within about half a minute: `broker-assets watchlists show 1`" in added.stdout
    assert added.stderr == ""

    shown = command("watchlists", "show", "quasars")
    for text in ("bright ones", "everyone", "waits for the running platform", "never", "+20.000000", "30″"):
        assert text in shown.stdout
    [listed] = document(command, "watchlists", "list")
    assert (listed["id"], listed["owner"], listed["cones"], listed["hits"]) == (1, "ann", 2, 0)
    assert listed["state"] == "waiting"
    assert "Quasars" in command("watchlists", "list").stdout
    assert "no watchlist yet" in command("watchlists", "list", "--owner", "bob").stdout

    (tmp_path / "other.csv").write_text("10, 10, one\n40, 40\n50, 50\n")
    changed = command(
        "watchlists", "update", 1, "--file", "other.csv", "--name", "AGN", "--radius", 9, "--private", "--inactive",
        "--description", "new", "--expire", "2999-01-31",
    )  # fmt: skip
    assert changed.exit_code == 0, changed.output
    assert "1 cone removed, 2 added." in changed.stdout
    assert "takes this up within about half a minute" in changed.stdout
    now = document(command, "watchlists", "show", "agn", "--cones", 2)
    assert [cone["name"] for cone in now["first_cones"]] == ["one", None]
    assert (now["name"], now["radius"], now["public"], now["cones"]) == ("AGN", 9.0, False, 3)
    assert (now["description"], now["state"], now["expires"]) == ("new", "inactive", "2999-01-31T00:00:00Z")
    assert now["revision"] > listed["revision"]
    assert "The first 2 of 3 cones" in command("watchlists", "show", 1, "--cones", 2).stdout

    again = document(command, "watchlists", "update", 1, "--active", "--expire", "never")
    assert (again["state"], again["expires"]) == ("waiting", None)

    kept = command("watchlists", "remove", 1, stdin="n\n")
    assert kept.exit_code == 1
    assert "Watchlist 1 (AGN) of ann: 3 cones" in kept.stdout
    assert "0 hits. Remove it with its hits?" in kept.stdout
    assert command("watchlists", "remove", 1, stdin="").exit_code == 1
    assert len(document(command, "watchlists", "list")) == 1
    assert command("watchlists", "remove", "AGN", stdin="y\n").exit_code == 0
    assert document(command, "watchlists", "list") == []


def test_standard_input_and_a_byte_order_mark(command: Any) -> None:
    done = command("watchlists", "add", "-", "--name", "piped", stdin=b"\xef\xbb\xbfra,dec\n1,2\n")
    assert done.exit_code == 0, done.output
    [cone] = document(command, "watchlists", "show", "piped")["first_cones"]
    assert (cone["ra"], cone["dec"]) == (1.0, 2.0)


def test_bad_lines_are_shown_and_nothing_is_loaded(command: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(BAD)
    done = command("watchlists", "add", "bad.csv", "--name", "x")
    assert done.exit_code == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "bad.csv, line 3: right ascension 'ten' is neither decimal degrees nor sexagesimal"
    assert lines[1].startswith("bad.csv, line 4: declination -95.0 is outside")
    assert lines[2].startswith("Error: bad.csv: 2 lines cannot be read; nothing was loaded.")
    assert "--skip-bad" in lines[2]
    assert len(lines) == 3
    assert document(command, "watchlists", "list") == []

    done = command("watchlists", "add", "bad.csv", "--name", "x", "--skip-bad")
    assert done.exit_code == 0
    assert "bad.csv: 2 lines left out" in done.stderr
    assert "2 cones" in done.stdout
    left_out = document(command, "watchlists", "update", "x", "--file", "bad.csv", "--skip-bad")["left_out"]
    assert [(line["line"], line["text"]) for line in left_out] == [(3, "ten,1,x"), (4, "20,-95,y")]
    # a replacement with a bad line would silently lose the cones of that line
    assert command("watchlists", "update", "x", "--file", "bad.csv").exit_code == 1
    assert document(command, "watchlists", "show", "x")["cones"] == 2


def test_of_a_file_in_another_format_some_lines_are_shown(command: Any, tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_text("this is no list\n" * 500)
    done = command("watchlists", "add", "prose.txt", "--name", "x", "--skip-bad")
    assert done.exit_code == 1
    assert "… and 480 more" in done.stderr
    assert "500 lines cannot be read" in done.stderr
    assert len(done.stderr.splitlines()) == 22


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "list.csv: No such file"),
        (b"", "the file contains no cone"),
        (b"# only a comment\n", "the file contains no cone"),
        (b"10, 10, caf\xe9\n", "not UTF-8 text at byte 11"),
    ],
)
def test_files_that_cannot_be_read(command: Any, tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "list.csv").write_bytes(content)
    done = command("watchlists", "add", "list.csv", "--name", "x")
    assert done.exit_code == 1
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1


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
        (("update", "1"), 2, "nothing to change"),
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


def test_what_show_writes_can_be_loaded_again(command: Any, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text('10.123456789, -10, "a, ""b""", 3\n0.1, 0.2\n1 | 2 | "bar | in it"\n')
    command("watchlists", "add", "list.csv", "--name", "x")
    first = document(command, "watchlists", "show", "x")["first_cones"]
    assert [cone["name"] for cone in first] == ['a, "b"', None, "bar | in it"]
    assert command("watchlists", "show", "x", "--out", "written.csv").exit_code == 0
    assert command("watchlists", "show", "x", "--out", "-").stdout == (tmp_path / "written.csv").read_text()
    done = command("watchlists", "update", "x", "--file", "written.csv")
    assert "0 cones removed, 0 added." in done.stdout
    assert document(command, "watchlists", "show", "x")["first_cones"] == first


def test_waiting_ends_when_past_objects_have_been_matched(command: Any, database_url: str, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(GOOD)
    late = command("watchlists", "add", "list.csv", "--name", "x", "--wait", "--timeout", 0.2)
    assert late.exit_code == 1
    assert (
        "the change is stored, but the hits of watchlist 1 have not been brought up to date within 0.2 s" in late.stderr
    )

    def match_later() -> None:
        time.sleep(1.0)
        with engine.connect(database_url, autocommit=True) as connection:
            rematch(connection, "watchlist", 1)

    thread = threading.Thread(target=match_later)
    thread.start()
    done = command("watchlists", "update", 1, "--radius", 8, "--wait", "--timeout", 60)
    thread.join()
    assert done.exit_code == 0, done.output
    assert "Matched with past objects: 0 hits." in done.stdout
    shown = command("watchlists", "show", 1).stdout
    assert "new alerts, and past objects as of" in shown
    # a list that is switched off is waited for, too, until its hits are gone
    late = command("watchlists", "update", 1, "--inactive", "--wait", "--timeout", 0.2)
    assert late.exit_code == 1
    assert "its hits wait for the running platform to remove them" in command("watchlists", "show", 1).stdout
    with engine.connect(database_url, autocommit=True) as connection:
        rematch(connection, "watchlist", 1)
    shown = command("watchlists", "show", 1).stdout
    assert "none: it is inactive" in shown
    assert "wait for" not in shown


def test_a_database_without_tables_says_what_to_do(
    command: Any, new_database: Any, postgres: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from broker_assets.settings import load_settings

    with new_database() as name:
        monkeypatch.setenv("BROKER_DATABASE__URL", postgres.url(name))
        load_settings.cache_clear()
        done = command("watchlists", "list")
    assert done.exit_code == 1
    assert "the database has no lists yet" in done.stderr
    assert "`broker-assets database upgrade` creates its tables" in done.stderr

"""`broker-assets watchlists` as a user calls it, on a real database."""

from __future__ import annotations

import datetime
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from list_documents import document

from broker_assets.database import engine
from broker_assets.sky.rematch import rematch

pytestmark = pytest.mark.database

GOOD = "10, 10, one\n20, 20, two, 30\n"


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
    for text in ("bright ones", "everyone", "waits for the running platform", "+20.000000", "30″"):
        assert text in shown.stdout
    [listed] = document(command, "watchlists", "list")
    assert (listed["id"], listed["owner"], listed["cones"], listed["hits"]) == (1, "ann", 2, 0)
    assert listed["state"] == "waiting"
    left = datetime.datetime.fromisoformat(listed["expires"]) - datetime.datetime.now(datetime.UTC)
    assert abs(left / datetime.timedelta(days=180) - 1.0) < 0.01
    assert "Quasars" in command("watchlists", "list").stdout
    assert "no watchlist yet" in command("watchlists", "list", "--owner", "bob").stdout

    (tmp_path / "other.csv").write_text("10, 10, one\n40, 40\n50, 50\n")
    changed = command(
        "watchlists", "update", 1, "--file", "other.csv", "--name", "AGN", "--radius", 9, "--private", "--inactive",
        "--description", "new", "--expire", "2999-01-31",
    )  # fmt: skip
    assert changed.exit_code == 0, changed.output
    assert "1 cone removed, 2 added." in changed.stdout
    assert "applies this within about half a minute" in changed.stdout
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

"""Files of watchlists, from the command that adds a list to its MOC."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from followed_lists import add_objects
from mocpy import MOC
from typer.testing import CliRunner

from broker_assets.cli import app
from broker_assets.database import engine
from broker_assets.provenance import versions
from broker_assets.resources.object_store import ObjectStore
from broker_assets.settings import load_settings
from broker_assets.sky.lists import (
    create_area,
    create_watchlist,
)
from broker_assets.sky.regions import cone_area
from broker_assets.sky.watchlists import parse_watchlist
from broker_assets.storage.published import read_published

pytestmark = pytest.mark.database


def test_a_file_given_to_the_command_becomes_hits_and_files(
    platform: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, follow: Callable[[], list[str]]
) -> None:
    monkeypatch.setenv("BROKER_DATABASE__URL", platform.database.url)
    monkeypatch.setenv("BROKER_HOME", str(tmp_path))
    load_settings.cache_clear()

    def command(*arguments: str) -> Any:
        done = CliRunner().invoke(app, [*arguments, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    add_objects(platform, [(10.0, 10.0), (20.0, 10.0), (200.0, -40.0)])
    (tmp_path / "list.csv").write_text("ra,dec,name\n10.0005,10,here\n50,10,there\n")
    (tmp_path / "area.reg").write_text("icrs; circle(200d, -40d, 1d)")
    watchlist = command("watchlists", "add", str(tmp_path / "list.csv"), "--name", "list", "--owner", "ann")
    area = command("areas", "add", str(tmp_path / "area.reg"), "--name", "area", "--owner", "ann", "--order", "8")
    assert (watchlist["state"], area["state"]) == ("waiting", "waiting")
    done = follow()
    assert done == ["match_lists", f"area:{area['id']}", f"watchlist:{watchlist['id']}"]
    shown = command("watchlists", "show", "list", "--owner", "ann")
    assert (shown["state"], shown["hits"]) == ("matched", 1)
    assert [(cone["name"], cone["hits"]) for cone in shown["first_cones"]] == [("here", 1), ("there", 0)]
    assert command("areas", "show", "area", "--owner", "ann")["hits"] == 1
    assert platform.query("SELECT diaobjectid, name FROM watchlist_hits") == [(1, "here")]
    assert platform.query("SELECT diaobjectid FROM area_hits") == [(3,)]

    # another file: the hits of cones that stay are kept, the others are replaced
    (tmp_path / "list.csv").write_text("10.0005,10,here\n20,10,second\n")
    changed = command(
        "watchlists", "update", str(watchlist["id"]), "--owner", "ann", "--file", str(tmp_path / "list.csv")
    )
    assert (changed["state"], changed["hits"], changed["cones"]) == ("waiting", 1, 2)
    done = follow()
    assert done == ["match_lists", f"watchlist:{watchlist['id']}"]
    [listed] = command("watchlists", "list")
    assert (listed["state"], listed["hits"]) == ("matched", 2)
    removed = CliRunner().invoke(app, ["watchlists", "remove", "list", "--owner", "ann", "--yes"])
    assert removed.exit_code == 0
    follow()
    assert platform.query("SELECT count(*) FROM watchlist_hits") == [(0,)]
    assert not ObjectStore.of(platform.settings).path("watchlists", f"wl_{watchlist['id']}").exists()
    load_settings.cache_clear()


def test_another_order_of_mocs_rebuilds_the_files_of_watchlists_alone(
    platform: Any, follow: Callable[[], list[str]]
) -> None:
    with engine.connect(platform.database.url, autocommit=True) as connection:
        watchlist = create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10", "50, 10"]), radius=5.0)
        create_area(connection, "ann", "area", cone_area(200.0, -40.0, 1.0, order=8))
        follow()
        before = {name: platform.versions(name) for name in ("watchlist", "area", "cone_index", "area_index")}

        settings = platform.settings
        for changes, files, reason in (
            ({"watchlist_order": 9}, 1, "order 13 → 9"),
            ({"watchlist_order": 9, "watchlist_cones": 1}, 2, "cones per file 50000 → 1"),
        ):
            mocs = settings.mocs.model_copy(update=changes)
            platform.settings = settings.model_copy(update={"mocs": mocs})
            platform.reload()
            deployed = {
                spec.key.to_user_string(): spec.code_version
                for spec in platform.definitions.resolve_all_asset_specs()
                if spec.code_version
            }
            with connection.transaction():
                versions.deploy(connection, deployed)
            stale = versions.stale(connection)
            assert [(item.asset, item.partition, item.cause) for item in stale] == [
                ("watchlist", str(watchlist), "code")
            ]
            assert stale[0].reason == reason
            done = follow()
            assert done == [f"watchlist:{watchlist}"]
            assert versions.stale(connection) == []
            _, published = read_published(ObjectStore.of(platform.settings).path("watchlists", f"wl_{watchlist}"))
            mocs_written = [MOC.from_fits(io.BytesIO(published[name])) for name in published if name.startswith("moc")]
            assert [moc.max_order for moc in mocs_written] == [9] * files
            assert follow() == []
        after = {name: platform.versions(name) for name in before}
        assert after.pop("watchlist") != before.pop("watchlist")
        assert after == before

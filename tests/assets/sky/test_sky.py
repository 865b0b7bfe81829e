"""Lists, TNS and hits through Dagster: sensors ask, jobs do, checks look."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from dagster import (
    AssetKey,
    AssetSelection,
    RunRequest,
    SkipReason,
    build_sensor_context,
    evaluate_automation_conditions,
)
from mocpy import MOC
from typer.testing import CliRunner

from broker_assets.build import build_defs
from broker_assets.cli import app
from broker_assets.database import engine
from broker_assets.provenance import versions
from broker_assets.resources.object_store import ObjectStore
from broker_assets.settings import load_settings
from broker_assets.sky.cells import cells_at
from broker_assets.sky.lists import (
    ListSettings,
    add_cones,
    change_list,
    create_area,
    create_watchlist,
    delete_cones,
    delete_list,
)
from broker_assets.sky.regions import cone_area
from broker_assets.sky.watchlists import parse_watchlist
from broker_assets.storage.published import read_published

pytestmark = pytest.mark.database
FIRST = "2025-11-20"


@pytest.fixture
def peer(tns: ModuleType) -> Iterator[Any]:
    with tns.TnsPeer() as peer:
        yield peer


def tick(platform: Any, name: str) -> Any:
    """Evaluate a sensor."""
    definitions = platform.definitions
    sensor = definitions.get_repository_def().get_sensor_def(name)
    resources = {key: definitions.resources[key] for key in sensor.required_resource_keys}
    with build_sensor_context(instance=platform.instance, resources=resources) as context:
        return sensor(context)


@pytest.fixture
def follow(platform: Any) -> Callable[[], list[str]]:
    """One tick of `lists` and one of `automation`; what they ask for is run at once and named."""
    files = ("area", "sky_map", "watchlist")
    selection = AssetSelection.assets(*files)
    cursor = evaluate_automation_conditions(platform.definitions, platform.instance, asset_selection=selection).cursor

    def tick_both() -> list[str]:
        nonlocal cursor
        asked = tick(platform, "lists")
        done: list[str] = []
        if isinstance(asked, RunRequest):
            result = platform.run(asked.job_name)
            done.append(str(asked.job_name))
            assert not [key for key, passed in platform.checks(result).items() if not passed]
        found = evaluate_automation_conditions(
            platform.definitions, platform.instance, asset_selection=selection, cursor=cursor
        )
        cursor = found.cursor
        for name in files:
            for key in sorted(key for key in found.get_requested_partitions(AssetKey(name)) if key):
                result = platform.make(name, night=key)
                assert not [key for key, passed in platform.checks(result).items() if not passed]
                done.append(f"{name}:{key}")
        return done

    return tick_both


def add_objects(platform: Any, positions: list[tuple[float, float]]) -> None:
    with engine.connect(platform.database.url, autocommit=True) as connection:
        for number, (ra, dec) in enumerate(positions, start=1):
            cell = int(cells_at(np.array([ra]), np.array([dec]))[0])
            connection.execute(
                "INSERT INTO objects (diaobjectid, survey, ra, decl, healpix) VALUES (%s, 1, %s, %s, %s)",
                (number, ra, dec, cell),
            )


def test_lists_are_followed(platform: Any, follow: Callable[[], list[str]]) -> None:
    add_objects(platform, [(10.0, 10.0), (20.0, 10.0), (200.0, -40.0)])
    assert follow() == []
    with engine.connect(platform.database.url, autocommit=True) as connection:
        watchlist = create_watchlist(
            connection, "ann", "list", parse_watchlist(["10, 10, here", "50, 10, there"]), radius=5.0
        )
        area = create_area(connection, "ann", "area", cone_area(200.0, -40.0, 1.0, order=8))
        done = follow()
        assert done == ["match_lists", f"area:{area}", f"watchlist:{watchlist}"]
        assert platform.query("SELECT diaobjectid, name FROM watchlist_hits") == [(1, "here")]
        assert platform.query("SELECT diaobjectid FROM area_hits") == [(3,)]
        store = ObjectStore.of(platform.settings)
        _, files = read_published(store.path("watchlists", f"wl_{watchlist}"))
        assert sorted(files) == ["moc000.fits", "watchlist.csv"]
        _, files = read_published(store.path("areas", f"ar_{area}"))
        assert MOC.from_fits(io.BytesIO(files["moc000.fits"])) == cone_area(200.0, -40.0, 1.0, order=8)
        assert follow() == []
        index = platform.versions("cone_index")

        # a cone more: that list only, and of the indices that of cones only changes
        areas = platform.versions("area_index")
        add_cones(connection, "ann", watchlist, parse_watchlist(["20, 10, second"]))
        done = follow()
        assert done == ["match_lists", f"watchlist:{watchlist}"]
        assert platform.versions("cone_index") != index
        assert platform.versions("area_index") == areas
        assert platform.query("SELECT diaobjectid, name FROM watchlist_hits ORDER BY 1") == [(1, "here"), (2, "second")]

        # another name changes no cone, and no index
        index = platform.versions("cone_index")
        change_list(connection, "ann", "watchlist", watchlist, ListSettings(name="new name"))
        follow()
        assert platform.versions("cone_index") == index

        # a cone less
        [(cone,)] = connection.execute("SELECT cone_id FROM watchlist_cones WHERE name = 'here'").fetchall()
        delete_cones(connection, "ann", watchlist, [cone])
        follow()
        assert platform.query("SELECT diaobjectid FROM watchlist_hits") == [(2,)]

        # expired lists leave the index and lose their files, deleted ones their partitions
        past = datetime.now(UTC) - timedelta(seconds=1)
        change_list(connection, "ann", "area", area, ListSettings(expire=past))
        delete_list(connection, "ann", "watchlist", watchlist)
        done = follow()
        assert done == ["match_lists"]
        assert platform.query("SELECT active FROM areas") == [(False,)]
        assert platform.instance.get_dynamic_partitions("watchlists") == []
        assert not store.path("watchlists", f"wl_{watchlist}").exists()
        assert not store.path("areas", f"ar_{area}").exists()
        assert follow() == []


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
        for changes, files in (({"watchlist_order": 9}, 1), ({"watchlist_order": 9, "watchlist_cones": 1}, 2)):
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
            assert "order 9" in stale[0].reason
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


def test_the_stream_is_matched(platform: Any, survey: Callable[..., Any], follow: Callable[[], list[str]]) -> None:
    packets = list(survey(objects=6, visits=4).packets())
    platform.append(packets[: len(packets) // 2])
    platform.drain()
    [(ra, dec)] = platform.query("SELECT ra, decl FROM objects WHERE ra IS NOT NULL ORDER BY diaobjectid LIMIT 1")
    with engine.connect(platform.database.url, autocommit=True) as connection:
        watchlist = create_watchlist(connection, "ann", "list", parse_watchlist([f"{ra}, {dec}, it"]), radius=60.0)
    assert platform.materialisations("watchlist_hits") == []
    before = platform.versions("watchlist_facts")
    assert set(before.values()) == {"0-0000000000000000"}
    follow()
    # the hits of the list are a partition of their own, and no night has become another one
    assert set(platform.versions("watchlist_hits")) == {str(watchlist)}
    assert platform.versions("watchlist_facts") == before
    assert platform.query("SELECT count(*) FROM watchlist_facts") == [(0,)]
    platform.execute("DELETE FROM watchlist_hits")
    platform.append(packets[len(packets) // 2 :])
    platform.drain()
    rows = platform.query("SELECT name, night::text, ingestid > 0 FROM watchlist_hits")
    assert rows
    assert {row[0] for row in rows} == {"it"}
    assert all(row[2] for row in rows)
    after = platform.versions("watchlist_facts")
    nights = {row[0] for row in platform.query("SELECT DISTINCT night::text FROM watchlist_facts")}
    assert nights == {row[1] for row in rows}
    assert {night for night, version in after.items() if before.get(night, version) != version} <= nights
    # a night is computed again, and has the same facts
    night = rows[0][1]
    facts = platform.query("SELECT diaobjectid, diasourceid, cone_id, arcsec FROM watchlist_facts ORDER BY 1, 2, 3")
    platform.execute("DELETE FROM watchlist_facts")
    platform.make("watchlist_facts", "area_facts", "sky_map_facts", night=night)
    assert platform.versions("watchlist_facts")[night] == after[night]
    again = "SELECT diaobjectid, diasourceid, cone_id, arcsec FROM watchlist_facts ORDER BY 1, 2, 3"
    assert platform.query(again) == facts
    # with its rows, too
    platform.execute("DELETE FROM watchlist_facts")
    platform.make("sources", "forced_sources", "objects", night=night)
    assert platform.versions("watchlist_facts")[night] == after[night]
    assert platform.query(again) == facts
    # and all objects with the list again
    hits = platform.query("SELECT diaobjectid, cone_id FROM watchlist_hits ORDER BY 1, 2")
    platform.execute("DELETE FROM watchlist_hits")
    platform.make("watchlist_hits", night=str(watchlist))
    assert platform.query("SELECT diaobjectid, cone_id FROM watchlist_hits ORDER BY 1, 2") == hits


def test_tns(platform: Any, tns: ModuleType, peer: Any, follow: Callable[[], list[str]]) -> None:
    skipped = tick(platform, "tns_cadence")
    assert "BROKER_TNS__KEY" in skipped.skip_message
    platform.settings = platform.settings.model_copy(
        update={
            "tns": type(platform.settings.tns)(
                key=tns.KEY,
                bot_id=tns.BOT_ID,
                bot_name=tns.BOT_NAME,
                bulk_url=peer.bulk_url,
                search_url=peer.search_url,
            )
        }
    )
    platform.definitions = build_defs(
        settings=platform.settings, resource_overrides={"database": platform.database, "kafka": platform.kafka}
    )
    add_objects(platform, [(10.0, 10.0)])
    rows = [tns.tns_row(n, f"2026{n}", 10.0 * n, 10.0) for n in range(1, 6)]
    peer.put("tns_public_objects.csv.zip", rows)
    request = tick(platform, "tns_cadence")
    assert isinstance(request, RunRequest)
    assert request.tags["broker/tns"].startswith("full")
    before = evaluate_automation_conditions(platform.definitions, platform.instance)
    result = platform.run("fetch_tns", tags=dict(request.tags))
    # the files of other nodes follow the table
    after = evaluate_automation_conditions(platform.definitions, platform.instance, cursor=before.cursor)
    assert [partial.key for partial in after.results if partial.true_subset.size] == [AssetKey("tns_snapshot")]
    platform.make("tns_snapshot")
    folder = ObjectStore.of(platform.settings).path("snapshots", "crossmatch_tns")
    [version] = platform.versions("tns_snapshot").values()
    published, files = read_published(folder)
    assert published == version
    assert files["crossmatch_tns.csv"].count(b"\n") == 6
    assert platform.query("SELECT input_asset FROM artefact_input WHERE asset = 'tns_snapshot'") == [
        ("crossmatch_tns",)
    ]
    checks = platform.checks(result)
    assert checks["crossmatch_tns", "complete", ""]
    first = platform.versions("crossmatch_tns")
    done = follow()
    assert done[0] == "match_lists"
    assert platform.query("SELECT tns_name FROM objects") == [("20261",)]
    # what is not there yet is not asked for at every tick
    assert isinstance(tick(platform, "tns_cadence"), SkipReason)

    # an unchanged file makes nothing stale
    cones = platform.versions("cone_index")
    platform.run("fetch_tns", run_config={"ops": {"crossmatch_tns": {"config": {"full": True}}}})
    assert platform.versions("crossmatch_tns") == first
    assert follow() == []
    assert platform.versions("cone_index") == cones

    # somebody else changed the table
    platform.execute("UPDATE crossmatch_tns SET z = 1 WHERE tns_name = '20261'")
    peer.files.clear()
    checks = platform.checks(platform.run("fetch_tns"))
    assert not checks["crossmatch_tns", "complete", ""]


def test_checks_find_what_is_wrong(platform: Any, follow: Callable[[], list[str]]) -> None:
    with engine.connect(platform.database.url, autocommit=True) as connection:
        watchlist = create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10", "359.999, 89.99"]), radius=9)
        create_area(connection, "ann", "area", cone_area(200.0, -40.0, 1.0, order=8))
    follow()
    # behind the back of the revisions
    platform.execute("UPDATE watchlist_cones SET ra = 11 WHERE ra = 10")
    platform.execute("UPDATE areas SET moc_version = 'other'")
    for path in ObjectStore.of(platform.settings).path("watchlists", f"wl_{watchlist}").glob("*/moc000.fits"):
        path.write_bytes(b"damaged")
    from broker_assets.checks.sky import areas_equal, cones_equal, mocs_cover, recall

    with engine.connect(platform.database.url) as connection:
        assert not cones_equal(connection, platform.settings.sky).passed
        assert not areas_equal(connection, platform.settings.sky).passed
        assert not mocs_cover(connection, ObjectStore.of(platform.settings)).passed
        assert recall(connection, platform.settings.sky).passed
        assert not cones_equal(connection, platform.settings.sky / "elsewhere").passed


def test_notices_are_not_read_without_a_topic(platform: Any) -> None:
    assert "BROKER_NOTICES__TOPIC" in tick(platform, "notices").skip_message


def event_map() -> bytes:
    """A map with its probability in four cells of order 3, the first of them around (45, 5)."""
    pixels = np.arange(12 * 4**3)
    density = np.zeros(len(pixels))
    density[:4] = np.array([0.5, 0.25, 0.15, 0.1]) / (np.pi / 3 / 4**3)
    table = fits.BinTableHDU.from_columns(
        [fits.Column("UNIQ", "K", array=pixels + 4 * 4**3), fits.Column("PROBDENSITY", "D", array=density)]
    )
    table.header["COORDSYS"] = "C"
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(buffer)
    return buffer.getvalue()


def event_notice(kind: str, minute: int) -> bytes:
    details = {
        "time": (datetime.now(UTC) - timedelta(days=1)).isoformat(),
        "far": 1e-9,
        "classification": {"BNS": 1.0},
        "skymap": base64.b64encode(event_map()).decode(),
    }
    record = {
        "superevent_id": "S261120a",
        "alert_type": kind,
        "time_created": f"2026-11-20T10:{minute:02d}:00Z",
        "event": None if kind == "RETRACTION" else details,
    }
    return json.dumps(record).encode()


def test_an_event_is_followed_to_its_hits_and_files(
    platform: Any, packets: ModuleType, follow: Callable[[], list[str]]
) -> None:
    settings = platform.settings
    platform.settings = settings.model_copy(update={"notices": type(settings.notices)(topic="igwn.gwalert")})
    notices = type(platform.kafka)(packets, platform.settings)
    overrides = {"database": platform.database, "kafka": notices}
    platform.definitions = build_defs(settings=platform.settings, resource_overrides=overrides)
    add_objects(platform, [(45.0, 4.8), (200.0, -40.0)])
    platform.execute(f"UPDATE objects SET lastdiasourcemjdtai = {Time.now().tai.mjd - 1.0}")
    for value in (event_notice("INITIAL", 1), b"rubbish"):
        notices.content.append(0, value)
    assert platform.run("read_notices").success
    assert platform.query("SELECT count(*) FROM quarantine") == [(1,)]
    done = follow()
    [(identifier,)] = platform.query("SELECT mw_id FROM mma_areas WHERE active")
    assert done[0] == "match_lists"
    assert done[1].startswith(f"sky_map:{identifier}_")
    [(hit, contour)] = platform.query("SELECT diaobjectid, contour FROM mma_area_hits")
    assert hit == 1
    assert contour == pytest.approx(50.0)
    _, files = read_published(ObjectStore.of(platform.settings).path("sky_maps", f"mw_{identifier}"))
    assert {"10.moc", "90.moc", "map.fits"} <= files.keys()
    notices.content.append(0, event_notice("RETRACTION", 2))
    assert platform.run("read_notices").success
    follow()
    assert platform.query("SELECT active FROM mma_areas") == [(False,)]

"""Migrations bring any database to the tables of the code, however many processes start at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

import pytest
import sqlalchemy as sa

from broker_assets.database import engine, migrations
from broker_assets.provenance import versions

pytestmark = pytest.mark.database


@pytest.fixture
def empty_url(postgres: Any, new_database: Callable[..., AbstractContextManager[str]]) -> Iterator[str]:
    with new_database() as name:
        yield postgres.url(name)


def test_upgrade_gives_the_tables_of_the_code_and_can_be_repeated(empty_url: str) -> None:
    assert migrations.current(empty_url) is None
    assert migrations.check(empty_url) != []
    assert migrations.upgrade(empty_url) == migrations.head()
    assert migrations.check(empty_url) == []
    assert migrations.upgrade(empty_url) == migrations.head() == migrations.current(empty_url)


def test_a_database_of_a_later_release_is_left_as_it_is(database_url: str) -> None:
    """The release before is restored: what prepares its services must not fail, nor take a step back."""
    with engine.engine(database_url).begin() as connection:
        connection.execute(sa.text(f"UPDATE {migrations.VERSION_TABLE} SET version_num = '9999'"))
    assert migrations.upgrade(database_url) == "9999"
    assert migrations.current(database_url) == "9999"
    assert migrations.serves("9999")
    with pytest.raises(migrations.UnknownRevisionError, match="no step 9998"):
        migrations.upgrade(database_url, "9998")
    with pytest.raises(engine.DatabaseUnavailableError):
        migrations.current("postgresql+psycopg://nobody@127.0.0.1:1/none")


def test_processes_that_start_at_once_do_not_disturb_one_another(empty_url: str) -> None:
    with ThreadPoolExecutor(4) as threads:
        revisions = list(threads.map(lambda _: migrations.upgrade(empty_url), range(4)))
    assert revisions == [migrations.head()] * 4
    assert migrations.check(empty_url) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ALTER TABLE objects DROP COLUMN ebv CASCADE", "ebv"),
        ("ALTER TABLE quarantine ALTER COLUMN payload TYPE text USING ''", "payload"),
        ("DROP VIEW diaobjects", "diaobjects"),
        ("DROP INDEX diasources_lightcurve", "diasources_lightcurve"),
    ],
)
def test_check_tells_a_difference(database_url: str, change: str, told: str) -> None:
    with engine.transaction(database_url) as connection:
        connection.execute(change)
    assert any(told in difference for difference in migrations.check(database_url))


def test_partitions_and_foreign_tables_are_no_difference(database_url: str) -> None:
    with engine.transaction(database_url) as connection:
        connection.execute("CREATE TABLE of_somebody_else (id int)")
    with engine.connect(database_url) as connection:
        from broker_assets.database import partitions

        assert partitions.ensure(connection, [61000.0])
    assert migrations.check(database_url) == []


def test_hits_of_before_become_facts_and_state(empty_url: str) -> None:
    """Rows of an older schema are carried over: hits by night as facts, lists with periods."""
    migrations.upgrade(empty_url, "0005")
    with engine.transaction(empty_url) as connection:
        for statement in (
            "INSERT INTO watchlists (wl_id, owner, name, radius, active, revision, whole_revision)"
            " OVERRIDING SYSTEM VALUE VALUES (1, 'ann', 'on', 5, true, 7, 3), (2, 'ann', 'off', 5, false, 2, 1)",
            "INSERT INTO watchlist_cones (cone_id, wl_id, ra, decl) OVERRIDING SYSTEM VALUE"
            " VALUES (10, 1, 10, 10), (20, 2, 10, 10)",
            "INSERT INTO watchlist_cone_gone (wl_id, cone_id, revision) VALUES (1, 9, 4)",
            "INSERT INTO areas (ar_id, owner, name, moc, moc_version, square_degrees, revision) OVERRIDING SYSTEM VALUE"
            " VALUES (5, 'ann', 'area', 'moc', 'hash', 1, 2), (6, 'ann', 'area 2', 'moc', 'hash', 1, 1)",
            "INSERT INTO objects (diaobjectid, survey, ra, decl) VALUES (1, 1, 10, 10)",
            "INSERT INTO ingest_batch (topic, kind, code_version, started_at) VALUES ('t', 'stream', '1', now())",
            "INSERT INTO diasources (diasourceid, diaobjectid, midpointmjdtai, survey, night, archivefileid)"
            " VALUES (100, 1, 61000.1, 1, '2025-11-20', 1), (101, 1, 61000.2, 1, '2025-11-20', 1),"
            " (102, 1, 61000.3, 1, '2025-11-20', NULL)",
            "INSERT INTO watchlist_hits (diaobjectid, cone_id, wl_id, arcsec, ingestid, night)"
            " VALUES (1, 10, 1, 0.5, 1, '2025-11-20'), (1, 20, 2, 0.5, NULL, NULL)",
            "INSERT INTO area_hits (diaobjectid, ar_id, ingestid, night) VALUES (1, 6, 1, '2025-11-20'),"
            " (1, 5, 1, '2025-11-20')",
            "INSERT INTO rematch (kind, list_id, revision, largest_cone, hits)"
            " VALUES ('watchlist', 1, 7, 10, 1), ('watchlist', 2, 2, 20, 1), ('area', 5, 1, 0, 1)",
        ):
            connection.execute(statement)
    migrations.upgrade(empty_url)
    assert migrations.check(empty_url) == []
    with engine.connect(empty_url) as connection:

        def rows(statement: str) -> list[tuple[Any, ...]]:
            return connection.execute(statement).fetchall()

        assert rows("SELECT value FROM revision_counter") == [(1,)]
        # the newest alert of the night, not a point of a history
        assert rows("SELECT diasourceid, night::text, cone_id, arcsec FROM watchlist_facts") == [
            (101, "2025-11-20", 10, 0.5)
        ]
        assert rows("SELECT diasourceid, ar_ids FROM area_facts") == [(101, [5, 6])]
        assert rows("SELECT cone_id FROM watchlist_hits") == [(10,)]
        assert rows("SELECT wl_id, revision_from, revision_to, radius FROM watchlist_periods") == [(1, 1, None, 5.0)]
        assert rows("SELECT ar_id FROM area_periods ORDER BY 1") == [(5,), (6,)]
        assert rows("SELECT revision FROM watchlists ORDER BY wl_id") == [(1,), (1,)]
        # what was up to date is so still; what was not is matched as a whole
        assert rows("SELECT kind, list_id, revision FROM rematch") == [("watchlist", 1, 1)]
        assert rows("SELECT asset, rows FROM ingest_batch_facts ORDER BY 1") == [
            ("area_facts", 1),
            ("watchlist_facts", 1),
        ]
        assert rows("SELECT revision FROM ingest_batch") == [(1,)]


def test_origins_of_rows_of_before_are_found(empty_url: str) -> None:
    """Objects, orbits, TNS rows and sky maps that were stored before their origin was recorded."""
    migrations.upgrade(empty_url, "0009")
    with engine.transaction(empty_url) as connection:
        for statement in (
            "INSERT INTO diasources (diasourceid, diaobjectid, ssobjectid, midpointmjdtai, survey, archivefileid)"
            " VALUES (100, 1, NULL, 61000.1, 1, 1), (101, 1, NULL, 61000.2, 1, NULL), (102, 1, NULL, 61000.2, 1, 1),"
            " (103, 0, 9, 61000.2, 1, 1)",
            "INSERT INTO objects (diaobjectid, survey, lastdiasourcemjdtai) VALUES (1, 1, 61000.2), (2, 1, 61000.2)",
            "INSERT INTO sssources (ssobjectid, diasourceid, survey) VALUES (9, 103, 1)",
            "INSERT INTO ssobjects (ssobjectid, survey, lastdiasourcemjdtai) VALUES (9, 1, 61000.2)",
            "INSERT INTO mpc_orbits (designation, ssobjectid, survey, lastdiasourcemjdtai) VALUES ('a', 9, 1, 61000.2)",
            "INSERT INTO tns_file (name, kind, sha256, rows, covers_until, applied_at) VALUES"
            " ('early', 'day', 'e', 1, now(), '2026-01-01'), ('right', 'day', 'r', 1, now(), '2026-01-03'),"
            " ('late', 'day', 'l', 1, now(), '2026-01-05')",
            "INSERT INTO crossmatch_tns (ra, decl, tns_name, htm16, lasairmodified_date)"
            " VALUES (1, 1, 'one', 1, '2026-01-02')",
            "INSERT INTO ingest_batch (ingestid, topic, kind, code_version, started_at, finished_at, received, stored)"
            " OVERRIDING SYSTEM VALUE VALUES"
            " (1, 'alerts', 'stream', '1', '2026-01-02', '2026-01-02 00:00:01', 1, 1),"
            " (2, 'notices', 'stream', '1', '2026-01-02', '2026-01-02 00:00:02', 1, 1),"
            " (3, 'notices', 'stream', '1', '2026-01-02', '2026-01-02 00:00:03', 1, 1)",
            "INSERT INTO archive_file (ingestid, topic, night, url, packets, bytes, sha256)"
            " VALUES (1, 'alerts', '2026-01-01', 'u', 1, 1, 's')",
            "INSERT INTO mma_areas (event_tai, event_date, namespace, otherid, version, active, active_until,"
            " received_at) VALUES (61000, now(), 'LVK', 'S1', '1', true, now(), '2026-01-02')",
        ):
            connection.execute(statement)
    migrations.upgrade(empty_url)
    assert migrations.check(empty_url) == []
    with engine.connect(empty_url) as connection:
        for query, found in (
            ("SELECT diaobjectid, broughtby FROM objects ORDER BY 1", [(1, 102), (2, None)]),
            ("SELECT broughtby FROM ssobjects", [(103,)]),
            ("SELECT broughtby FROM mpc_orbits", [(103,)]),
            ("SELECT tns_file, tns_file_sha256 FROM crossmatch_tns", [("right", "r")]),
            ("SELECT ingestid FROM mma_areas", [(2,)]),
        ):
            assert connection.execute(query).fetchall() == found


def test_provenance_of_assets_that_are_no_more_is_carried_over(empty_url: str) -> None:
    """Files of lists were made from rows, which had no asset; now they are made from the observed lists."""
    before = [
        versions.Artefact(asset=f"{kind}_row", partition="7", data_version="r")
        for kind in ("watchlist", "area", "sky_map")
    ]
    files = [
        versions.Artefact(
            asset=row.asset.removesuffix("_row"),
            partition="7_S190425z_v1" if row.asset == "sky_map_row" else "7",
            data_version="f",
            code_version="1",
            inputs=(versions.Input(asset=row.asset, partition=row.partition, data_version="r"),),
        )
        for row in before
    ]
    kept = versions.Artefact(asset="tns_snapshot", data_version="t")
    migrations.upgrade(empty_url, "0008")
    with engine.transaction(empty_url) as connection:
        gone = versions.Artefact(asset="pruned_event_log", data_version="p")
        versions.record(connection, [*before, *files, kept, gone])
        versions.deploy(connection, {"pruned_event_log": "2", "tns_snapshot": "1"})
    migrations.upgrade(empty_url)
    with engine.transaction(empty_url) as connection:
        rows = connection.execute("SELECT asset FROM artefact ORDER BY 1").fetchall()
        assert [name for (name,) in rows] == ["area", "sky_map", "tns_snapshot", "watchlist"]
        uses = connection.execute("SELECT asset, input_asset, input_partition FROM artefact_input ORDER BY 1")
        assert uses.fetchall() == [
            ("area", "areas", "7"),
            ("sky_map", "sky_map_notices", "7_S190425z_v1"),
            ("watchlist", "watchlists", "7"),
        ]
        assert connection.execute("SELECT asset FROM code").fetchall() == [("tns_snapshot",)]
        # a map that is as it was needs no new files; one of another revision does
        seen = [
            versions.Artefact(asset="sky_map_notices", partition="7_S190425z_v1", data_version="r"),
            versions.Artefact(asset="watchlists", partition="7", data_version="1"),
            versions.Artefact(asset="areas", partition="7", data_version="r"),
        ]
        versions.record(connection, seen)
        assert [item.asset for item in versions.stale(connection)] == ["watchlist"]

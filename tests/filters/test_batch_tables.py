"""What the tables of a batch say for each alert; the stream's tests compare them with the database."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from broker_assets.accounting.facts import AlertBatch
from broker_assets.database import engine
from broker_assets.database import tables as declared
from broker_assets.filters.batch_tables import BatchTables, alerts_of
from broker_assets.filters.schema import ALERT, NOW, TABLES
from broker_assets.provenance.periods import record_changes
from broker_assets.sky.htm import htm
from broker_assets.sky.in_force import AREA_MATCHES, CONE_MATCHES, SKY_MAP_MATCHES, Matches
from broker_assets.tns.refresh import tns_watchlist

NOTHING = Matches(CONE_MATCHES.empty_table(), AREA_MATCHES.empty_table(), SKY_MAP_MATCHES.empty_table())


def batch(connection: Any = None) -> AlertBatch:
    """Four packets, the third again of the second's source; the last has no position."""
    packets, objects, sources = [0, 2, 3, 5], [10, 11, 11, 10], [100, 101, 101, 102]
    alerts = pa.table(
        {
            "packet": pa.array(packets, pa.int64()),
            "diaobjectid": objects,
            "diasourceid": sources,
            "midpointmjdtai": [61000.0, 61000.1, 61000.1, 61000.2],
            "night": pa.array([20000] * 4, pa.int32()).cast(pa.date32()),
            "ra": pa.array([1.0, 2.0, 2.0, None], pa.float64()),
            "decl": [3.0, 4.0, 4.0, 5.0],
            "lastdiasourcemjdtai": [61000.0] * 4,
        }
    )
    said = pa.table(
        {
            "packet": pa.array([5, 0, 2, 3], pa.int32()),
            "diaobjectid": [10, 10, 11, 11],
            "ra": [None, 1.0, 2.0, 2.0],
            "ndiasources": pa.array([4, 1, 2, 3], pa.int32()),
            "lastdiasourcemjdtai": [61000.2, 61000.0, 61000.1, 61000.1],
        }
    )
    points = pa.table(
        {"packet": pa.array([0, 0, 5], pa.int32()), "forced": [True, True, False], "midpointmjdtai": [1.0, 2.0, 9.0]}
    )
    moving = pa.table({"packet": pa.array([2], pa.int32()), "ssobjectid": [77], "designation": ["2025 AB"]})
    tables = {"object": said, "light_curve": points, "solar_system_source": moving}
    return AlertBatch(alerts, tables, connection)


def test_the_first_packet_of_a_source_counts() -> None:
    assert alerts_of(batch())["packet"].to_pylist() == [0, 2, 5]


def test_objects_are_as_their_own_packets_and_facts_say() -> None:
    features = pa.table(
        {
            "packet": pa.array([0, 2, 3, 5], pa.int64()),
            "g_psfflux": pa.array([1.0, 2.0, 3.0, 4.0], pa.float32()),
            "lastdiasourcemjdtai": [0.0] * 4,
        }
    )
    columns = {
        "objects": {"diaobjectid", "ra", "ndiasources", "g_psfflux", "lastdiasourcemjdtai", "htm16", "ebv"}
        | {"lastforcedmjdtai"}
    }
    found = BatchTables(batch(), {"object_features": features}, columns).of_packets()["objects"]
    assert found[ALERT].to_pylist() == [100, 101, 102]
    assert found[NOW].to_pylist() == [61000.0, 61000.1, 61000.2]
    assert found["ndiasources"].to_pylist() == [1, 2, 4]
    assert found["g_psfflux"].to_pylist() == [1.0, 2.0, 4.0]
    assert found["lastdiasourcemjdtai"].to_pylist() == [61000.0, 61000.1, 61000.2]
    assert found["ebv"].to_pylist() == [None, None, None]
    assert found["lastforcedmjdtai"].to_pylist() == [2.0, None, None]
    assert found["htm16"].to_pylist() == [*htm(np.array([1.0, 2.0]), np.array([3.0, 4.0])).tolist(), None]
    assert found.schema.field("ebv").type == pa.float32()


def test_solar_system_objects_and_scores_belong_to_their_alerts() -> None:
    scores = pa.table(
        {
            "packet": pa.array([5, 3], pa.int64()), "classifier": ["c", "c"], "class": ["SN", "AGN"],
            "version": ["1", "1"], "score": pa.array([0.5, 0.25], pa.float32()),
        }
    )  # fmt: skip
    columns = {
        "objects": {"diaobjectid"},
        "sssources": {"diaobjectid", "designation", "eclbeta"},
        "object_classes": {"diaobjectid", "class", "score"},
    }
    found = BatchTables(batch(), {"class_scores": scores}, columns).of_packets()
    assert found["sssources"].to_pylist() == [
        {ALERT: 101, "diaobjectid": 11, "designation": "2025 AB", "eclbeta": None}
    ]
    assert found["object_classes"].to_pylist() == [{ALERT: 102, "diaobjectid": 10, "class": "SN", "score": 0.5}]


@pytest.mark.database
def test_annotations_are_those_of_a_number_and_of_every_alert_of_the_object(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        said(connection, 10, "A", 1, 5)
        said(connection, 10, "B", 5, None)
        said(connection, 11, "C", 3, 3)  # replaced in its own batch
        said(connection, 12, "D", 1, None)
        columns = {"objects": {"diaobjectid"}, "annotations": {"diaobjectid", "topic", "classification", "classdict"}}
        tables = BatchTables(batch(connection), {}, columns)

        def at(revision: int) -> list[tuple[int, str]]:
            rows = tables.at(connection, revision, NOTHING)["annotations"].to_pylist()
            assert all(row["topic"] == "fink" and row["classdict"] == "{}" for row in rows)
            return sorted((row[ALERT], row["classification"]) for row in rows)

        assert at(0) == []
        assert at(4) == [(100, "A"), (102, "A")]
        assert at(5) == [(100, "B"), (102, "B")]


@pytest.mark.database
def test_tns_and_links_are_those_of_a_number(database_url: str) -> None:
    """A supernova that was classified later is no supernova in a night that is computed again."""
    with engine.connect(database_url) as connection:
        row = connection.execute("SELECT value FROM revision_counter").fetchone()
        assert row is not None
        before = int(row[0])
        mirror = tns_watchlist(connection)
        numbers = []
        for kind, arcsec in ((None, 0.5), ("SN Ia", 0.7)):
            connection.execute(
                "INSERT INTO crossmatch_tns (tns_name, type, ra, decl, htm16) VALUES ('2026a', %(kind)s, 1, 3, 0)"
                " ON CONFLICT (tns_name) DO UPDATE SET type = %(kind)s",
                {"kind": kind},
            )
            connection.execute(
                "INSERT INTO object_link VALUES (10, 99, %(arcsec)s, '2025-11-20', 1, 2)"
                " ON CONFLICT (diaobjectid, linkedid) DO UPDATE SET arcsec = %(arcsec)s",
                {"arcsec": arcsec},
            )
            record_changes(connection, declared.crossmatch_tns, declared.crossmatch_tns_history, key=["id"])
            connection.execute("DELETE FROM contradictions")
            connection.execute(
                "INSERT INTO contradictions (diaobjectid, source, othersource, said, othersaid, classid, otherclassid)"
                " SELECT 11, 'broker x', 'tns', 'AGN', %(kind)s, 2332, 2222 WHERE %(kind)s::text IS NOT NULL",
                {"kind": kind},
            )
            pair = ["diaobjectid", "source", "othersource"]
            record_changes(connection, declared.contradictions, declared.contradictions_history, key=pair)
            key = ["diaobjectid", "linkedid"]
            numbers.append(record_changes(connection, declared.object_link, declared.object_link_history, key=key))
        cone = {"row": 0, "cone_id": 1, "wl_id": mirror, "name": "2026a", "arcsec": 0.25}
        near = pa.Table.from_pylist([cone], schema=CONE_MATCHES)
        columns = {
            "objects": {"diaobjectid", "tns_name"},
            "crossmatch_tns": {"diaobjectid", "type"},
            "object_link": {"linkedid", "arcsec"},
            "contradictions": {"source", "othersaid"},
        }
        tables = BatchTables(batch(connection), {}, columns)
        found = {}
        for number in (before, *(number for number in numbers if number is not None)):
            used = tables.at(connection, number, Matches(near, NOTHING.areas, NOTHING.sky_maps))
            found[number - before] = (
                used["crossmatch_tns"]["type"].to_pylist(),
                used["object_link"]["arcsec"].to_pylist(),
                used["contradictions"]["othersaid"].to_pylist(),
            )
    first, second = (number - before for number in numbers if number is not None)
    assert found == {
        0: ([], [], []),
        first: ([None], [0.5, 0.5], []),
        second: (["SN Ia"], [0.7, 0.7], ["SN Ia"]),
    }


@pytest.mark.database
def test_events_of_notices_are_with_the_alerts_that_their_cones_hold(database_url: str) -> None:
    """Also those that have ended since: a night that is computed again has the events of its time."""
    with engine.connect(database_url) as connection:
        for cone, ended in ((7, None), (8, 5)):
            connection.execute(
                "INSERT INTO notice_events (cone_id, wl_id, stream, event, name, notice_type, trigger_tai, mjd_since,"
                " mjd_until, ra, decl, radius, error_radius, containment, noticeid, revision_from, revision_to)"
                " VALUES (%s, 1, 'bursts', 'e', %s, 'initial', 60999.5, 60999, 61010, 1, 3, 60, 60, 0.9, 1, 2, %s)",
                (cone, f"GRB {cone}", ended),
            )
        columns = {"objects": {"diaobjectid"}, "notice_events": {"diaobjectid", "name", "trigger_tai", "arcsec", "ra"}}
        tables = BatchTables(batch(connection), {}, columns)
        cones = pa.table(
            {"row": [0, 0, 2, 2], "cone_id": [7, 9, 7, 8], "wl_id": [1, 2, 1, 1], "arcsec": [1.0, 2.0, 3.0, 4.0],
             "name": ["GRB 7", "mine", "GRB 7", "GRB 8"]},
            schema=NOTHING.cones.schema,
        )  # fmt: skip
        found = tables.at(connection, 3, Matches(cones, NOTHING.areas, NOTHING.sky_maps))["notice_events"].to_pylist()
        assert [(row[ALERT], row["diaobjectid"], row["name"], row["arcsec"]) for row in found] == [
            (100, 10, "GRB 7", 1.0), (102, 10, "GRB 7", 3.0), (102, 10, "GRB 8", 4.0),
        ]  # fmt: skip
        assert {(row["trigger_tai"], row["ra"]) for row in found} == {(60999.5, 1.0)}
        assert tables.at(connection, 3, NOTHING)["notice_events"].num_rows == 0


def said(connection: psycopg.Connection[Any], number: int, text: str, first: int, last: int | None) -> None:
    connection.execute(
        "INSERT INTO annotation_history (diaobjectid, topic, classification, content, revision_from, revision_to,"
        " ingestid) VALUES (%s, 'fink', %s, %s, %s, %s, 1)",
        (number, text, text, first, last),
    )


def test_every_published_table_can_be_made_of_a_batch() -> None:
    """With all their columns, also where nothing is known."""
    from_packets = {"sherlock_classifications", "object_classes", "sssources", "ssobjects", "mpc_orbits", "objects"}
    columns = {name: set(TABLES[name].columns) for name in from_packets}
    found = BatchTables(batch(), {}, columns).of_packets()
    for name in from_packets:
        assert set(found[name].column_names) - {ALERT, NOW} == columns[name], name
    assert set(TABLES) - from_packets == {
        "crossmatch_tns", "watchlist_hits", "area_hits", "mma_area_hits", "annotations", "object_link",
        "notice_events", "contradictions",
    }  # fmt: skip

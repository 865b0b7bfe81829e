"""Months leave the database when they are proven equal; readers find equal rows whatever has left."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import pytest
from cold_points import bring, mjd

from broker_assets.cold.catalogue import ColdStore
from broker_assets.cold.months import NotEqual, detach, drop_detached, due, prove, stale_nights
from broker_assets.cold.nights import point_table, write_night
from broker_assets.database import border, partitions, point_sums
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.documented_rows import documented_rows
from broker_assets.database.engine import connect
from broker_assets.database.point_identity import PointKind
from broker_assets.database.point_rows import mark_withdrawn, remove_points, write_points
from broker_assets.database.reading import light_curve
from broker_assets.database.tables import PARTITIONED, diaforcedsources, diasources
from broker_assets.filters import tap
from broker_assets.lightcurves.chart.points import curve_points
from broker_assets.lightcurves.curve_tables import curve_table
from broker_assets.lightcurves.stored_curves import stored_curves
from broker_assets.provenance.why import Place, why
from broker_assets.search.finding import object_of_source
from broker_assets.tom.hot_transients import hot_objects
from broker_assets.tom.light_curves import DETECTIONS, PATCH, curves_of
from broker_assets.tom.spectra.wanted import Choice, wanted_spectra
from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.curves import find_roots, root_curves
from broker_assets.tom.versions.hot import hot_roots
from broker_assets.tom.versions.searching import COUNTED, count, search

pytestmark = pytest.mark.database

TABLES = tuple(point_table(table) for table in PARTITIONED)
START = datetime.date(2026, 1, 10)
OBJECTS = np.arange(1, 6)
NOW = datetime.date(2026, 9, 1)
SEEDS = range(1, 21 if os.environ.get("BROKER_TEST_FULL") else 2)


QUERIES = (
    "SELECT diaObjectId, midpointMjdTai, psfFlux FROM diaForcedSources WHERE diaObjectId = 3 ORDER BY 2, 3",
    "SELECT count(*) AS number, max(psfFlux) AS flux FROM diaSources WHERE midpointMjdTai BETWEEN 61000 AND 61200",
    "SELECT s.diaObjectId, count(*) AS number FROM diaSources AS s JOIN diaForcedSources AS f"
    " ON f.diaObjectId = s.diaObjectId WHERE s.diaObjectId IN (1, 2) AND f.diaObjectId < 9 GROUP BY s.diaObjectId"
    " ORDER BY 1",
    "SELECT count(*) AS number FROM diaSources WHERE diaObjectId IN (SELECT diaObjectId FROM diaSources"
    " WHERE psfFlux > 5)",
)
"""Of a user: restricted by object, by time, joined, and not restricted at all."""


def rows(connection: psycopg.Connection[Any], table: Any) -> list[dict[str, Any]]:
    """Everything that readers find in a table, in a fixed order."""
    found = border.rows(connection, table, arrow_schema(table).names, [])
    return sorted(found.to_pylist(), key=lambda row: repr(sorted(row.items())))


def leave(store: ColdStore, connection: psycopg.Connection[Any]) -> int:
    """Let all months leave that should, after the nights that differ were written again; gives how many left."""
    connection.commit()
    months = due(connection, NOW, 2)
    proofs = [prove(connection, table, month) for month in months for table in PARTITIONED]
    connection.commit()
    for night in stale_nights(proofs):
        write_night(store, datetime.date.fromisoformat(night), TABLES)
    done = detach(connection, months)
    connection.commit()
    return len(done)


def known_elsewhere(connection: psycopg.Connection[Any], sources: list[int]) -> None:
    """The objects of the points, also under the names of DESC's TOM and of FASTDB; a spectrum of each is wanted."""
    numbers = OBJECTS.tolist()
    connection.execute(
        "INSERT INTO archive_file (archivefileid, ingestid, topic, night, url, packets, bytes, sha256)"
        " VALUES (1, 1, 'alerts', '2026-01-10', 'file:///a', 1, 1, 'x')"
    )
    connection.execute(
        "INSERT INTO objects (diaobjectid, survey, ra, decl, broughtby, lastdiasourcemjdtai)"
        " SELECT number, 3, 10, 20, %s, 62000 FROM unnest(%s::bigint[]) AS number",
        (sources[0], numbers),
    )
    connection.execute(
        "INSERT INTO elasticc2_diaobjectdetails (diaobject_id, isddf, latestsourcemjd)"
        " SELECT number, false, 62000 FROM unnest(%s::bigint[]) AS number",
        (numbers,),
    )
    connection.execute(
        "INSERT INTO root_diaobject (id, ra, dec, survey, zone) SELECT md5(number::text)::uuid, 10, 20, 3, 36000"
        " FROM unnest(%s::bigint[]) AS number",
        (numbers,),
    )
    connection.execute(
        "INSERT INTO diaobject (diaobjectid, base_procver_id, rootid) SELECT number, id, md5(number::text)::uuid"
        " FROM unnest(%s::bigint[]) AS number, base_processing_version WHERE _table = 'diaobject' AND reduction = 0",
        (numbers,),
    )
    connection.execute(
        "INSERT INTO elasticc2_wantedspectra (wantspec_id, wanttime, diaobject_id, requester, priority, user_id)"
        " SELECT number || 'ann', now(), number, 'ann', 1, 1 FROM unnest(%s::bigint[]) AS number",
        (numbers,),
    )
    connection.commit()


def everything_else(connection: psycopg.Connection[Any], sources: list[int], middle: float) -> list[Any]:
    """What other readers answer: look-ups of a source, what was detected in some time, light curves and statistics
    under the names of DESC's TOM and of FASTDB, and where a row is from."""
    version = definitions.find(connection, "default")
    roots = find_roots(connection, OBJECTS.tolist())
    found: list[Any] = [object_of_source(connection, one) for one in sources[:3]]
    for options in ({"by_forced": True}, {"since": middle - 60.0, "until": middle}):
        found.append(hot_objects(connection, **{"since": middle - 30.0, **options}).tolist())  # type: ignore[arg-type]
        begin, until = options.get("since", middle - 30.0), options.get("until")
        found.append(hot_roots(connection, version, begin, until).identifiers)
    for which in (DETECTIONS, PATCH):  # the latter reads forced photometry, too
        found.append(curves_of(connection, OBJECTS, which=which).points)
        curves = root_curves(connection, version, roots, which=which)
        found.append({name: values.tolist() for name, values in curves.columns.items()})
    found.append(search(connection, version, {"ndets": (1.0, None)}))
    found += [count(connection, version, what) for what in COUNTED]
    found.append(wanted_spectra(connection, Choice(None, None, None, middle)))
    for table, name, value in (("diasources", "diasourceid", sources[0]), ("diaforcedsources", "diaobjectid", 3),
                               ("objects", "diaobjectid", 2)):  # fmt: skip
        answer = why(connection, table, {name: value}, lambda *_: Place(0, 7), limit=1000)
        assert answer, table
        found.append([one.model_copy(update={"batch": None}) for one in answer])
    assert all(found[:3])
    assert found[-1][0].packet is not None, "of a source that has left"
    connection.commit()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_equal_rows_on_both_sides(
    seed: int,
    postgres: Any,
    new_database: Callable[..., AbstractContextManager[str]],
    migrated_template: str,
    tmp_path: Path,
) -> None:
    """Packets in any order, late ones, withdrawn points and nights written again: the same as if nothing had left."""
    random = np.random.default_rng(seed)
    with new_database(migrated_template) as cold_name, new_database(migrated_template) as hot_name:
        store = ColdStore(postgres.url(cold_name), (tmp_path / "cold").as_uri())
        with connect(postgres.url(cold_name)) as cold, connect(postgres.url(hot_name)) as hot:
            nights = [START + datetime.timedelta(days=int(day)) for day in random.choice(160, 6, replace=False)]
            left = 0
            for number, night in enumerate(nights):
                objects = sorted(int(item) for item in random.choice(OBJECTS, 3, replace=False))
                flux, withdrawn = float(random.integers(50, 90)), int(random.choice(OBJECTS))
                again = nights[int(random.integers(0, number + 1))]
                for connection in (hot, cold):
                    bring(connection, night, objects, flux=flux, survey=3)
                    if number == 3:
                        with connection.transaction():
                            found = border.rows(
                                connection,
                                diaforcedsources,
                                ["diaobjectid", "diaforcedsourceid"],
                                [[("diaobjectid", "=", withdrawn)]],
                            )
                            marks = found.append_column("timewithdrawnmjdtai", [[mjd(night)] * found.num_rows])
                            mark_withdrawn(connection, PointKind.FORCED, marks)
                    if number == 4:
                        with connection.transaction():
                            remove_points(connection, again, 1)
                        bring(connection, again, [1, 2, 3, 4, 5], flux=flux + 1, survey=3)
                if number % 2:
                    left += leave(store, cold)
                for table in PARTITIONED:
                    assert rows(cold, table) == rows(hot, table), (number, table.name)
                    assert cold.execute(f"SELECT count(*) FROM {table.name}_default").fetchone() == (0,)
            assert left > 6
            assert light_curve(cold, OBJECTS, full=True) == light_curve(hot, OBJECTS, full=True)
            middle = mjd(sorted(nights)[3])
            for since, until in ((None, middle), (middle, None), (middle - 30, middle)):
                assert light_curve(cold, [2, 3], since=since, until=until) == light_curve(
                    hot, [2, 3], since=since, until=until
                )
            for until_night in (None, sorted(nights)[2]):
                ours, theirs = (stored_curves(one, OBJECTS, night=until_night) for one in (cold, hot))
                assert all(
                    np.array_equal(getattr(ours, name), getattr(theirs, name), equal_nan=True) for name in vars(ours)
                )
            sums = [
                point_sums.read(one, OBJECTS).entries[["kind", "month", "number", "checksum"]] for one in (cold, hot)
            ]
            assert np.array_equal(sums[0], sums[1])
            for one in (cold, hot):
                one.rollback()
            known = dict.fromkeys(OBJECTS.tolist(), 1)
            choices: list[dict[str, Any]] = [{}, {"as_of": middle}, {"since": middle}]
            for options in choices:
                for few in (known, known | dict.fromkeys(range(50, 60), 1)):
                    assert curve_table(cold, few, **options) == curve_table(hot, few, **options)
            for name in vars(curve_points(hot, [2, 3])):
                ours, theirs = (getattr(curve_points(one, [2, 3]), name) for one in (cold, hot))
                assert np.array_equal(ours, theirs, equal_nan=ours.dtype.kind == "f"), name
            numbers = [row["diasourceid"] for row in rows(hot, diasources)]
            ours, theirs = (
                documented_rows(
                    one, diasources, "diasourceid", numbers[:4], order=["diasourceid"], without=["ingestid"]
                )
                for one in (cold, hot)
            )
            assert ours == theirs
            for query in QUERIES:
                one_side, other_side = (
                    tap.run(one, query, limit=1000, seconds=30.0, viewer="").table.to_pylist() for one in (cold, hot)
                )
                assert one_side == other_side
                assert one_side
            for one in (hot, cold):
                known_elsewhere(one, numbers)
            assert everything_else(cold, numbers, middle) == everything_else(hot, numbers, middle)
            # What stays in the database of the months that left: nothing.
            gone = cold.execute("SELECT sum(rows) FROM cold_months").fetchone()
            assert gone is not None
            assert gone[0] > 20


def test_a_month_that_is_not_equal_stays(store: ColdStore, connection: psycopg.Connection[Any]) -> None:
    """A night that was not written, or is not as it was written: the month stays, and the night is named."""
    bring(connection, START, [1, 2])
    later = START + datetime.timedelta(days=3)
    bring(connection, later, [1, 2])
    write_night(store, START, TABLES)
    month = np.datetime64("2026-01")
    assert month in due(connection, NOW, 2)
    connection.commit()
    with pytest.raises(NotEqual, match=str(later)):
        detach(connection, [month])
    connection.commit()
    assert connection.execute("SELECT count(*) FROM cold_months").fetchone() == (0,)
    proof = prove(connection, diasources, month)
    assert (proof.rows, proof.cold_rows, proof.nights) == (4, 2, (str(later),))
    connection.commit()
    write_night(store, later, TABLES)
    detach(connection, [month])
    leaf = partitions.partition_name(diasources, month)
    assert connection.execute(f"SELECT count(*) FROM {leaf}").fetchone() == (0,)
    assert len(light_curve(connection, [1]).sources) == 2
    assert light_curve(connection, [1], since=mjd(later) + 60).sources.num_rows == 0
    connection.commit()
    # What was detached is dropped after some days, and not before.
    assert drop_detached(connection, days=1.0) == []
    assert len(drop_detached(connection, days=0.0)) == 3
    assert due(connection, NOW, 2) == [np.datetime64("2025-12"), np.datetime64("2025-11")][::-1]


def test_late_points_go_where_their_month_is(store: ColdStore, connection: psycopg.Connection[Any]) -> None:
    """A point of a month that has left makes its own night stale, and its month leaves again with it."""
    bring(connection, START, [1])
    write_night(store, START, TABLES)
    january = np.datetime64("2026-01")
    detach(connection, [january])
    connection.commit()
    late = START + datetime.timedelta(days=60)
    bring(connection, late, [1, 2], step=55.0, before=1)
    assert january in due(connection, NOW, 2)
    assert connection.execute("SELECT count(*) FROM diaforcedsources_default").fetchone() == (0,)
    proof = prove(connection, diaforcedsources, january)
    assert proof.nights == (str(late),)
    found = light_curve(connection, [1, 2]).forced_sources.num_rows
    connection.commit()
    write_night(store, late, TABLES)
    detach(connection, [january])
    assert light_curve(connection, [1, 2]).forced_sources.num_rows == found
    assert connection.execute("SELECT count(*) FROM diaforcedsources_2026_01").fetchone() == (0,)


@pytest.mark.parametrize("to", [61290.25, 61055.25, 61350.25], ids=["month here", "month left", "no month yet"])
def test_a_point_whose_time_is_moved_out_of_a_month_that_has_left_stands_once(
    store: ColdStore, connection: psycopg.Connection[Any], to: float
) -> None:
    """An earlier packet has another time for it: readers find it there alone, also after months leave again."""
    for night in (START, START + datetime.timedelta(days=31), START + datetime.timedelta(days=250)):
        bring(connection, night, [1])
        write_night(store, night, TABLES)
    left = [np.datetime64("2025-12"), np.datetime64("2026-01")]
    detach(connection, left)
    before = light_curve(connection, [1], full=True).forced_sources
    gone = [row for row in before.to_pylist() if left[0] <= partitions.months([row["midpointmjdtai"]])[0] <= left[1]]
    first = min(gone, key=lambda row: float(row["midpointmjdtai"]))
    connection.commit()
    earlier = datetime.date(2025, 12, 5)
    point = {
        "diaobjectid": 1, "diaforcedsourceid": first["diaforcedsourceid"], "midpointmjdtai": to, "band": "r",
        "psfflux": 7.0, "psffluxerr": 2.0, "broughtby": 5, "broughtbymjdtai": mjd(earlier), "night": earlier,
        "survey": 1, "ingestid": 2,
    }  # fmt: skip
    schema = arrow_schema(diaforcedsources)
    rows_of_point = pa.table({name: pa.array([value], schema.field(name).type) for name, value in point.items()})
    partitions.ensure(connection, [to])
    for _ in range(2):  # sent twice
        with connection.transaction():
            write_points(connection, {PointKind.FORCED: rows_of_point})

    def stands() -> list[tuple[int, float, float]]:
        found = light_curve(connection, [1], full=True).forced_sources.to_pylist()
        connection.rollback()
        return sorted((row["diaforcedsourceid"], row["midpointmjdtai"], row["psfflux"]) for row in found)

    wanted = [
        (row["diaforcedsourceid"], row["midpointmjdtai"], row["psfflux"])
        for row in before.to_pylist()
        if row["diaforcedsourceid"] != first["diaforcedsourceid"]
    ]
    wanted = sorted([*wanted, (first["diaforcedsourceid"], to, 7.0)])
    assert stands() == wanted
    # The month that lost the point leaves again: its night is written without it, and nothing remains noted.
    assert leave(store, connection) > 0
    assert stands() == wanted
    assert connection.execute("SELECT count(*) FROM cold_months WHERE moved <> '{}'").fetchone() == (0,)
    counts = [point_sums.read(connection, np.array([1])).entries["number"].sum()]
    assert counts == [border.rows(connection, diaforcedsources, ["diaobjectid"], []).num_rows + 3 + 3]

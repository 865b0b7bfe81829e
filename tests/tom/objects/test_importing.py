"""What brokers reported is imported as the original imports it, in parts, once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psycopg
import pytest
from failing_writes import REFUSE, failing_writes
from numpy.typing import NDArray

from broker_assets.database import engine
from broker_assets.sky.cells import cells_at
from broker_assets.sky.htm import htm
from broker_assets.tom.objects import importing
from broker_assets.tom.objects.importing import Imported, ImportRunning, import_reported

pytestmark = pytest.mark.database

LOCAL = ("elasticc2_diaobject", "elasticc2_diasource", "elasticc2_diaforcedsource", "elasticc2_diaobjectinfo")


def cells(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return cells_at(ra, dec), htm(ra, dec)


def rows(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()  # type: ignore[arg-type]


def counts(connection: psycopg.Connection[Any]) -> tuple[int, ...]:
    return tuple(rows(connection, f"SELECT count(*) FROM {table}")[0][0] for table in LOCAL[:3])


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def survey(connection: psycopg.Connection[Any]) -> Callable[[int, list[float], list[float]], None]:
    """A function that adds an object to the survey, with detections and forced points at some times."""

    def add(number: int, detected: list[float], forced: list[float]) -> None:
        connection.execute(
            "INSERT INTO elasticc2_ppdbdiaobject (diaobject_id, ra, decl, isddf) VALUES (%s, 10, -5, false)", (number,)
        )
        for place, mjd in enumerate(detected):
            connection.execute(
                "INSERT INTO elasticc2_ppdbdiasource VALUES (%s, %s, 'Y', 10, -5, %s, 1, 10, %s)",
                (number * 100 + place, mjd, 100 + place, number),
            )
        for place, mjd in enumerate(forced):
            connection.execute(
                "INSERT INTO elasticc2_ppdbdiaforcedsource VALUES (%s, %s, 'Y', %s, 1, %s)",
                (number * 100 + place, mjd, 100 + place, number),
            )

    return add


def listed(connection: psycopg.Connection[Any], *numbers: int) -> None:
    connection.execute("INSERT INTO elasticc2_brokersourceids SELECT unnest(%s::bigint[])", (list(numbers),))


@pytest.mark.shared
def test_the_cycle_gives_the_rows_of_the_original(tom_snapshot_url: str) -> None:
    """First the detections up to MJD 60578, then the others that were sent: contract 6.4."""
    with engine.connect(tom_snapshot_url, autocommit=True) as connection:
        before = {
            table: rows(connection, f"SELECT to_jsonb(row) - '_id' FROM {table} AS row ORDER BY 1")
            for table in LOCAL[:3]
        }
        first_and_latest = "SELECT diaobject_id, filtername, firstsource_id, firstsourceflux, firstsourcefluxerr,"
        first_and_latest += " firstsourcemjd, latestsource_id, latestsourceflux, latestsourcefluxerr, latestsourcemjd"
        first_and_latest += " FROM elasticc2_diaobjectinfo ORDER BY 1, 2"
        rollup = rows(connection, first_and_latest)
        connection.execute("DELETE FROM elasticc2_diaobject")
        assert counts(connection) == (0, 0, 0)
        connection.execute("TRUNCATE elasticc2_brokersourceids")
        sent = "INSERT INTO elasticc2_brokersourceids SELECT diasource_id FROM elasticc2_ppdbalert"
        sent += " JOIN elasticc2_ppdbdiasource USING (diasource_id) WHERE alertsenttimestamp IS NOT NULL"
        connection.execute(sent + " AND midpointtai <= 60578")
        done = import_reported(connection, cells)
        assert (done.listed, done.unknown, done.objects, done.sources, done.forced) == (545, 0, 102, 545, 4242)
        assert counts(connection) == (102, 545, 4242)
        assert rows(connection, "SELECT count(*) FROM elasticc2_brokersourceids") == [(0,)]
        connection.execute(sent + " AND midpointtai > 60578")
        done = import_reported(connection, cells)
        assert (done.listed, done.objects, done.sources, done.forced) == (105, 29, 105, 1523)
        after = {
            table: rows(connection, f"SELECT to_jsonb(row) - '_id' FROM {table} AS row ORDER BY 1")
            for table in LOCAL[:3]
        }
        assert after == before
        known = [row for row in rows(connection, first_and_latest) if row[2] is not None]
        assert known == rollup
        assert len(known) == 268
        # Three classifiers report each object, by the newest detection of it.
        assert rows(connection, "SELECT count(*), count(latestclass2id) FROM elasticc2_diaobjectclassification") == [
            (3 * 131, 2 * 131)
        ]
        newest = "SELECT count(*) FROM elasticc2_diaobjectclassification JOIN elasticc2_diaobjectdetails"
        newest += " USING (diaobject_id) WHERE midpointtai = latestsourcemjd"
        assert rows(connection, newest) == [(3 * 131,)]
        # The months have partitions, and positions can be searched for.
        assert rows(connection, "SELECT count(*) FROM diasources_default") == [(0,)]
        assert rows(connection, "SELECT count(*) FROM objects WHERE healpix IS NULL OR htm16 IS NULL") == [(0,)]
        again = import_reported(connection, cells, every=True)
        assert (again.listed, again.objects, again.sources, again.forced) == (650, 0, 0, 0)
        assert (again.curves, again.classifications) == (0, 0)


def test_forced_photometry_ends_with_the_newest_detection(connection: Any, survey: Any) -> None:
    survey(1, [60300.1, 60310.1, 60320.1], [60299.1, 60300.1, 60305.1, 60310.1, 60330.1])
    listed(connection, 100, 999)
    done = import_reported(connection, cells)
    assert done == Imported(listed=2, unknown=1, objects=1, sources=1, forced=2, curves=1)
    listed(connection, 102)
    assert import_reported(connection, cells).forced == 2
    assert rows(connection, "SELECT diasource_id FROM elasticc2_diasource ORDER BY 1") == [(100,), (102,)]
    info = "SELECT firstsource_id, latestsource_id, maxforcedsource_id, latestforcedsource_id"
    assert rows(connection, info + " FROM elasticc2_diaobjectinfo") == [(100, 102, 103, 103)]


def test_what_the_stream_has_is_not_imported_again(connection: Any, survey: Any) -> None:
    survey(1, [60300.1, 60310.1], [60300.1])
    connection.execute("INSERT INTO objects (diaobjectid, survey, ra, decl, broughtby) VALUES (1, 3, 20, 20, 100)")
    connection.execute(
        "INSERT INTO diasources (diasourceid, diaobjectid, midpointmjdtai, survey, broughtby) VALUES (100, 1, 60300.1,"
        " 3, 100), (103, 1, 60330.1, 3, 103)"
    )
    listed(connection, 100, 101, 103)
    done = import_reported(connection, cells)
    assert (done.unknown, done.objects, done.sources, done.forced) == (0, 1, 1, 1)
    assert rows(connection, "SELECT ra, latestsourcemjd FROM elasticc2_diaobject JOIN elasticc2_diaobjectdetails"
                " USING (diaobject_id)") == [(20.0, 60330.1)]  # fmt: skip


def test_restored_objects_are_placed_on_the_sky(connection: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "TOGETHER", 2)
    for number in (1, 2, 3, 4):
        connection.execute(
            "INSERT INTO elasticc2_diaobject (diaobject_id, ra, decl, isddf) VALUES (%s, 10, %s, false)",
            (number, 95 if number == 2 else -5),
        )
    unplaced = "SELECT diaobjectid FROM objects WHERE healpix IS NULL OR htm16 IS NULL ORDER BY 1"
    import_reported(connection, cells)
    assert len(rows(connection, unplaced)) == 4
    import_reported(connection, cells, every=True)
    # The second one is nowhere.
    assert rows(connection, unplaced) == [(2,)]


def test_parts_are_transactions(
    database_url: str, connection: Any, survey: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        survey(number, [60300.1], [60300.1])
    listed(connection, 100, 200, 300)
    monkeypatch.setattr(importing, "TOGETHER", 2)
    second = failing_writes(database_url, "elasticc2_diaobjectinfo", REFUSE, when="NEW.diaobject_id = 3")
    with second, pytest.raises(psycopg.errors.DivisionByZero):
        import_reported(connection, cells)
    assert counts(connection) == (2, 2, 2)
    assert rows(connection, "SELECT diasource_id FROM elasticc2_brokersourceids") == [(300,)]
    assert import_reported(connection, cells).objects == 1


def test_two_imports_at_once_are_one(database_url: str, connection: Any, survey: Any) -> None:
    survey(1, [60300.1], [60300.1])
    listed(connection, 100)
    with engine.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (importing.LOCK,))
        with pytest.raises(ImportRunning, match="another process"):
            import_reported(connection, cells)

    def run(_: int) -> int:
        with engine.connect(database_url, autocommit=True) as mine:
            try:
                return import_reported(mine, cells).objects
            except ImportRunning:
                return 0

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(run, range(4))) == 1
    assert counts(connection) == (1, 1, 1)

"""Numbers of each night under Lasair's names, as its status page and programs read them: `nid`, name, value.

There are three operations as in the original: `put` (replace a value), `add` (to a value) and `read`. Numbers that
follow from the ledger are computed from it, so that they always agree with it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, Final, LiteralString

import psycopg

FIRST: Final = datetime.date(2017, 1, 1)
"""Day of `nid` 0."""
BEGINS: Final = datetime.timedelta(hours=4)
"""Time before midnight (UTC) at which a night begins."""

COMPLETED: Final = 30
"""Nights before the present one that are completed, at most."""


def nid_of(moment: datetime.datetime) -> int:
    """Return the number of the night that contains a time.

    Examples
    --------
    >>> nid_of(datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC))
    3610
    >>> nid_of(datetime.datetime(2026, 11, 20, 20, tzinfo=datetime.UTC))
    3611
    """
    return ((moment.astimezone(datetime.UTC) + BEGINS).date() - FIRST).days


def begin_of(nid: int) -> datetime.datetime:
    """When a night begins, UTC.

    Examples
    --------
    >>> begin_of(3610).isoformat()
    '2026-11-19T20:00:00+00:00'
    """
    midnight = datetime.datetime.combine(FIRST + datetime.timedelta(days=nid), datetime.time(), datetime.UTC)
    return midnight - BEGINS


def put(connection: psycopg.Connection[Any], nid: int, values: Mapping[str, float]) -> None:
    """Store values, replacing existing ones."""
    _write(connection, nid, values, "value = excluded.value")


def add(connection: psycopg.Connection[Any], nid: int, values: Mapping[str, float]) -> None:
    """Add to the existing values."""
    _write(connection, nid, values, "value = coalesce(known.value, 0) + excluded.value")


def read(connection: psycopg.Connection[Any], nid: int) -> dict[str, float]:
    """All values of a night."""
    rows = connection.execute("SELECT name, value FROM lasair_statistics WHERE nid = %s ORDER BY name", (nid,))
    return {str(name): float(value) for name, value in rows if value is not None}


def refresh(connection: psycopg.Connection[Any], now: datetime.datetime) -> dict[str, float]:
    """Compute the numbers of the present night from the ledger, and store them.

    Those of the night that was refreshed last, and of all since, are completed too: the last batches of a night may be
    committed after its last refresh, by a run that goes on into the next night or was killed.

    Returns
    -------
    dict
        What was stored of the present night.
    """
    nid = nid_of(now)
    row = connection.execute(
        "SELECT max(nid) FROM lasair_statistics WHERE nid <= %s AND name = 'nid'", (nid,)
    ).fetchone()
    last = nid if row is None or row[0] is None else int(row[0])
    for earlier in range(max(last, nid - COMPLETED), nid):
        if found := _of_ledger(connection, earlier):
            put(connection, earlier, {**found, "nid": float(earlier)})
    values = _of_ledger(connection, nid) | _of_now(connection, now)
    put(connection, nid, {**values, "nid": float(nid)})
    return values


def _of_ledger(connection: psycopg.Connection[Any], nid: int) -> dict[str, float]:
    """Sums over the batches of a night."""
    row = connection.execute(
        """
        WITH batch AS (
            SELECT * FROM ingest_batch WHERE kind = 'stream' AND finished_at >= %(begin)s AND finished_at < %(end)s
        ), night AS (
            SELECT sum(objects) AS objects, sum(sources) AS sources, sum(forced_sources) AS forced,
                   sum(solar_system_sources) AS solar FROM ingest_batch_night JOIN batch USING (ingestid)
        )
        SELECT sum(received), sum(stored), sum(stored + duplicate), sum(read_seconds), sum(archive_seconds),
               sum(coalesce(read_seconds, 0) + coalesce(decode_seconds, 0) + coalesce(archive_seconds, 0)
                   + coalesce(write_seconds, 0) + coalesce(enrich_seconds, 0)),
               sum(enrich_seconds), sum(write_seconds),
               (SELECT objects FROM night), (SELECT sources FROM night), (SELECT forced FROM night),
               (SELECT solar FROM night)
        FROM batch
        """,
        {"begin": begin_of(nid), "end": begin_of(nid + 1)},
    ).fetchone()
    names = (
        "today_alert", "today_filter_out", "today_filter", "ikconsume_0", "icutout_0", "itotal_0", "ffilters_0",
        "ftransfer_0", "diaObject", "diaSourceDB", "diaForcedSourceDB", "nSSSource",
    )  # fmt: skip
    return _known(names, row)


def _of_now(connection: psycopg.Connection[Any], now: datetime.datetime) -> dict[str, float]:
    """What can only be counted now."""
    row = connection.execute(
        """
        SELECT (SELECT count(*) FROM crossmatch_tns),
               (SELECT greatest(reltuples, 0) FROM pg_class WHERE oid = 'objects'::regclass),
               (SELECT extract(epoch FROM %s - max(finished_at)) / 3600 FROM ingest_batch WHERE kind = 'stream')
        """,
        (now,),
    ).fetchone()
    return _known(("countTNS", "total_count", "min_delay"), row)


def _known(names: Sequence[str], row: Sequence[Any] | None) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, row or (), strict=True) if value is not None}


def _write(connection: psycopg.Connection[Any], nid: int, values: Mapping[str, float], change: LiteralString) -> None:
    statement: LiteralString = (
        "INSERT INTO lasair_statistics AS known (nid, name, value) VALUES (%s, %s, %s)"
        " ON CONFLICT (nid, name) DO UPDATE SET "
    )
    with connection.cursor() as cursor:
        cursor.executemany(statement + change, [(nid, name, value) for name, value in sorted(values.items())])

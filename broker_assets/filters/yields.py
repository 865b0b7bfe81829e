"""How much filters pass, night by night, from the account of the batches whose facts are in force."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import psycopg

_IN_FORCE: Final = (
    " FROM filter_runs AS runs JOIN ingest_batch AS batch USING (ingestid)"
    " LEFT JOIN ingest_batch_facts AS booked ON booked.ingestid = runs.ingestid AND booked.night = runs.night"
    " AND booked.asset = 'filter_matches'"
    " WHERE booked.replaced_by IS NULL"
)
"""Runs that were not replaced by a reprocessing; those of annotations have no facts."""


@dataclass(frozen=True)
class Yield:
    """What a filter passed in a night."""

    filterid: int
    night: str
    matches: int
    over: int
    """Alerts beyond the limits of batches, which are not kept."""
    problems: int
    """Batches in which it had a problem."""
    starved: int
    """Batches that it did not run over, for lack of time."""
    message: str | None
    """The last problem."""


def yields_of(connection: psycopg.Connection[Any], night: str) -> list[Yield]:
    """What each filter passed in a night, by number; filters that passed nothing and had no problem are left out."""
    return _yields(connection, " AND runs.night = %s", (night,))


def recent_nights(connection: psycopg.Connection[Any], filterid: int, nights: int) -> list[Yield]:
    """What a filter passed in its last nights with matches or problems, the newest first."""
    return _yields(connection, " AND runs.filterid = %s", (filterid,))[::-1][:nights]


def newest_yield(connection: psycopg.Connection[Any]) -> dict[int, int]:
    """Matches of each filter in the newest night of the stream."""
    row = connection.execute(
        "SELECT max(night)::text FROM ingest_batch_night JOIN ingest_batch USING (ingestid) WHERE kind = 'stream'"
    ).fetchone()
    if row is None or row[0] is None:
        return {}
    return {item.filterid: item.matches for item in yields_of(connection, row[0])}


def usual(connection: psycopg.Connection[Any], before: str, *, nights: int = 14) -> dict[int, list[int]]:
    """Matches of each filter in the last nights before one, zeros for nights in which it passed nothing.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    before : str
        Key `YYYY-MM-DD`.
    nights : int
        How many nights with alerts are looked at.
    """
    known = [
        row[0]
        for row in connection.execute(
            "SELECT DISTINCT night::text FROM ingest_batch_night WHERE night < %s ORDER BY 1 DESC LIMIT %s",
            (before, nights),
        )
    ]
    found: dict[int, dict[str, int]] = {}
    for item in _yields(connection, " AND runs.night = ANY(%s::date[])", (known,)):
        found.setdefault(item.filterid, {})[item.night] = item.matches
    return {
        number: [passed.get(night, 0) for night in known if night >= min(passed)] for number, passed in found.items()
    }


def _yields(connection: psycopg.Connection[Any], condition: str, parameters: tuple[Any, ...]) -> list[Yield]:
    rows = connection.execute(
        "SELECT runs.filterid, runs.night::text, sum(matches), sum(over_limit),"
        " count(*) FILTER (WHERE problem IN ('error', 'time', 'memory')), count(*) FILTER (WHERE problem = 'starved'),"
        " (array_agg(message ORDER BY runs.ingestid DESC) FILTER (WHERE message IS NOT NULL))[1]"
        f"{_IN_FORCE}{condition} GROUP BY 1, 2 ORDER BY 1, 2",
        parameters,
    )
    return [
        Yield(number, night, int(matches), int(over), int(problems), int(starved), message)
        for number, night, matches, over, problems, starved, message in rows
    ]

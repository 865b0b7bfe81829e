"""New matches of filters as events, each exactly once, however batches overlap.

The place of an event consists of batch, object, source or annotation, and filter. A batch has its number before its
rows are visible, so a number counts as complete only when every transaction that was writing when it was the newest has
ended: `Tide` learns this from two queries, without waiting in either.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

Connection = psycopg.Connection[Any]
Place = tuple[int, int, int, int]

_PLACE: Final = re.compile(r"(\d{1,18})-(-?\d{1,19})-(\d{1,19})-(\d{1,18})", re.ASCII)
_MOST: Final = (1 << 63) - 1
_MATCHES: Final = """
WITH held AS (
    SELECT unnest(%(filters)s::bigint[]) AS filterid
), batch AS (
    SELECT ingestid, started_at FROM ingest_batch
    WHERE ingestid >= %(batch)s AND ingestid <= %(upto)s AND kind <> 'reprocess'
), found AS (
    SELECT match.ingestid, match.diaobjectid, match.diasourceid AS number, filterid, match.night::text AS night,
        match.version, match."row" AS selected, 'alert' AS trigger
    FROM held JOIN filter_runs AS run USING (filterid) JOIN batch ON batch.ingestid = run.ingestid
    JOIN filter_matches AS match USING (filterid, night)
    WHERE match.ingestid = run.ingestid AND run.matches > 0
    UNION ALL
    SELECT match.ingestid, match.diaobjectid, match.annotationid, filterid, match.night::text, match.version,
        match."row", 'annotation'
    FROM held JOIN annotation_matches AS match USING (filterid) JOIN batch ON batch.ingestid = match.ingestid
    WHERE match."row" IS NOT NULL AND match.night >= (SELECT min(started_at)::date - 2 FROM batch)
)
SELECT * FROM found WHERE (ingestid, diaobjectid, number, filterid) > (%(batch)s, %(object)s, %(number)s, %(filter)s)
ORDER BY ingestid, diaobjectid, number, filterid LIMIT %(limit)s
"""


class BadPlace(ValueError):
    """The text is not the identifier of an event."""


@dataclass(frozen=True)
class Match:
    """A match of a filter."""

    place: Place
    """Its place among all matches: batch, object, source or annotation, and filter."""
    content: dict[str, Any]
    """Values of JSON."""

    @property
    def identifier(self) -> str:
        """The place as a text."""
        return identifier_of(self.place)


class Tide:
    """Tracks the batch up to which everything is visible; called repeatedly, by one thread at a time."""

    def __init__(self) -> None:
        self._newest = 0
        self._writers: int | None = None
        self._complete: int | None = None

    def look(self, connection: Connection) -> int | None:
        """The newest batch up to which all rows are visible; None if it is not yet known.

        Parameters
        ----------
        connection : psycopg.Connection
            Connection that sees everything committed before this call.
        """
        row = connection.execute(
            "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,"
            " pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
        ).fetchone()
        oldest, next_one = (int(row[0]), int(row[1])) if row is not None else (0, 0)
        if self._writers is None or oldest >= self._writers:
            if self._writers is not None:
                self._complete = max(self._newest, self._complete or 0)
            # The number first: all batches with smaller ones have been written, or are among those that are waited for.
            newest = connection.execute("SELECT coalesce(max(ingestid), 0) FROM ingest_batch").fetchone()
            after = connection.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint").fetchone()
            self._newest = int(newest[0]) if newest is not None else 0
            self._writers = max(next_one, int(after[0]) if after is not None else 0)
        return self._complete


def read_place(identifier: str) -> Place:
    """Read the place of an event from its identifier.

    Raises
    ------
    BadPlace
        If it is not such an identifier.

    Examples
    --------
    >>> read_place("12-313853499600420864-7-3")
    (12, 313853499600420864, 7, 3)
    """
    found = _PLACE.fullmatch(identifier.strip())
    if found is None or any(abs(int(part)) > _MOST for part in found.groups()):
        raise BadPlace(f"{identifier[:80]!r} is not the identifier of an event")
    batch, of_object, number, of_filter = (int(part) for part in found.groups())
    return batch, of_object, number, of_filter


def after_batch(ingestid: int) -> Place:
    """The place after all events of a batch, before those of the next."""
    return (ingestid + 1, -_MOST, 0, 0)


def identifier_of(place: Place) -> str:
    """A place as a text that `read_place` reads.

    Examples
    --------
    >>> read_place(identifier_of(after_batch(7))) == after_batch(7)
    True
    """
    return "-".join(map(str, place))


def matches(
    connection: Connection, filters: Sequence[int], after: Place, upto: int, *, limit: int = 200
) -> list[Match]:
    """Matches of some filters after a place, in order.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection of a role that may read matches.
    filters : sequence of int
        Filters that may be read.
    after : Place
        Place of the last event that is known.
    upto : int
        Batch up to which everything is visible, from `Tide`.
    limit : int
        Most events; the next call returns the others.
    """
    batch, of_object, number, of_filter = after
    rows = connection.execute(
        _MATCHES,
        {"filters": list(filters), "batch": batch, "object": of_object, "number": number, "filter": of_filter,
         "upto": upto, "limit": limit},
    ).fetchall()  # fmt: skip
    return [
        Match(
            (ingestid, diaobjectid, place, filterid),
            {
                "filterId": filterid, "diaObjectId": diaobjectid,
                "diaSourceId" if trigger == "alert" else "annotationId": place,
                "night": night, "version": version, "trigger": trigger, "selected": json.loads(selected),
            },
        )
        for ingestid, diaobjectid, place, filterid, night, version, selected, trigger in rows
    ]  # fmt: skip

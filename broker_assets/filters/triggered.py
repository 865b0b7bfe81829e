"""Filters that annotations trigger: for an annotation, the filters that ask for its annotator, over its object.

They run in PostgreSQL over the objects as they are, in the transaction that applied the annotations. A filter runs once
for an object and content of an annotation, whatever the version and whether or not the object passed: an annotator
that reads what a filter sends, and says the same again, is not answered, and so loops end.
"""

from __future__ import annotations

import datetime
import json
import logging
from typing import Any

import psycopg
import pyarrow as pa

from broker_assets.delivery.outbox import put
from broker_assets.filters.errors import FilterError
from broker_assets.filters.interactive import TookTooLong
from broker_assets.filters.interactive import run as run_query
from broker_assets.filters.matching import Deliver
from broker_assets.filters.query import CheckedQuery
from broker_assets.filters.registry import FilterVersion, active_at
from broker_assets.provenance.revisions import current_revision

logger = logging.getLogger(__name__)

SECONDS = 20.0
"""Time of one filter (Lasair's)."""
OBJECTS = 1000
"""Objects of one batch that a filter passes at most."""
_ROWS_EACH = 20
"""Rows of an object that are read on average, at most."""

_NOON_HOURS = 16
"""UTC hours of the local mean noon at Rubin, at which a night begins."""


def run(
    connection: psycopg.Connection[Any],
    ingestid: int,
    applied: pa.Table,
    *,
    deliver: Deliver | None = put,
    seconds: float = SECONDS,
    objects: int = OBJECTS,
) -> int:
    """Run the filters that some annotations trigger.

    Parameters
    ----------
    connection : psycopg.Connection
        In the transaction that applied them.
    ingestid : int
        The batch.
    applied : (n,) pyarrow.Table
        `annotationid`, `diaobjectid` int64, `topic`, `content` string.
    deliver : callable, optional
        Puts matches into the outbox; none delivers nothing.
    seconds : float
        Time of each filter; one that takes longer is cancelled and accounted for, and the others go on.
    objects : int
        Objects that a filter passes at most; those beyond are counted.

    Returns
    -------
    int
        Matches.
    """
    topics = set(applied["topic"].to_pylist()) if applied.num_rows else set()
    if not topics:
        return 0
    matches = 0
    revision = current_revision(connection)
    for version in active_at(connection, revision, "annotations", annotators=sorted(topics)):
        try:
            query = version.query()
        except FilterError as error:
            logger.warning("filter %d, version %d, cannot run: %s", version.filterid, version.version, error)
            continue
        wanted = topics & query.annotators
        if wanted:
            matches += _Run(connection, ingestid, version, query, deliver, seconds, objects).over(
                [row for row in applied.to_pylist() if row["topic"] in wanted]
            )
    return matches


class _Run:
    """One filter over the annotations that it asks for."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        ingestid: int,
        version: FilterVersion,
        query: CheckedQuery,
        deliver: Deliver | None,
        seconds: float,
        objects: int,
    ) -> None:
        self.connection, self.ingestid, self.version, self.query = connection, ingestid, version, query
        self.deliver, self.seconds, self.objects = deliver, seconds, objects

    def over(self, annotations: list[dict[str, Any]]) -> int:
        """Run it; how many annotations gave a match."""
        new = self._new(annotations)
        if not new:
            return 0
        identifiers = sorted({row["diaobjectid"] for row in new})
        limit = _ROWS_EACH * len(identifiers) + self.objects
        try:
            found = run_query(
                self.connection, self.query, limit=limit, seconds=self.seconds, among=identifiers,
                viewer=self.version.owner,
            )  # fmt: skip
        except TookTooLong as error:
            self._account(0, 0, self.seconds, "time", str(error))
            return 0
        except psycopg.errors.Error as error:
            if isinstance(error, psycopg.OperationalError):  # not of this filter: the transaction is lost
                raise
            self._account(0, 0, None, "error", str(error).split("\n", 1)[0])
            return 0
        rows: dict[int, str] = {}
        for identifier, row in zip(found.objects, found.rows, strict=True):
            rows.setdefault(identifier, json.dumps(row, ensure_ascii=False))
        over = max(0, len(rows) - self.objects)
        rows = dict(sorted(rows.items())[: self.objects])
        passed = self._store(new, rows)
        self._account(len(passed), over, found.seconds, None, None)
        if passed and self.deliver is not None:
            self.deliver(self.connection, pa.Table.from_pylist(passed, schema=_MESSAGES), self.ingestid)
        return len(passed)

    def _new(self, annotations: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Annotations for whose object and content the filter has not run; of equal ones the first."""
        keys = {(row["diaobjectid"], row["topic"], row["content"]): row for row in reversed(annotations)}
        known = self.connection.execute(
            "SELECT diaobjectid, topic, content FROM annotation_matches JOIN unnest(%s::bigint[], %s::text[],"
            " %s::text[]) AS asked (diaobjectid, topic, content) USING (diaobjectid, topic, content)"
            " WHERE filterid = %s",
            (*(list(column) for column in zip(*keys, strict=True)), self.version.filterid),
        ).fetchall()
        for key in known:
            keys.pop(tuple(key), None)
        return sorted(keys.values(), key=lambda row: int(row["annotationid"]))

    def _store(self, new: list[dict[str, Any]], rows: dict[int, str]) -> list[dict[str, Any]]:
        """Note that the filter ran, and what passed; rows for the outbox."""
        night = _night()
        with self.connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO annotation_matches (filterid, diaobjectid, topic, content, annotationid, version,"
                ' ingestid, night, "row") VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING',
                [
                    (
                        self.version.filterid, row["diaobjectid"], row["topic"], row["content"], row["annotationid"],
                        self.version.version, self.ingestid, night, rows.get(row["diaobjectid"]),
                    )
                    for row in sorted(new, key=lambda row: (row["diaobjectid"], row["topic"], row["content"]))
                ],
            )  # fmt: skip
        return [
            {
                "filterid": self.version.filterid,
                "version": self.version.version,
                "trigger": f"annotation/{row['annotationid']}",
                "diaobjectid": row["diaobjectid"],
                "diasourceid": None,
                "night": night,
                "row": rows[row["diaobjectid"]],
            }
            for row in new
            if row["diaobjectid"] in rows
        ]

    def _account(
        self, matches: int, over: int, seconds: float | None, problem: str | None, message: str | None
    ) -> None:
        self.connection.execute(
            "INSERT INTO filter_runs (ingestid, night, filterid, version, matches, over_limit, seconds, problem,"
            " message) VALUES (%(batch)s, %(night)s, %(filter)s, %(version)s, %(matches)s, %(over)s, %(seconds)s,"
            " %(problem)s, %(message)s) ON CONFLICT (ingestid, night, filterid) DO UPDATE SET"
            " matches = filter_runs.matches + excluded.matches, over_limit = filter_runs.over_limit"
            " + excluded.over_limit, problem = coalesce(excluded.problem, filter_runs.problem),"
            " message = coalesce(excluded.message, filter_runs.message)",
            {
                "batch": self.ingestid,
                "night": _night(),
                "filter": self.version.filterid,
                "version": self.version.version,
                "matches": matches,
                "over": over,
                "seconds": seconds,
                "problem": problem,
                "message": message,
            },
        )


def _night() -> datetime.date:
    """The night that it is at Rubin."""
    return (datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=_NOON_HOURS)).date()


_MESSAGES = pa.schema(
    [
        *(("filterid", pa.int64()), ("version", pa.int32()), ("trigger", pa.string())),
        *(("diaobjectid", pa.int64()), ("diasourceid", pa.int64()), ("night", pa.date32()), ("row", pa.string())),
    ]
)

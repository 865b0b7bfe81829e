"""Annotations in the database: the newest for each object and annotator, and their whole history.

`apply` is the only writer. It works in the caller's transaction with the rows of the annotators locked, so that
annotations of one annotator are written one transaction after the other. The order of arrival determines which is the
newest. Annotations with the same content as the previous one change nothing.

A new annotation is in the table `annotation_due` until the filters that ask for its annotator have run
(`stream.annotation_followup`): this happens after this transaction is committed and the alert batches in progress have
ended, so that neither misses the other.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import psycopg
import pyarrow as pa
from psycopg.rows import dict_row

from broker_assets.annotations import annotators as registry
from broker_assets.annotations import waiting
from broker_assets.annotations.content import Annotation, AnnotationRefused, UnknownObject
from broker_assets.annotations.schemas import check_classdict
from broker_assets.annotations.waiting import Item
from broker_assets.provenance.revisions import next_revision

Connection = psycopg.Connection[Any]
Outcome = Literal["stored", "known", "waiting"]

APPLIED: Final = pa.schema(
    [
        ("annotationid", pa.int64()),
        ("diaobjectid", pa.int64()),
        ("topic", pa.string()),
        ("content", pa.string()),
    ]
)
"""Columns of new annotations that filters get."""


@dataclass
class Applied:
    """Effect of some annotations."""

    rows: pa.Table = field(default_factory=APPLIED.empty_table)
    """New annotations that are the newest for their object and annotator; see `APPLIED`."""
    outcomes: list[Outcome | AnnotationRefused] = field(default_factory=list)
    """The outcome of each item, or why it was refused."""

    def count(self, outcome: Outcome) -> int:
        """Items with this outcome."""
        return sum(item == outcome for item in self.outcomes)

    @property
    def refused(self) -> list[AnnotationRefused]:
        """Why items were refused."""
        return [item for item in self.outcomes if isinstance(item, AnnotationRefused)]


def apply(
    connection: Connection,
    items: Sequence[Item],
    ingestid: int,
    *,
    owner: str | None = None,
    hold: bool = True,
    most_waiting: int = waiting.MOST,
) -> Applied:
    """Write annotations in the caller's transaction.

    Annotations that waited for the objects of `items` are written first: they arrived earlier.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    items : sequence of Item
        Items in the order of their arrival.
    ingestid : int
        Batch that received them.
    owner : str, optional
        Account that annotates; None if the path of the annotations (a Kafka topic) has already proven the owner.
    hold : bool
        Whether messages about objects that no alert has contained yet wait for them; otherwise they are refused, as
        annotations that did not arrive through Kafka always are.
    most_waiting : int
        Most messages of an annotator that may wait; further ones are refused.

    Returns
    -------
    Applied
        The outcome of each item. A refused item changes nothing, and the others are written.
    """
    found = registry.lock(connection, sorted({item.annotation.topic for item in items}))
    applied = Applied()
    known = waiting.known_objects(connection, [item.annotation.diaobjectid for item in items])
    admitted: list[tuple[int, Item]] = []
    held: list[tuple[int, Item]] = []
    for number, item in enumerate(items):
        outcome: Outcome | AnnotationRefused = "stored"
        try:
            annotator = registry.admitted(found, item.annotation.topic, owner=owner)
            check_classdict(annotator.schema, item.annotation.classdict)
            if item.annotation.diaobjectid in known:
                admitted.append((number, item))
            elif hold and item.message is not None:
                held.append((number, item))
                outcome = "waiting"
            else:
                raise UnknownObject(f"no alert has brought the object {item.annotation.diaobjectid}")
        except AnnotationRefused as refusal:
            outcome = refusal
        applied.outcomes.append(outcome)
    if held:
        answers = waiting.hold(connection, [item for _, item in held], ingestid, most=most_waiting)
        for (number, _), answer in zip(held, answers, strict=True):
            if answer is not None:
                applied.outcomes[number] = answer
    earlier = waiting.take(connection, [item.annotation for _, item in admitted])
    changed = _write(connection, [*earlier, *(item for _, item in admitted)], ingestid)
    for (number, _), stored in zip(admitted, changed.stored[len(earlier) :], strict=True):
        applied.outcomes[number] = "stored" if stored else "known"
    applied.rows = changed.rows
    return applied


def release(connection: Connection, ingestid: int, *, limit: int) -> Applied:
    """Write annotations whose objects have arrived since, in the caller's transaction.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    ingestid : int
        Batch that writes them.
    limit : int
        Most annotations; call again while it returns as many.

    Returns
    -------
    Applied
        `outcomes` has one entry for each annotation that no longer waits.
    """
    topics = waiting.ready_topics(connection)
    if not topics:
        return Applied()
    registry.lock(connection, topics)
    items = waiting.take_ready(connection, topics, limit=limit)
    changed = _write(connection, items, ingestid)
    return Applied(changed.rows, ["stored" if stored else "known" for stored in changed.stored])


@dataclass
class _Changed:
    rows: pa.Table
    stored: list[bool]


@dataclass
class _Row:
    """A row of the history to be written."""

    item: Item
    newest: bool = True


def _write(connection: Connection, items: Sequence[Item], ingestid: int) -> _Changed:
    """Compare with what is stored and write what differs; the annotators are locked, the objects are known."""
    stored = [False] * len(items)
    if not items:
        return _Changed(APPLIED.empty_table(), stored)
    current = _current(connection, [item.annotation for item in items])
    newest: dict[tuple[int, str], _Row] = {}
    rows: list[_Row] = []
    for number, item in enumerate(items):
        said = item.annotation
        key = (said.diaobjectid, said.topic)
        content, since = current.get(key, (None, None))
        if content == said.content:
            continue
        late = item.received is not None and since is not None and item.received < since
        if late and _recorded(connection, item):
            continue
        stored[number] = True
        row = _Row(item)
        rows.append(row)
        if late:
            # Retried after a newer one had arrived: stored, but never in force.
            row.newest = False
            continue
        if key in newest:
            newest[key].newest = False
        newest[key] = row
        current[key] = (said.content, item.received)
    if not rows:
        return _Changed(APPLIED.empty_table(), stored)
    revision = next_revision(connection)
    numbers = _insert(connection, rows, list(newest), revision, ingestid)
    now = [(number, row.item.annotation) for number, row in zip(numbers, rows, strict=True) if row.newest]
    columns = [
        [number for number, _ in now],
        [said.diaobjectid for _, said in now],
        [said.topic for _, said in now],
        [said.content for _, said in now],
    ]
    return _Changed(
        pa.table(dict(zip(APPLIED.names, columns, strict=True)), schema=APPLIED),
        stored,
    )


def _current(
    connection: Connection, said: Sequence[Annotation]
) -> dict[tuple[int, str], tuple[str | None, datetime.datetime | None]]:
    """Content of the newest annotations of these objects and annotators, and when they arrived."""
    rows = connection.execute(
        "SELECT diaobjectid, topic, content, timestamp FROM annotations"
        " JOIN unnest(%s::bigint[], %s::text[]) AS wanted (diaobjectid, topic) USING (diaobjectid, topic)",
        ([item.diaobjectid for item in said], [item.topic for item in said]),
    )
    return {(identifier, topic): (content, since) for identifier, topic, content, since in rows}


def _recorded(connection: Connection, item: Item) -> bool:
    """Whether an annotation of this message was written before: the message may be retried because of another one."""
    message, said = item.message, item.annotation
    if message is None:
        return False
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM annotation_history WHERE diaobjectid = %s AND topic = %s AND content = %s"
        ' AND stream = %s AND "partition" = %s AND "offset" = %s)',
        (said.diaobjectid, said.topic, said.content, message.stream, message.partition, message.offset),
    ).fetchone()
    return row == (True,)


_WRITE: Final = """
WITH item AS (
    -- One document is written several times faster than an array for each column.
    SELECT * FROM json_to_recordset(%(items)s::json) AS item (annotationid bigint, diaobjectid bigint, topic text,
        received timestamptz, version text, classification text, explanation text, classdict text, url text,
        content text, newest boolean, stream text, "partition" integer, "offset" bigint)
),
past AS (
    INSERT INTO annotation_history (annotationid, diaobjectid, topic, timestamp, version, classification, explanation,
        classdict, url, content, revision_from, revision_to, ingestid, stream, "partition", "offset")
    SELECT annotationid, diaobjectid, topic, coalesce(received, clock_timestamp()), version, classification,
        explanation, classdict::jsonb, url, content, %(revision)s, CASE WHEN newest THEN NULL ELSE %(revision)s END,
        %(ingestid)s, stream, partition, "offset"
    FROM item
),
due AS (
    INSERT INTO annotation_due (annotationid, diaobjectid, topic, content, ingestid)
    SELECT annotationid, diaobjectid, topic, content, %(ingestid)s FROM item WHERE newest
)
INSERT INTO annotations (annotationid, diaobjectid, topic, timestamp, version, classification, explanation, classdict,
    url, content, revision, ingestid)
SELECT annotationid, diaobjectid, topic, coalesce(received, clock_timestamp()), version, classification, explanation,
    classdict::jsonb, url, content, %(revision)s, %(ingestid)s
FROM item WHERE newest ORDER BY diaobjectid, topic
ON CONFLICT (diaobjectid, topic) DO UPDATE SET annotationid = excluded.annotationid, timestamp = excluded.timestamp,
    version = excluded.version, classification = excluded.classification, explanation = excluded.explanation,
    classdict = excluded.classdict, url = excluded.url, content = excluded.content, revision = excluded.revision,
    ingestid = excluded.ingestid
"""

_CLOSE: Final = """
WITH replaced AS (
    SELECT now.diaobjectid, now.annotationid FROM annotations AS now
    JOIN unnest(%(diaobjectid)s::bigint[], %(topic)s::text[]) AS wanted (diaobjectid, topic)
        USING (diaobjectid, topic)
),
forgotten AS (
    DELETE FROM annotation_due USING replaced WHERE annotation_due.diaobjectid = replaced.diaobjectid
        AND annotation_due.annotationid = replaced.annotationid
)
UPDATE annotation_history AS past SET revision_to = %(revision)s FROM replaced
WHERE past.diaobjectid = replaced.diaobjectid AND past.annotationid = replaced.annotationid
"""


def _insert(
    connection: Connection, rows: Sequence[_Row], newest: Sequence[tuple[int, str]], revision: int, ingestid: int
) -> list[int]:
    """Close replaced rows, write the new rows, and return their numbers in order."""
    connection.execute(
        _CLOSE,
        {
            "diaobjectid": [identifier for identifier, _ in newest],
            "topic": [topic for _, topic in newest],
            "revision": revision,
        },
    )
    sequence = "pg_get_serial_sequence('annotation_history', 'annotationid')"
    numbers = [
        int(number)
        for (number,) in connection.execute(
            f"SELECT nextval({sequence}) FROM generate_series(1, %s)",  # noqa: S608
            (len(rows),),
        )
    ]
    items = [_document(number, row) for number, row in zip(numbers, rows, strict=True)]
    connection.execute(_WRITE, {"items": json.dumps(items), "revision": revision, "ingestid": ingestid})
    return numbers


def _document(number: int, row: _Row) -> dict[str, Any]:
    """A row of the history in the form of `_WRITE`."""
    said, message, received = row.item.annotation, row.item.message, row.item.received
    return {
        "annotationid": number,
        "diaobjectid": said.diaobjectid,
        "topic": said.topic,
        "received": None if received is None else received.isoformat(),
        "version": said.version,
        "classification": said.classification,
        "explanation": said.explanation,
        "classdict": said.classdict,
        "url": said.url,
        "content": said.content,
        "newest": row.newest,
        "stream": None if message is None else message.stream,
        "partition": None if message is None else message.partition,
        "offset": None if message is None else message.offset,
    }


def due(connection: Connection, *, limit: int) -> list[int]:
    """Numbers of new annotations whose filters have not run, the oldest first, at most `limit`."""
    rows = connection.execute("SELECT annotationid FROM annotation_due ORDER BY annotationid LIMIT %s", (limit,))
    return [number for (number,) in rows]


def take_due(connection: Connection, numbers: Sequence[int]) -> dict[int, pa.Table]:
    """Take annotations whose filters have not run from their table, in the caller's transaction.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    numbers : sequence of int
        See `due`; those that another transaction is taking, or that were replaced meanwhile, are left out.

    Returns
    -------
    dict of int to pyarrow.Table
        Annotations with the columns `APPLIED`, by batch (`ingestid`).
    """
    rows = connection.execute(
        "DELETE FROM annotation_due AS gone USING (SELECT diaobjectid, annotationid FROM annotation_due"
        " WHERE annotationid = ANY(%s) ORDER BY annotationid FOR UPDATE SKIP LOCKED) AS first"
        " WHERE gone.diaobjectid = first.diaobjectid AND gone.annotationid = first.annotationid"
        " RETURNING gone.ingestid, gone.annotationid, gone.diaobjectid, gone.topic, gone.content",
        (list(numbers),),
    ).fetchall()
    found: dict[int, list[tuple[Any, ...]]] = {}
    for ingestid, *values in sorted(rows):
        found.setdefault(ingestid, []).append(tuple(values))
    return {
        ingestid: pa.table(
            {name: [row[place] for row in values] for place, name in enumerate(APPLIED.names)}, schema=APPLIED
        )
        for ingestid, values in found.items()
    }


def of_object(
    connection: Connection, diaobjectid: int, *, topic: str | None = None, history: bool = False, public: bool = False
) -> list[dict[str, Any]]:
    """Annotations of an object, by annotator and in order of arrival.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    diaobjectid : int
        The object.
    topic : str, optional
        Only of this annotator.
    history : bool
        All annotations ever made, not only the current ones.
    public : bool
        Only those of public annotators.

    Returns
    -------
    list of dict
        `annotationid`, `topic`, `version`, `timestamp`, `classification`, `explanation`, `classdict`, `url`,
        `revision_from`, `revision_to`, `ingestid`.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT annotationid, past.topic, past.version, past.timestamp, past.classification, past.explanation,"
            " past.classdict, past.url, past.revision_from, past.revision_to, past.ingestid"
            " FROM annotation_history AS past LEFT JOIN annotators USING (topic) WHERE diaobjectid = %(object)s"
            " AND (%(history)s OR revision_to IS NULL) AND (%(topic)s::text IS NULL OR past.topic = %(topic)s)"
            " AND (NOT %(public)s OR annotators.public) ORDER BY past.topic, annotationid",
            {"object": diaobjectid, "history": history, "topic": topic, "public": public},
        )
        return cursor.fetchall()

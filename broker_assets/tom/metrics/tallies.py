"""Counts of classifications against the truth, stored in the database and updated as messages arrive.

Messages never change once they are stored, so every count is a sum over messages, and only new messages are counted. If
the taxonomy in force, the truth or the number of alerts has changed, everything is counted again. A fast broker answers
before the sender marks its alert as sent: such messages are kept in `classifier_waiting`, and what depends on when the
alert was sent is counted as soon as that is known. The confusion of classes depends only on the newest message about an
object, and is computed from the roll-up `elasticc2_diaobjectclassification`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, Final, LiteralString

import psycopg
import pyarrow as pa
from psycopg import sql

from broker_assets.database.copy import load
from broker_assets.database.fetch import fetch
from broker_assets.database.tables.tom.tallies import classifier_scores
from broker_assets.provenance.revisions import newest_number, wait_for_writers
from broker_assets.tom.metrics.curves import BINS
from broker_assets.tom.metrics.scores import count_scores

TALLY_VERSION: Final = "3"
"""Version of this code; a change makes everything be counted again."""
CHUNK: Final = 250_000
"""Range of message numbers that is counted at a time."""
_LOCK: Final = 0x74616C6C
_EMPTY: Final[tuple[LiteralString, ...]] = (
    "DELETE FROM classifier_scores",
    "DELETE FROM classifier_messages",
    "DELETE FROM classifier_delays",
    "DELETE FROM classifier_answers",
    "DELETE FROM classifier_waiting",
)
_WAIT: Final = 300.0
"""Longest wait for messages that are being stored, seconds."""

# New messages, and those whose alerts have been sent since they were counted: one statement, so that a message that is
# counted now sees its alert as one that waits for the same alert does.
_NEW: Final = (
    "CREATE TEMPORARY TABLE tally_new ON COMMIT DROP AS SELECT message.brokermessage_id, message.classifier_id,"
    " message.alert_id, coalesce(truth.gentype, -1) AS gentype, message.waited, alert.alert_id IS NOT NULL AS is_alert,"
    " alert.diaobject_id, source.midpointtai, alert.alertsenttimestamp AS sent, message.msghdrtimestamp AS header,"
    " message.descingesttimestamp AS stored FROM (SELECT brokermessage_id, classifier_id, alert_id, msghdrtimestamp,"
    " descingesttimestamp, false AS waited FROM elasticc2_brokermessage"
    " WHERE brokermessage_id > %(low)s AND brokermessage_id <= %(high)s"
    " UNION ALL SELECT brokermessage_id, classifier_id, alert_id, msghdrtimestamp, descingesttimestamp, true"
    " FROM classifier_waiting JOIN elasticc2_ppdbalert AS known USING (alert_id)"
    " JOIN elasticc2_brokermessage USING (alert_id, brokermessage_id) WHERE known.alertsenttimestamp IS NOT NULL"
    ") AS message"
    " LEFT JOIN elasticc2_ppdbalert AS alert ON alert.alert_id = message.alert_id"
    " LEFT JOIN elasticc2_diaobjecttruth AS truth ON truth.diaobject_id = alert.diaobject_id"
    " LEFT JOIN elasticc2_ppdbdiasource AS source ON source.diasource_id = alert.diasource_id"
    " AND source.diaobject_id = alert.diaobject_id"
)
_COUNTS: Final[tuple[LiteralString, ...]] = (
    "INSERT INTO classifier_messages AS known (classifier_id, gentype, messages)"
    " SELECT classifier_id, gentype, count(*) FROM tally_new WHERE NOT waited GROUP BY 1, 2"
    " ON CONFLICT (classifier_id, gentype) DO UPDATE SET messages = known.messages + excluded.messages",
    "INSERT INTO classifier_delays AS known (classifier_id, delay, bin, messages)"
    " SELECT classifier_id, kind, CASE WHEN seconds < 1 THEN -1 ELSE floor(4 * log(seconds))::int END, count(*)"
    " FROM tally_new CROSS JOIN LATERAL (VALUES ('full', date_part('epoch', stored - sent)),"
    " ('broker', date_part('epoch', header - sent)), ('tom', date_part('epoch', stored - header)))"
    " AS delay (kind, seconds) WHERE seconds IS NOT NULL AND (kind <> 'tom' OR NOT waited) GROUP BY 1, 2, 3"
    " ON CONFLICT (classifier_id, delay, bin) DO UPDATE SET messages = known.messages + excluded.messages",
    # Temporary tables with statistics, step by step: in a single statement the planner estimates one row instead of ten
    # thousand.
    "CREATE TEMPORARY TABLE tally_answered ON COMMIT DROP AS SELECT DISTINCT classifier_id, alert_id, diaobject_id,"
    " midpointtai, sent FROM tally_new AS new WHERE sent IS NOT NULL"
    " AND NOT EXISTS (SELECT FROM elasticc2_brokermessage AS old WHERE old.alert_id = new.alert_id"
    " AND old.classifier_id = new.classifier_id AND old.brokermessage_id <= %(low)s"
    " AND NOT EXISTS (SELECT FROM classifier_waiting AS waiting WHERE waiting.alert_id = old.alert_id"
    " AND waiting.brokermessage_id = old.brokermessage_id))",
    "ANALYZE tally_answered",
    "CREATE TEMPORARY TABLE tally_placed ON COMMIT DROP AS SELECT alert_id,"
    " (SELECT count(*) FROM elasticc2_ppdbdiasource AS earlier WHERE earlier.diaobject_id = alert.diaobject_id"
    " AND earlier.midpointtai <= alert.midpointtai) AS detections"
    " FROM (SELECT DISTINCT alert_id, diaobject_id, midpointtai FROM tally_answered) AS alert",
    "ANALYZE tally_placed",
    "INSERT INTO classifier_answers AS known (classifier_id, sent_on, detections, alerts)"
    " SELECT classifier_id, (sent AT TIME ZONE 'UTC')::date, detections, count(*)"
    " FROM tally_answered JOIN tally_placed USING (alert_id) GROUP BY 1, 2, 3"
    " ON CONFLICT (classifier_id, sent_on, detections) DO UPDATE SET alerts = known.alerts + excluded.alerts",
    "DELETE FROM classifier_waiting AS old USING tally_new AS new WHERE new.waited AND new.alert_id = old.alert_id"
    " AND new.brokermessage_id = old.brokermessage_id",
    "INSERT INTO classifier_waiting (alert_id, brokermessage_id) SELECT alert_id, brokermessage_id FROM tally_new"
    " WHERE is_alert AND sent IS NULL",
)
_SCORED: Final = sql.SQL(
    "SELECT tally_new.classifier_id, tally_new.gentype, message.classid, message.probability FROM tally_new"
    " JOIN elasticc2_brokermessage AS message USING (alert_id, brokermessage_id)"
    " WHERE tally_new.gentype >= 0 AND NOT waited"
)
_SCORED_SCHEMA: Final = pa.schema(
    [
        ("classifier_id", pa.int64()),
        ("gentype", pa.int32()),
        ("classid", pa.list_(pa.int16())),
        ("probability", pa.list_(pa.float32())),
    ]
)
_SCORES_AT_HAND: Final = "CREATE TEMPORARY TABLE tally_scores (LIKE classifier_scores) ON COMMIT DROP"
_ADD_SCORES: Final[LiteralString] = (
    "INSERT INTO classifier_scores AS known (classifier_id, classid, is_right, bin, messages)"
    " SELECT classifier_id, classid, is_right, bin, messages FROM tally_scores"
    " ON CONFLICT (classifier_id, classid, is_right, bin) DO UPDATE SET messages = known.messages + excluded.messages"
)


@dataclass(frozen=True)
class Tallied:
    """What a run counted."""

    messages: int
    """Messages that were counted."""
    again: bool
    """Whether everything was counted from the beginning."""
    inputs: str
    """Hash of code, taxonomy, truth and the number of alerts."""
    newest: int
    """Every message up to this number is counted."""


def tally(connection: psycopg.Connection[Any]) -> Tallied:
    """Count the messages that are not yet counted, or all of them if the taxonomy, the truth, the number
    of alerts or this code has changed.

    Parameters
    ----------
    connection : psycopg.Connection
        In autocommit mode; a transaction is opened for each `CHUNK` of messages.

    Raises
    ------
    BatchesDoNotEnd
        If messages are still being stored after five minutes.
    """
    newest = newest_number(connection, "elasticc2_brokermessage", "brokermessage_id")
    wait_for_writers(connection, _WAIT)  # smaller numbers may still be uncommitted
    inputs = inputs_version(connection)
    counted, again, done = 0, False, -1
    while done < newest:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            begun = _begin(connection, inputs)
            again |= begun is None
            low = begun or 0
            done = max(low, min(low + CHUNK, newest))
            counted += _count(connection, low, done)
    return Tallied(counted, again, inputs, done)


def _count(connection: psycopg.Connection[Any], low: int, high: int) -> int:
    """Add the messages with these numbers, and complete those that waited; return how many were added."""
    # New messages are looked up by alert in an index that fits in memory, instead of reading all messages.
    connection.execute("SET LOCAL random_page_cost = 1.1")
    connection.execute(_NEW, {"low": low, "high": high})
    connection.execute("ANALYZE tally_new")
    row = connection.execute("SELECT count(*) FROM tally_new WHERE NOT waited").fetchone()
    for statement in _COUNTS:
        connection.execute(statement, {"low": low})
    _count_scores(connection)
    if high > low:
        connection.execute("UPDATE classifier_tally SET newest = %s, counted_at = now()", (high,))
    return int(row[0]) if row else 0


def _count_scores(connection: psycopg.Connection[Any]) -> None:
    """Add the probabilities of the new messages about objects that have a truth.

    This is done outside the database, which would need a row for each class of each message: twenty million for a
    million messages.
    """
    counts = count_scores(
        fetch(connection, _SCORED, _SCORED_SCHEMA),
        connection.execute("SELECT DISTINCT classid, gentype FROM elasticc2_classidofgentype").fetchall(),
    )
    connection.execute(_SCORES_AT_HAND)
    with connection.cursor() as cursor:
        load(cursor, classifier_scores, counts, into="tally_scores")
    connection.execute(_ADD_SCORES)


def inputs_version(connection: psycopg.Connection[Any]) -> str:
    """Hash of everything, besides the messages and the times of sending, that determines the counts: this code, the
    taxonomy in force, the truth, and how many alerts there are (messages may be stored before the alerts that they are
    about, from a dump for example)."""
    rows = connection.execute(
        "SELECT (SELECT digest FROM taxonomy_versions WHERE taxonomy = 'elasticc2' AND in_force), count(*),"
        " coalesce(sum(hashtextextended(diaobject_id || ' ' || gentype, 0)), 0),"
        " (SELECT count(*) FROM elasticc2_ppdbalert) FROM elasticc2_diaobjecttruth"
    ).fetchone()
    return hashlib.sha256(f"{TALLY_VERSION} {BINS} {rows}".encode()).hexdigest()


def _begin(connection: psycopg.Connection[Any], inputs: str) -> int | None:
    """Number of the last message counted with these inputs; None if the counts were emptied to begin again."""
    row = connection.execute("SELECT newest, inputs FROM classifier_tally").fetchone()
    if row is not None and row[1] == inputs:
        return int(row[0])
    for statement in _EMPTY:
        connection.execute(statement)
    connection.execute(
        "INSERT INTO classifier_tally (taxonomy, newest, inputs) VALUES ('elasticc2', 0, %(inputs)s)"
        " ON CONFLICT (taxonomy) DO UPDATE SET newest = 0, inputs = %(inputs)s",
        {"inputs": inputs},
    )
    return None

"""Stores messages of brokers, each once, in one set operation; from Kafka and from uploads alike.

A message from Kafka is identified by topic, partition and offset, an uploaded one by classifier, alert and publication
time of the alert. The database decides: a message that is already stored, or that another process is storing, is a
duplicate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import psycopg
import pyarrow as pa
import sqlalchemy as sa
from psycopg import sql

from broker_assets.database import copy
from broker_assets.database.arrow import arrow_schema

UPLOADED: Final = -1
"""Offset of an uploaded message."""
UPLOADS: Final = "REST_push"
"""Topic of uploaded messages."""

_STAGE: Final = sa.Table(
    "tom_message_stage",
    sa.MetaData(),
    sa.Column("streammessage_id", sa.BigInteger, nullable=False),
    sa.Column("topicname", sa.Text, nullable=False),
    sa.Column("kafka_partition", sa.Integer),
    sa.Column("alert_id", sa.BigInteger, nullable=False),
    sa.Column("diasource_id", sa.BigInteger, nullable=False),
    sa.Column("msghdrtimestamp", sa.DateTime(timezone=True)),
    sa.Column("elasticcpublishtimestamp", sa.DateTime(timezone=True)),
    sa.Column("brokeringesttimestamp", sa.DateTime(timezone=True)),
    sa.Column("brokername", sa.Text, nullable=False),
    sa.Column("brokerversion", sa.Text),
    sa.Column("classifiername", sa.Text, nullable=False),
    sa.Column("classifierparams", sa.Text),
    sa.Column("classid", sa.ARRAY(sa.SmallInteger), nullable=False),
    sa.Column("probability", sa.ARRAY(sa.REAL), nullable=False),
    sa.Column("document", sa.Text),
)

MESSAGES: Final = arrow_schema(_STAGE)
"""Columns of messages: times are UTC to the microsecond; `document` is the whole message as JSON, or null."""

_SAME: Final = (
    "known.brokername = stage.brokername AND known.classifiername = stage.classifiername"
    " AND known.brokerversion IS NOT DISTINCT FROM stage.brokerversion"
    " AND known.classifierparams IS NOT DISTINCT FROM stage.classifierparams"
)
_CREATE: Final = (
    "CREATE TEMPORARY TABLE tom_message_stage (streammessage_id bigint, topicname text, kafka_partition int,"
    " alert_id bigint, diasource_id bigint, msghdrtimestamp timestamptz, elasticcpublishtimestamp timestamptz,"
    " brokeringesttimestamp timestamptz, brokername text, brokerversion text, classifiername text,"
    " classifierparams text, classid smallint[], probability real[], document text) ON COMMIT DROP"
)
# Only missing classifiers are inserted: a conflict would use up a number of the sequence.
_CLASSIFIERS: Final = (
    "INSERT INTO elasticc2_brokerclassifier (brokername, brokerversion, classifiername, classifierparams)"  # noqa: S608
    " SELECT DISTINCT brokername, brokerversion, classifiername, classifierparams FROM tom_message_stage AS stage"
    f" WHERE NOT EXISTS (SELECT FROM elasticc2_brokerclassifier AS known WHERE {_SAME})"
    " ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING"
)
# In the order of the keys, so that two processes with the same messages cannot deadlock.
_MESSAGES: Final = (
    "WITH stored AS (INSERT INTO elasticc2_brokermessage (streammessage_id, topicname, kafka_partition, alert_id,"  # noqa: S608
    " diasource_id, msghdrtimestamp, descingesttimestamp, elasticcpublishtimestamp, brokeringesttimestamp, classid,"
    " classifier_id, probability, document, ingestid)"
    " SELECT streammessage_id, topicname, kafka_partition, alert_id, diasource_id, msghdrtimestamp, clock_timestamp(),"
    " elasticcpublishtimestamp, brokeringesttimestamp, classid, known.classifier_id, probability, document::jsonb,"
    " {ingestid} FROM tom_message_stage AS stage"
    f" JOIN elasticc2_brokerclassifier AS known ON {_SAME}"
    " ORDER BY topicname, kafka_partition, streammessage_id, known.classifier_id, alert_id, elasticcpublishtimestamp"
    " ON CONFLICT DO NOTHING RETURNING brokermessage_id, diasource_id),"
    " registered AS (INSERT INTO elasticc2_brokersourceids SELECT DISTINCT diasource_id FROM stored ORDER BY 1"
    " ON CONFLICT DO NOTHING)"
    " SELECT count(*), min(brokermessage_id) FROM stored"
)
_FIRST: Final = (
    "SELECT min(message.brokermessage_id) FROM tom_message_stage AS stage"  # noqa: S608
    f" JOIN elasticc2_brokerclassifier AS known ON {_SAME}"
    " JOIN elasticc2_brokermessage AS message ON message.alert_id = stage.alert_id"
    " AND message.classifier_id = known.classifier_id AND message.streammessage_id = stage.streammessage_id"
    " AND message.elasticcpublishtimestamp IS NOT DISTINCT FROM stage.elasticcpublishtimestamp"
)


_DIFFERING: Final = (
    "SELECT count(*) FROM tom_message_stage AS stage"  # noqa: S608
    f" JOIN elasticc2_brokerclassifier AS known ON {_SAME}"
    " JOIN elasticc2_brokermessage AS message ON message.alert_id = stage.alert_id"
    " AND message.classifier_id = known.classifier_id AND message.streammessage_id = stage.streammessage_id"
    " AND message.elasticcpublishtimestamp = stage.elasticcpublishtimestamp WHERE stage.streammessage_id = %s"
    " AND (message.classid, message.probability) IS DISTINCT FROM (stage.classid, stage.probability)"
)


@dataclass(frozen=True)
class StoredMessages:
    """What became of some messages."""

    received: int
    stored: int
    """Messages that are new."""
    classifiers: int
    """Classifiers that are new."""
    first: int | None
    """Smallest number of the new messages or, if all are known, of the known ones; None without messages."""
    differing: int = 0
    """Messages that were known with other classes or probabilities; what was stored first is kept."""

    @property
    def duplicate(self) -> int:
        """Messages that were stored before, or were given twice."""
        return self.received - self.stored


def store_messages(
    connection: psycopg.Connection[Any], messages: pa.Table, *, ingestid: int | None = None
) -> StoredMessages:
    """Store messages of brokers, and register their detections for the next import.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction, which the caller commits together with the stream position, if there is one.
    messages : pyarrow.Table
        Columns of `MESSAGES`; names of brokers have at most 100 characters, names of classifiers 200.
    ingestid : int, optional
        Batch that stores them.

    Returns
    -------
    StoredMessages
        Counts.

    Raises
    ------
    psycopg.errors.StringDataRightTruncation
        If a name is too long; `forms` checks this first.
    psycopg.errors.CheckViolation
        If a message has different numbers of probabilities and classes.
    """
    if not messages.num_rows:
        return StoredMessages(0, 0, 0, None)
    connection.execute("DROP TABLE IF EXISTS pg_temp.tom_message_stage")
    connection.execute(_CREATE)
    with connection.cursor() as cursor:
        copy.load(cursor, _STAGE, messages.select(MESSAGES.names).cast(MESSAGES))
        classifiers = cursor.execute(_CLASSIFIERS).rowcount
        found = cursor.execute(sql.SQL(_MESSAGES).format(ingestid=sql.Literal(ingestid))).fetchone()
        stored, first = found if found is not None else (0, None)
        if first is None:
            known = cursor.execute(_FIRST).fetchone()
            first = known[0] if known is not None else None
        differing = 0
        if stored < messages.num_rows:
            # A message of Kafka is known by its place in the topic, where there is no other.
            counted = cursor.execute(_DIFFERING, (UPLOADED,)).fetchone()
            differing = int(counted[0]) if counted is not None else 0
    return StoredMessages(messages.num_rows, int(stored), classifiers, first, differing)

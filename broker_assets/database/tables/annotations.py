"""What external annotators say about objects: annotators, current annotations, and all earlier ones."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.tables.columns import (
    bigint,
    blob,
    column,
    flag,
    integer,
    metadata,
    text,
    timestamp,
)


def _settings() -> list[sa.Column[object]]:
    """Columns of an annotator that can be changed."""
    return [
        text("owner", "account that may annotate with it and change it", nullable=False),
        text("description", "what it is", nullable=False, server_default=""),
        text("version", "version of its annotations that give none", nullable=False, server_default="0.1"),
        column("schema", postgresql.JSONB(), "JSON Schema of the classdict of its annotations; null: any JSON object"),
        text("url", "page about it"),
        flag("active", "whether it may annotate", nullable=False, server_default=sa.true()),
        flag("public", "whether others may see it and its annotations", nullable=False, server_default=sa.false()),
        column("source", postgresql.JSONB(), "where its annotations are read from: kind, Kafka topic, cluster, fields"),
    ]


def _content() -> list[sa.Column[object]]:
    """Columns with the content of an annotation."""
    return [
        text("version", "version of the annotator", nullable=False, server_default="0.1"),
        text("classification", "class or short text", nullable=False),
        text("explanation", "explanation in plain text", nullable=False, server_default=""),
        column(
            "classdict", postgresql.JSONB(), "anything else as a JSON object", nullable=False,
            server_default=sa.text("'{}'"),
        ),
        text("url", "link to more"),
        text("content", "hash of version, classification, explanation, classdict and url, hexadecimal", nullable=False),
    ]  # fmt: skip


annotators = sa.Table(
    "annotators",
    metadata,
    text("topic", "name of the annotator", primary_key=True),
    *_settings(),
    timestamp("date_created", "when it was added", server_default=sa.func.now(), nullable=False),
    timestamp("date_modified", "when it was last changed", server_default=sa.func.now(), nullable=False),
    bigint("revision", "number of its last change, see revision_counter", nullable=False),
    comment="Annotators: external programs and brokers that annotate objects",
)
"""Annotators as they are now."""

annotator_history = sa.Table(
    "annotator_history",
    metadata,
    text("topic", "name of the annotator", primary_key=True),
    bigint(
        "revision_from", "number of the change that made it so, see revision_counter", primary_key=True,
        autoincrement=False,
    ),
    bigint("revision_to", "number of the change that ended it; null while it is so"),
    *_settings(),
    comment="Annotators as they were: from one change to the next",
)  # fmt: skip
"""Annotators as they were."""

annotations = sa.Table(
    "annotations",
    metadata,
    bigint("annotationID", "identifier of the annotation; it changes with the content", nullable=False),
    bigint("diaObjectId", "object", primary_key=True, autoincrement=False),
    text("topic", "annotator", primary_key=True),
    timestamp("timestamp", "when it was received", server_default=sa.func.now(), nullable=False),
    *_content(),
    bigint("revision", "number of the change that wrote it, see revision_counter", nullable=False),
    bigint("ingestId", "batch that received it", nullable=False),
    sa.Index("annotations_topic", "topic", "timestamp"),
    sa.Index("annotations_annotationid", "annotationid"),
    comment="Annotations of objects as they are now: of each annotator the newest",
)
"""The newest annotation of each object and annotator."""

annotation_history = sa.Table(
    "annotation_history",
    metadata,
    bigint("diaObjectId", "object", primary_key=True, autoincrement=False),
    sa.Column(
        "annotationid",
        sa.BigInteger(),
        sa.Identity(always=False),
        primary_key=True,
        comment="identifier of the annotation, increasing in the order of arrival",
        info={"documented": "annotationID", "unit": ""},
    ),
    text("topic", "annotator", nullable=False),
    timestamp("timestamp", "when it was received", server_default=sa.func.now(), nullable=False),
    *_content(),
    bigint("revision_from", "number of the change that wrote it, see revision_counter", nullable=False),
    bigint(
        "revision_to",
        "number of the change that replaced it, the same if that was in its own batch; null while it is the newest",
    ),
    bigint("ingestId", "batch that received it", nullable=False),
    text("stream", "name of the stream of its message, see stream_offset; null if it was not a message"),
    integer("partition", "Kafka partition of its message"),
    bigint("offset", "Kafka offset of its message"),
    sa.Index("annotation_history_object", "diaobjectid", "topic", "revision_from"),
    sa.Index("annotation_history_annotationid", "annotationid"),
    sa.Index("annotation_history_revision_from", "revision_from"),
    comment="Every annotation that differs in content from the one before it of the same object and annotator",
)
"""Every annotation."""

annotation_due = sa.Table(
    "annotation_due",
    metadata,
    bigint("diaObjectId", "object", primary_key=True, autoincrement=False),
    bigint("annotationID", "annotation, see annotations", primary_key=True, autoincrement=False),
    text("topic", "annotator", nullable=False),
    text("content", "hash of its content", nullable=False),
    bigint("ingestId", "batch that received it", nullable=False),
    comment="Annotations for which the filters that ask for their annotator have not run yet",
)
"""Annotations whose filters have not run yet."""

annotation_waiting = sa.Table(
    "annotation_waiting",
    metadata,
    bigint("diaObjectId", "object, not known yet", primary_key=True, autoincrement=False),
    sa.Column(
        "waitingid",
        sa.BigInteger(),
        sa.Identity(always=False),
        primary_key=True,
        comment="identifier, increasing in the order of arrival",
        info={"documented": "waitingId", "unit": ""},
    ),
    text("topic", "annotator", nullable=False),
    timestamp("timestamp", "when it was received", server_default=sa.func.now(), nullable=False),
    *_content(),
    bigint("ingestId", "batch that received it", nullable=False),
    text("stream", "name of the stream of its message", nullable=False),
    integer("partition", "Kafka partition of its message", nullable=False),
    bigint("offset", "Kafka offset of its message", nullable=False),
    timestamp("kafka_timestamp", "Kafka timestamp of its message"),
    blob("key", "key of the message"),
    blob("payload", "message as received", nullable=False),
    sa.Index("annotation_waiting_timestamp", "timestamp"),
    comment="Annotations of objects without an alert so far; applied when one arrives, quarantined if none does",
)
"""Annotations that wait for their objects."""

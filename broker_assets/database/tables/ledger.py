"""The ledger: which messages were read, what happened to each, and where they are kept."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.tables.columns import (
    bigint,
    blob,
    column,
    date,
    double,
    integer,
    metadata,
    real,
    text,
    timestamp,
)

stream_offset = sa.Table(
    "stream_offset",
    metadata,
    text("topic", "Kafka topic", primary_key=True),
    integer("partition", "Kafka partition", primary_key=True, autoincrement=False),
    bigint("next_offset", "offset of the first message that is not yet in the tables", nullable=False),
    bigint("ingestId", "batch that last moved the position"),
    timestamp("updated_at", "when it last moved", server_default=sa.func.now(), nullable=False),
    comment="Position in each Kafka partition, moved in the transaction that writes the rows",
)
"""Position in each Kafka partition."""

ingest_batch = sa.Table(
    "ingest_batch",
    metadata,
    sa.Column(
        "ingestid",
        sa.BigInteger(),
        sa.Identity(always=False),
        primary_key=True,
        comment="identifier of the batch, increasing",
        info={"documented": "ingestId", "unit": ""},
    ),
    text("run_id", "Dagster run that wrote the batch"),
    text("topic", "Kafka topic of its messages", nullable=False),
    text(
        "kind",
        "stream (alerts), notice, annotation: from Kafka; reprocess: from the archive; retry: from the quarantine",
        nullable=False,
    ),
    text("code_version", "version of the code that made the rows", nullable=False),
    timestamp("started_at", "when its first message was requested", nullable=False),
    timestamp("finished_at", "when its rows were written"),
    bigint("received", "messages received", nullable=False, server_default="0"),
    bigint("stored", "messages that became rows", nullable=False, server_default="0"),
    bigint("duplicate", "messages whose rows already existed", nullable=False, server_default="0"),
    bigint("quarantined", "messages that could not be read", nullable=False, server_default="0"),
    bigint("bytes", "size of the messages", "byte", nullable=False, server_default="0"),
    double("read_seconds", "time spent receiving", "s"),
    double("decode_seconds", "time spent decoding", "s"),
    double("archive_seconds", "time spent writing the archive", "s"),
    double("write_seconds", "time spent writing rows", "s"),
    double("enrich_seconds", "time spent computing enrichments", "s"),
    bigint("revision", "number of the newest change that its enrichments used, see revision_counter"),
    real("latency_p50", "median time from Kafka timestamp to written row", "s"),
    real("latency_p90", "90th percentile of that time", "s"),
    real("latency_p99", "99th percentile of that time", "s"),
    real("latency_max", "largest such time", "s"),
    sa.CheckConstraint("received = stored + duplicate + quarantined", name="ingest_batch_balances"),
    sa.Index("ingest_batch_finished_at", "finished_at"),
    comment="Micro-batches: received = stored + duplicate + quarantined",
)
"""Micro-batches."""

ingest_batch_range = sa.Table(
    "ingest_batch_range",
    metadata,
    bigint("ingestId", "batch, see ingest_batch", primary_key=True, autoincrement=False),
    integer("partition", "Kafka partition", primary_key=True, autoincrement=False),
    text("topic", "Kafka topic", nullable=False),
    bigint("first_offset", "position before the batch", nullable=False),
    bigint("next_offset", "position after the batch", nullable=False),
    bigint("received", "messages received; fewer than the offsets spanned where Kafka has no message", nullable=False),
    sa.Index("ingest_batch_range_position", "topic", "partition", "first_offset"),
    comment="Offsets of each batch; within a partition they are contiguous except for the gaps in stream_gap",
)
"""Offsets of each batch."""

ingest_batch_night = sa.Table(
    "ingest_batch_night",
    metadata,
    bigint("ingestId", "batch, see ingest_batch", primary_key=True, autoincrement=False),
    date("night", "night of the packets", primary_key=True),
    bigint("stored", "packets that became rows", nullable=False, server_default="0"),
    bigint("duplicate", "packets whose rows already existed", nullable=False, server_default="0"),
    bigint("sources", "rows of diasources written or completed", nullable=False, server_default="0"),
    bigint("forced_sources", "rows of diaforcedsources written", nullable=False, server_default="0"),
    bigint("objects", "rows of objects written", nullable=False, server_default="0"),
    bigint("solar_system_sources", "rows of sssources written", nullable=False, server_default="0"),
    sa.Index("ingest_batch_night_night", "night"),
    comment="What each batch contributed to each night",
)
"""What each batch contributed to each night."""

ingest_batch_facts = sa.Table(
    "ingest_batch_facts",
    metadata,
    bigint(
        "ingestId",
        "batch, see ingest_batch; 0 for rows carried over from an older schema",
        primary_key=True,
        autoincrement=False,
    ),
    date("night", "night of the alerts", primary_key=True),
    text("asset", "asset that the facts belong to", primary_key=True),
    text("enrichment", "enrichment that computed them", nullable=False),
    text("version", "version of its code", nullable=False),
    column(
        "inputs",
        postgresql.JSONB(),
        "versions of their inputs other than alerts, by asset: dust maps, catalogues, models",
        nullable=False,
        server_default=sa.text("'{}'"),
    ),
    bigint("rows", "rows written", nullable=False),
    column("checksum", sa.Numeric(20, 0), "sum of the hashes of these rows, modulo 2^64", nullable=False),
    bigint("replaced_by", "reprocessing batch that replaced these rows; null while they are valid"),
    sa.Index("ingest_batch_facts_night", "night", "asset"),
    comment="Facts that each batch computed for each night",
)
"""Facts that each batch computed."""

stream_gap = sa.Table(
    "stream_gap",
    metadata,
    text("topic", "Kafka topic", primary_key=True),
    integer("partition", "Kafka partition", primary_key=True, autoincrement=False),
    bigint("ingestId", "batch that found them missing", primary_key=True, autoincrement=False),
    bigint("first_offset", "offset of the first missing message", nullable=False),
    bigint("next_offset", "offset after the last missing message; smaller if the topic was recreated", nullable=False),
    text("reason", "why they are missing", nullable=False),
    timestamp("created_at", "when they were found missing", server_default=sa.func.now(), nullable=False),
    comment="Messages that Kafka dropped before they were read",
)
"""Messages that Kafka dropped before they were read."""

stream_attempt = sa.Table(
    "stream_attempt",
    metadata,
    text("topic", "Kafka topic", primary_key=True),
    integer("partition", "Kafka partition", primary_key=True, autoincrement=False),
    bigint("offset", "first message of the attempt", primary_key=True, autoincrement=False),
    bigint("next_offset", "offset after its last message", primary_key=True, autoincrement=False),
    integer("attempts", "runs that began and did not end properly", nullable=False),
    text("run_id", "last run that began; null if it ended properly"),
    timestamp("started_at", "when the last one began", server_default=sa.func.now(), nullable=False),
    comment="Messages whose processing has begun but is not committed; rows left by a run that died show where it was",
)
"""Messages whose processing has begun and is not committed."""

subscription_message = sa.Table(
    "subscription_message",
    metadata,
    text("stream", "name of the stream", primary_key=True),
    text("messageId", "identifier that Google Pub/Sub gave the message", primary_key=True),
    bigint("offset", "its place among the messages of the stream", nullable=False),
    bigint("ingestId", "batch that read it", nullable=False),
    timestamp("received_at", "when it was read", server_default=sa.func.now(), nullable=False),
    sa.UniqueConstraint("stream", "offset", name="subscription_message_offset"),
    comment="Messages of subscriptions, which are sent again until they are acknowledged; removed after 40 days",
)
"""Messages of subscriptions, by the identifiers that they are recognised by."""

archive_file = sa.Table(
    "archive_file",
    metadata,
    sa.Column(
        "archivefileid",
        sa.BigInteger(),
        sa.Identity(always=False),
        primary_key=True,
        comment="identifier of the file",
        info={"documented": "archiveFileId", "unit": ""},
    ),
    bigint("ingestId", "batch that wrote the file", nullable=False),
    text("topic", "Kafka topic of its packets", nullable=False),
    date("night", "night of its packets", nullable=False),
    text("url", "URL of the file", nullable=False),
    bigint("packets", "packets in the file", nullable=False),
    bigint("bytes", "size of the file", "byte", nullable=False),
    text("sha256", "SHA-256 of the file, hexadecimal", nullable=False),
    text("schema", "identifier of the Avro schema of its packets"),
    sa.UniqueConstraint("url"),
    sa.Index("archive_file_night", "night", "topic"),
    sa.Index("archive_file_ingestid", "ingestid"),
    comment="Files of the packet archive",
)
"""Files of the packet archive."""

quarantine = sa.Table(
    "quarantine",
    metadata,
    sa.Column(
        "quarantineid",
        sa.BigInteger(),
        sa.Identity(always=False),
        primary_key=True,
        comment="identifier of the entry",
        info={"documented": "quarantineId", "unit": ""},
    ),
    text("topic", "Kafka topic", nullable=False),
    integer("partition", "Kafka partition", nullable=False),
    bigint("offset", "Kafka offset", nullable=False),
    timestamp("kafka_timestamp", "Kafka timestamp of the message"),
    blob("key", "key of the message"),
    blob("payload", "the message as received", nullable=False),
    text("reason", "why it could not be read", nullable=False),
    text("traceback", "traceback of the error"),
    text("state", "open, retried (failed again), resolved, or dismissed", nullable=False, server_default="open"),
    bigint("ingestId", "batch that received it", nullable=False),
    timestamp("created_at", "when it was received", server_default=sa.func.now(), nullable=False),
    timestamp("resolved_at", "when it was resolved or dismissed"),
    bigint("resolved_ingestId", "batch that turned it into rows"),
    # Not unique: a topic that is recreated counts from zero again.
    sa.Index("quarantine_message", "topic", "partition", "offset"),
    sa.CheckConstraint("state IN ('open', 'retried', 'resolved', 'dismissed')", name="quarantine_state"),
    sa.Index("quarantine_state", "state", "created_at"),
    sa.Index("quarantine_ingestid", "ingestid"),
    sa.Index("quarantine_resolved", "resolved_ingestid", postgresql_where=sa.text("resolved_ingestid IS NOT NULL")),
    comment="Messages that could not be read, with their bytes",
)
"""Messages that could not be read."""

"""Information for operators: open alerts, and when components last worked."""

from __future__ import annotations

import sqlalchemy as sa

from broker_assets.database.tables.columns import bigint, column, double, integer, metadata, text, timestamp

notification = sa.Table(
    "notification",
    metadata,
    text("fingerprint", "hash of the cause", primary_key=True),
    text("subject", "what was reported", nullable=False),
    text("cause", "kind, asset and partition of what failed, in one text", nullable=False),
    text("kind", "check, run, backfill, sensor, freshness, stream or canary", nullable=False, server_default=""),
    text("asset", "asset, job, sensor or stream that is affected", nullable=False, server_default=""),
    text(
        "partition", "partition of the asset that is affected; empty if it has none", nullable=False, server_default=""
    ),
    text("detail", "check or job that failed", nullable=False, server_default=""),
    text("severity", "warning or error", nullable=False, server_default="error"),
    text("body", "message to operators, in Markdown", nullable=False, server_default=""),
    text("link", "page that shows it", nullable=False, server_default=""),
    bigint("event", "event of Dagster's log that last reported the cause"),
    timestamp("first_at", "when the cause was first seen", server_default=sa.func.now(), nullable=False),
    timestamp("last_at", "when the cause was last seen", server_default=sa.func.now(), nullable=False),
    timestamp("sent_at", "when operators were last notified; null until then"),
    text("delivered", "hashes of the destinations already notified, while others are pending"),
    text("failure", "why it could not be sent; null once it was"),
    timestamp("ended_at", "when the cause ended; null while it persists"),
    text("ended_by", "what ended it"),
    timestamp("end_sent_at", "when operators were notified of the end"),
    integer("count", "how often the cause was seen", nullable=False, server_default="1"),
    sa.CheckConstraint("severity IN ('warning', 'error')", name="notification_severity"),
    sa.Index("notification_open", "kind", postgresql_where=sa.text("ended_at IS NULL")),
    comment="Alerts to operators, one row per cause",
)
"""Alerts to operators."""

heartbeat = sa.Table(
    "heartbeat",
    metadata,
    text("name", "component", primary_key=True),
    timestamp("at", "when it last reported", nullable=False),
    text("said", "what it found", nullable=False, server_default=""),
    comment="When components that nothing else monitors last worked",
)
"""When components that nothing else monitors last worked."""

run_costs = sa.Table(
    "run_costs",
    metadata,
    text("run_id", "Dagster run", primary_key=True),
    text("asset", "asset that it made; empty: the whole run, if it made several", primary_key=True),
    text("stage", "step of its work; empty: all of it", primary_key=True),
    timestamp("at", "when it was recorded", server_default=sa.func.now(), nullable=False),
    double("seconds", "time that it took; stages overlap", "s"),
    double("processor_seconds", "processor time used by its process and the programs it started", "s"),
    bigint("rows", "rows, messages or files that it wrote or read"),
    bigint("bytes", "their size", "byte"),
    sa.Index("run_costs_asset", "asset", "at"),
    sa.Index("run_costs_at", "at", postgresql_using="brin"),
    comment="What each run cost, by asset and stage",
)
"""What each run cost."""

lasair_statistics = sa.Table(
    "lasair_statistics",
    metadata,
    integer("nid", "night: days since 2017-01-01, each from 20:00 UTC on", primary_key=True, autoincrement=False),
    column("name", sa.String(256), "name of the number, as Lasair has them", primary_key=True),
    double("value", "value"),
    comment="Numbers of each night under Lasair's names",
)
"""Numbers of each night under Lasair's names."""

"""SQL queries that users have queued to be run later."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.tables.columns import bigint, column, flag, integer, text, timestamp
from broker_assets.database.tables.tom.columns import tom_metadata

queryqueue = sa.Table(
    "db_queryqueue",
    tom_metadata,
    column("queryid", sa.Uuid(), "identifier of the query", primary_key=True),
    timestamp("submitted", "when it was submitted", nullable=False),
    timestamp("started", "when it was started; null: not yet"),
    timestamp("finished", "when it ended; null: not yet"),
    flag("error", "whether it failed", nullable=False),
    text("errortext", "why it failed"),
    column("queries", sa.ARRAY(sa.Text()), "statements, one after the other", nullable=False),
    column("subdicts", sa.ARRAY(postgresql.JSONB()), "values that are bound in each statement", nullable=False),
    text("format", "format of the result", nullable=False),
    bigint("userid", "account that submitted it; null: one of the original"),
    integer("attempts", "runs that began it", nullable=False, server_default="0"),
    integer("statement", "statement that runs, from 1; 0: none yet", nullable=False, server_default="0"),
    bigint("resultrows", "rows of the result that were read so far", nullable=False, server_default="0"),
    bigint("resultbytes", "bytes of the result; null: there is none"),
    timestamp("seen_at", "when its run last reported progress"),
    flag("cancelled", "whether its account has cancelled it", nullable=False, server_default=sa.false()),
    sa.Index("db_queryqueue_submitted", "submitted", postgresql_where=sa.text("finished IS NULL")),
    sa.Index("db_queryqueue_userid", "userid", "submitted"),
    comment="SQL queries that users have queued to be run later",
)
"""SQL queries that users have queued to be run later."""

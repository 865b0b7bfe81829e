"""Progress of the simulated survey: which files were loaded, what is being sent, which nights of folders were sent."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.tables.columns import bigint, column, flag, integer, text, timestamp
from broker_assets.database.tables.tom.columns import numbered, tom_metadata

simulation_files = sa.Table(
    "simulation_files",
    tom_metadata,
    text("target", "tables that it is loaded into: ppdb or training", primary_key=True),
    text("path", "header file of a pair, or file with truth", primary_key=True),
    text("sha256", "hash of the content of its files and of how they are read; empty where they cannot be read",
         nullable=False),
    integer("objects", "new objects", nullable=False),
    integer("sources", "new detections", nullable=False),
    integer("forced", "new forced measurements", nullable=False),
    integer("truth", "new rows of truth", nullable=False),
    text("failure", "why it could not be loaded; null: it was"),
    timestamp("loaded_at", "when it was last loaded or tried", nullable=False, server_default=sa.func.now()),
    sa.Index("simulation_files_sha256", "target", "sha256"),
    comment="Files of simulations: what was loaded, and what could not be",
)  # fmt: skip
"""Files of simulations."""

alert_sendings = sa.Table(
    "alert_sendings",
    tom_metadata,
    numbered("sendingid", "number of the batch"),
    text("place", "where its alerts are from: elasticc2_ppdbalert, or a folder", nullable=False),
    column("alerts", sa.ARRAY(sa.BigInteger()), "alert of each message", nullable=False),
    column("topics", sa.ARRAY(sa.Text()), "topic of each message", nullable=False),
    column("positions", postgresql.JSONB(), "ends of the topics before, by topic and partition", nullable=False),
    timestamp("begun_at", "when it was begun", nullable=False, server_default=sa.func.clock_timestamp()),
    sa.Index("alert_sendings_place", "place"),
    comment="Batches of alerts that are being sent, or that a sender that died has left",
)
"""Batches of alerts under way."""

sent_nights = sa.Table(
    "sent_nights",
    tom_metadata,
    text("place", "folder of alerts", primary_key=True),
    text("night", "night in it: a date, or the integer MJD", primary_key=True),
    bigint("files", "files of the night that were sent, in their order", nullable=False),
    flag("over", "whether all of them were", nullable=False),
    timestamp("sent_at", "when the last of them were", nullable=False, server_default=sa.func.now()),
    comment="Nights of folders of alerts that were sent",
)
"""Nights of folders that were sent."""

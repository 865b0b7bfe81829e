"""Answers that were frozen so that they can be cited."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.tables.columns import bigint, column, metadata, text, timestamp

snapshots = sa.Table(
    "snapshots",
    metadata,
    text("snapshotId", "identifier: s and the first 16 digits of sha256", primary_key=True),
    text("sha256", "SHA-256 of the file, hexadecimal", nullable=False),
    bigint("bytes", "size of the file", "byte", nullable=False),
    text("path", "path of the file in the object store", nullable=False),
    text("title", "what it is, for people", nullable=False, server_default=""),
    column("question", postgresql.JSONB(), "what was asked", nullable=False),
    column("versions", postgresql.JSONB(), "versions of what the answer was computed from", nullable=False),
    column("contents", postgresql.JSONB(), "files in it, with rows and SHA-256", nullable=False),
    timestamp("created_at", "when it was frozen", server_default=sa.func.now(), nullable=False),
    sa.Index("snapshots_created_at", "created_at"),
    comment="Answers that were frozen so that they can be cited: objects, light curves and features with versions",
)
"""Frozen answers."""

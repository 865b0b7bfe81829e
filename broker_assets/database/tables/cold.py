"""Which points are in the cold store, and which months are only there."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from broker_assets.database.tables.columns import MJD, bigint, column, date, double, metadata, text, timestamp


def _checksum(comment: str) -> sa.Column[Any]:
    info = {"documented": "checksum", "unit": ""}
    return sa.Column("checksum", sa.Numeric(20), nullable=False, comment=comment, info=info)


cold_tables = sa.Table(
    "cold_tables",
    metadata,
    text("name", "table of the cold store", primary_key=True),
    text("metadata_location", "its metadata file, which says what its newest snapshot contains", nullable=False),
    bigint("snapshotId", "number of that snapshot, by which it can be cited", nullable=False),
    timestamp("changed_at", "when it was written", server_default=sa.func.now(), nullable=False),
    comment="Tables of the cold store (Apache Iceberg) as readers see them",
)
"""Tables of the cold store."""

cold_nights = sa.Table(
    "cold_nights",
    metadata,
    text("name", "table of the cold store", primary_key=True),
    date("night", "night", primary_key=True),
    bigint("rows", "rows that the night has there", nullable=False),
    _checksum("sum of the hashes of the rows, modulo 2⁶⁴"),
    bigint("snapshotId", "snapshot that contains the night in its present form", nullable=False),
    timestamp("changed_at", "when it was written", server_default=sa.func.now(), nullable=False),
    comment="Nights in the tables of the cold store",
)
"""Nights in the cold store."""

cold_months = sa.Table(
    "cold_months",
    metadata,
    text("name", "table whose points they are", primary_key=True),
    date("month", "first day of the month", primary_key=True),
    double("begins", "when the month begins", MJD, nullable=False),
    double("ends", "when the next one begins", MJD, nullable=False),
    bigint("rows", "rows that left the database", nullable=False),
    _checksum("sum of the hashes of all rows of the month, modulo 2⁶⁴, equal here and in the cold store"),
    bigint("snapshotId", "snapshot of the cold store that was proven to have them", nullable=False),
    timestamp("detached_at", "when they left", server_default=sa.func.now(), nullable=False),
    column(
        "moved",
        sa.ARRAY(sa.BigInteger()),
        "points that have been stored with a time of another month since, see `border.point_keys`",
        nullable=False,
        server_default="{}",
    ),
    comment="Months whose points are in the cold store, except those that arrived later",
)
"""Months that have left the database."""

cold_thawed = sa.Table(
    "cold_thawed",
    metadata,
    date("night", "night of the packets", primary_key=True),
    timestamp("thawed_at", "when its points were brought back", server_default=sa.func.now(), nullable=False),
    comment="Nights whose points are in the database again, also those of months that had left it",
)
"""Nights that are in the database again."""

"""What the tables of the target and observation manager have in common: their names are those of DESC's TOM.

They are separate from the tables of the broker: the truth of simulations is not for everybody, and some types are those
of the original, so that its dumps can be restored and its users' SQL runs.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from broker_assets.database.tables.columns import column

tom_metadata = sa.MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)
"""The tables of the target and observation manager."""

HASH_PARTITIONS = 4
"""Number of partitions of a table that grows with the simulated survey."""

BANDS = ("u", "g", "r", "i", "z", "y")
"""Bands in the names of columns; the simulation calls the last one Y."""


def numbered(name: str, meaning: str, kind: sa.types.TypeEngine[Any] | None = None) -> sa.Column[Any]:
    """Declare a key that the database numbers unless a value is given."""
    return sa.Column(
        name,
        kind or sa.BigInteger(),
        sa.Identity(always=False),
        primary_key=True,
        comment=meaning,
        info={"documented": name, "unit": ""},
    )


def key(name: str, meaning: str) -> sa.Column[Any]:
    """Declare a key of 64 bits that comes with the row."""
    return column(name, sa.BigInteger(), meaning, primary_key=True, autoincrement=False)


def refers(columns: list[str], to: list[str]) -> sa.ForeignKeyConstraint:
    """Declare a foreign key that is checked at the end of the transaction and cascades deletions."""
    return sa.ForeignKeyConstraint(columns, to, ondelete="CASCADE", deferrable=True, initially="DEFERRED")

"""Declares columns: documented name, unit and meaning in one line.

A column is named as in the documents of the survey (`psfFlux`); its name in SQL is that in lower case, so that users'
SQL works unquoted. The documented name is kept in `Column.info["documented"]` (the API uses it), the unit in
`Column.info["unit"]` and in the comment that PostgreSQL and `docs/data-model.md` show.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa

metadata = sa.MetaData(naming_convention={"pk": "%(table_name)s_pkey", "uq": "%(table_name)s_%(column_0_N_name)s_key"})
"""All tables of the broker."""

BANDS = ("u", "g", "r", "i", "z", "y")
"""Bands of Rubin, blue to red."""

MJD = "d, MJD TAI"
"""Unit of every time column of the survey tables."""


def column(
    documented: str, kind: sa.types.TypeEngine[Any], meaning: str, unit: str = "", **options: Any
) -> sa.Column[Any]:
    """Declare a column.

    Parameters
    ----------
    documented : str
        Name in the documents of the survey; the SQL name is this in lower case.
    kind : TypeEngine
        SQL type.
    meaning : str
        What the value is.
    unit : str
        Unit with frame or time scale; empty for dimensionless numbers.
    **options
        Passed to `sqlalchemy.Column` (`primary_key`, `nullable`, `server_default`).

    Examples
    --------
    >>> flux = column("psfFlux", sa.REAL(), "point-source flux", "nJy")
    >>> flux.name, flux.comment, flux.info["documented"]
    ('psfflux', 'point-source flux [nJy]', 'psfFlux')
    """
    comment = f"{meaning} [{unit}]" if unit else meaning
    info = {"documented": documented, "unit": unit}
    return sa.Column(documented.lower(), kind, comment=comment, info=info, **options)


def double(documented: str, meaning: str, unit: str = "", **options: Any) -> sa.Column[Any]:
    """Declare a 64-bit floating-point column."""
    return column(documented, sa.DOUBLE_PRECISION(), meaning, unit, **options)


def real(documented: str, meaning: str, unit: str = "", **options: Any) -> sa.Column[Any]:
    """Declare a 32-bit floating-point column."""
    return column(documented, sa.REAL(), meaning, unit, **options)


def bigint(documented: str, meaning: str, unit: str = "", **options: Any) -> sa.Column[Any]:
    """Declare a 64-bit integer column."""
    return column(documented, sa.BigInteger(), meaning, unit, **options)


def integer(documented: str, meaning: str, unit: str = "", **options: Any) -> sa.Column[Any]:
    """Declare a 32-bit integer column."""
    return column(documented, sa.Integer(), meaning, unit, **options)


def smallint(documented: str, meaning: str, unit: str = "", **options: Any) -> sa.Column[Any]:
    """Declare a 16-bit integer column."""
    return column(documented, sa.SmallInteger(), meaning, unit, **options)


def flag(documented: str, meaning: str, **options: Any) -> sa.Column[Any]:
    """Declare a boolean column."""
    return column(documented, sa.Boolean(), meaning, **options)


def text(documented: str, meaning: str, unit: str = "", **options: Any) -> sa.Column[Any]:
    """Declare a text column."""
    return column(documented, sa.Text(), meaning, unit, **options)


def date(documented: str, meaning: str, **options: Any) -> sa.Column[Any]:
    """Declare a date column."""
    return column(documented, sa.Date(), meaning, **options)


def timestamp(documented: str, meaning: str, **options: Any) -> sa.Column[Any]:
    """Declare a column of UTC instants, kept to the microsecond."""
    return column(documented, sa.DateTime(timezone=True), meaning, "UTC", **options)


def blob(documented: str, meaning: str, **options: Any) -> sa.Column[Any]:
    """Declare a column of bytes."""
    return column(documented, sa.LargeBinary(), meaning, **options)


_WIDTHS: tuple[tuple[type[sa.types.TypeEngine[Any]], int], ...] = (
    (sa.SmallInteger, 2),
    (sa.BigInteger, 8),
    (sa.Integer, 4),
    (sa.DOUBLE_PRECISION, 8),
    (sa.REAL, 4),
    (sa.DateTime, 8),
    (sa.Date, 4),
    (sa.Boolean, 1),
)


def by_width(columns: Iterable[sa.Column[Any]]) -> list[sa.Column[Any]]:
    """Order columns widest first, so that PostgreSQL needs no padding between them.

    Keys come first whatever their width; columns of variable length come last.

    Examples
    --------
    >>> [c.name for c in by_width([flag("f", ""), text("t", ""), double("d", ""), real("r", "")])]
    ['d', 'r', 'f', 't']
    """

    def rank(item: sa.Column[Any]) -> tuple[bool, int]:
        width = next((width for kind, width in _WIDTHS if isinstance(item.type, kind)), 0)
        return not item.primary_key, -width

    return sorted(columns, key=rank)


def survey_columns() -> list[sa.Column[Any]]:
    """Columns of every survey table that say where a row came from."""
    return [
        smallint("survey", "survey of the row: 1 Rubin, 2 ZTF, 3 ELAsTiCC", nullable=False),
        date("night", "night of the packet that provided the row: local date of the evening at the observatory"),
        bigint("ingestId", "batch that wrote the row, see ingest_batch"),
    ]


def newest_packet() -> sa.Column[Any]:
    """Column, for rows with the state of their newest packet, that says which packet that is."""
    return bigint("broughtBy", "source whose packet provided the row in its present form")


def point_columns() -> list[sa.Column[Any]]:
    """Columns of every point of a light curve that say which packet provided it."""
    return [
        smallint(
            "reduction", "reduction of the data; 0: that of the alerts", nullable=False, server_default=sa.text("0")
        ),
        bigint("broughtBy", "source whose packet provided the row: its own, else the earliest that contains the point"),
        double("broughtByMjdTai", "time of that source", MJD),
    ]


def period_columns() -> tuple[sa.Column[Any], ...]:
    """Columns with the period in which a row of a history held, as numbers of the counter of changes."""
    return (
        bigint(
            "revision_from",
            "number of the change from which it held, see revision_counter",
            primary_key=True,
            autoincrement=False,
        ),
        bigint("revision_to", "number of the change that ended it; null while it holds"),
    )


def fact_columns() -> list[sa.Column[Any]]:
    """Columns with the alert that a fact is about, and the batch that computed it."""
    return [
        bigint("diaObjectId", "object of the alert", primary_key=True, autoincrement=False),
        bigint("diaSourceId", "source that triggered the alert", primary_key=True, autoincrement=False),
        date("night", "night of the alert", nullable=False),
        bigint("ingestId", "batch that computed the fact", nullable=False),
    ]


PROVENANCE = (
    *("night", "ingestid", "reduction", "broughtby", "broughtbymjdtai"),
    *("archivefileid", "archiveposition", "archivelength"),
)
"""Columns that the stream adds to what a packet says."""

BOOKKEEPING = (
    *PROVENANCE,
    *("survey", "timestamp", "htm16", "healpix"),
    *("timeprocessedmjdtai", "timewithdrawnmjdtai", "validitystartmjdtai"),
)
"""Columns about the origin and storage of a row, not about the sky: how often they are null depends on whether a row
came with its own packet or with the history of another, and on the processing of the survey."""

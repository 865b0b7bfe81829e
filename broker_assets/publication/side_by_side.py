"""A held file next to the delivered one that it was compared with, fact by fact."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.rows import class_row

from broker_assets.publication.content import Facts, covered_seconds
from broker_assets.publication.decisions import AT_TARGET, Entry
from broker_assets.publication.history import COLUMNS


@dataclass(frozen=True)
class FactRow:
    """A fact of both files, as text."""

    fact: str
    ours: str
    delivered: str

    @property
    def differs(self) -> bool:
        """Whether they are not the same."""
        return self.ours != self.delivered


def of_name(connection: psycopg.Connection[Any], complete: str, limit: int = 200) -> list[Entry]:
    """All decisions on a file, the latest first.

    Parameters
    ----------
    connection : psycopg.Connection
    complete : str
        Complete name of our file; see `questions.complete_name`.
    limit : int
        Number of decisions, at most.
    """
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM publication WHERE name = %s"  # noqa: S608 (constant of this package)
            " ORDER BY decided_at DESC, publicationid DESC LIMIT %s",
            (complete, limit),
        )
        return cursor.fetchall()


def compared_with(connection: psycopg.Connection[Any], entry: Entry) -> Entry | None:
    """The delivered file that a held one was compared with: of the same name, else the highest version before it.

    Parameters
    ----------
    connection : psycopg.Connection
    entry : Entry
        A decision on a held file.
    """
    with connection.cursor(row_factory=class_row(Entry)) as cursor:
        cursor.execute(
            f"SELECT {COLUMNS} FROM publication WHERE target = %(target)s"  # noqa: S608 (constant of this package)
            " AND status = ANY(%(statuses)s)"
            " AND (name = %(name)s OR (subject = %(subject)s AND version <= %(version)s))"
            " AND publicationid <> %(number)s ORDER BY name = %(name)s DESC, version DESC, publicationid DESC LIMIT 1",
            {
                "target": entry.target, "statuses": list(AT_TARGET), "name": entry.name, "subject": entry.subject,
                "version": entry.version, "number": entry.publicationid,
            },
        )  # fmt: skip
        return cursor.fetchone()


def fact_rows(ours: Facts, delivered: Facts) -> list[FactRow]:
    """Facts of both files, as the publisher compares them.

    Parameters
    ----------
    ours, delivered : Facts
        Of the held file, and of the one at the archive.

    Examples
    --------
    >>> [row.fact for row in fact_rows(Facts(rows=90), Facts(rows=100)) if row.differs]
    ['rows']
    """
    found = [
        FactRow("rows", f"{ours.rows:,}", f"{delivered.rows:,}"),
        FactRow(
            "time covered", f"{covered_seconds(ours.covered):,.1f} s", f"{covered_seconds(delivered.covered):,.1f} s"
        ),
    ]
    for column in sorted(ours.nan.keys() | delivered.nan.keys()):
        one, other = (facts.nan.get(column) for facts in (ours, delivered))
        found.append(FactRow(f"NaN in {column}", _share(one), _share(other)))
    return [*found, FactRow("digest of the data", ours.data_digest[:12] or "–", delivered.data_digest[:12] or "–")]


def _share(fraction: float | None) -> str:
    return "no such column" if fraction is None else f"{fraction:.1%}"

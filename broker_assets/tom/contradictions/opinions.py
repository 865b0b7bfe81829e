"""What each kind of source says about each object, stored for the page of objects that only one kind knows.

The statements are those that `finding` last compared; a page only reads some of the rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import psycopg

SOURCES: Final = ("annotator", "broker", "classifier", "context", "tns")
"""Kinds of sources."""
COUNTED: Final = 100_000
"""Largest number of objects that is counted exactly."""

_NOW: Final = (
    "CREATE TEMPORARY TABLE opinions ON COMMIT DROP AS SELECT DISTINCT ON (kind, diaobjectid) kind, diaobjectid,"
    " source, said, probability::real AS probability, count(*) OVER (PARTITION BY kind, diaobjectid)::int AS sources"
    " FROM (SELECT split_part(source, ' ', 1) AS kind, * FROM statements) AS this"
    " ORDER BY kind, diaobjectid, probability DESC NULLS LAST, source"
)
_FORGET: Final = (
    "DELETE FROM object_opinions AS old WHERE NOT EXISTS (SELECT FROM opinions AS new"
    " WHERE new.kind = old.kind AND new.diaobjectid = old.diaobjectid)"
)
_KEEP: Final = (
    "INSERT INTO object_opinions AS old SELECT * FROM opinions ON CONFLICT (kind, diaobjectid) DO UPDATE SET"
    " source = excluded.source, said = excluded.said, probability = excluded.probability, sources = excluded.sources"
    " WHERE (old.source, old.said, old.probability, old.sources) IS DISTINCT FROM"
    " (excluded.source, excluded.said, excluded.probability, excluded.sources)"
)
_ONLY: Final = (
    "FROM object_opinions AS this WHERE kind = %(has)s AND diaobjectid > %(after)s AND NOT EXISTS"
    " (SELECT FROM object_opinions AS that WHERE that.kind = %(without)s AND that.diaobjectid = this.diaobjectid)"
)


@dataclass(frozen=True)
class Opinion:
    """What a kind of source says about an object."""

    diaobjectid: int
    source: str
    """The source with the highest probability."""
    said: str
    probability: float | None
    sources: int
    """Number of sources of this kind that say something."""


def keep_opinions(connection: psycopg.Connection[Any]) -> int:
    """Store the temporary table `statements`, in its transaction; return the number of rows that changed."""
    connection.execute("DROP TABLE IF EXISTS pg_temp.opinions")
    connection.execute(_NOW)
    connection.execute("ANALYZE opinions")
    return connection.execute(_FORGET).rowcount + connection.execute(_KEEP).rowcount


def only_kept(
    connection: psycopg.Connection[Any], has: str, without: str, *, after: int = -(2**63), limit: int = 100
) -> list[Opinion]:
    """Objects about which one kind of source says something, and another does not, ordered by number.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    has, without : str
        Two of `SOURCES`.
    after : int
        Only objects with larger numbers.
    limit : int
        Most objects.

    Raises
    ------
    ValueError
        If `has` or `without` is not a kind of source.
    """
    values = _values(has, without) | {"after": after, "limit": limit}
    rows = connection.execute(
        "SELECT diaobjectid, source, said, probability, sources " + _ONLY + " ORDER BY diaobjectid LIMIT %(limit)s",
        values,
    ).fetchall()
    return [Opinion(*row) for row in rows]


def count_only(connection: psycopg.Connection[Any], has: str, without: str) -> int:
    """Number of such objects; `COUNTED` + 1 if there are more than `COUNTED`."""
    values = _values(has, without) | {"after": -(2**63), "most": COUNTED + 1}
    row = connection.execute("SELECT count(*) FROM (SELECT " + _ONLY + " LIMIT %(most)s) AS counted", values).fetchone()  # noqa: S608
    return int(row[0]) if row is not None else 0


def _values(has: str, without: str) -> dict[str, Any]:
    for kind in (has, without):
        if kind not in SOURCES:
            raise ValueError(f"there is no kind of source {kind!r}; there are {', '.join(SOURCES)}")
    return {"has": has, "without": without}

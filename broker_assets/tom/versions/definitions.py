"""Definitions of processing versions, and the reductions of which they consist.

A base version is one reduction, with a number in the tables of points; a processing version is a list of base versions
with priorities. Every version has a name, further names (aliases), and an identifier.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

Connection = psycopg.Connection[Any]

OBJECTS, POSITIONS, DETECTIONS, FORCED, HOSTS = (
    "diaobject", "diaobject_position", "diasource", "diaforcedsource", "host_galaxy",
)  # fmt: skip
KINDS: Final = (OBJECTS, POSITIONS, DETECTIONS, FORCED, HOSTS)
"""Kinds of rows of a base version, by the names of FASTDB's tables."""
REALTIME: Final = "realtime"
"""Base version, and version, of the content of alerts; its number is 0."""
DEFAULT: Final = "default"
"""Version that is used if none is named."""
_LOCK: Final = 0x70726F63
_LONGEST: Final = 200


class UnknownVersionError(LookupError):
    """There is no such version."""


class VersionError(ValueError):
    """A version cannot be created or changed as requested; the message says why."""


@dataclass(frozen=True)
class Base:
    """A base version in a processing version."""

    identifier: uuid.UUID
    description: str
    kind: str
    """One of `KINDS`."""
    priority: int
    reduction: int


@dataclass(frozen=True)
class Version:
    """A processing version."""

    identifier: uuid.UUID
    description: str
    aliases: tuple[str, ...]
    bases: tuple[Base, ...]
    """Base versions by kind, the highest priority first."""

    def of(self, kind: str) -> tuple[Base, ...]:
        """Its base versions for a kind of rows, the highest priority first."""
        return tuple(base for base in self.bases if base.kind == kind)

    def reductions(self, kind: str) -> dict[int, int]:
        """Priority of each reduction, by its number."""
        return {base.reduction: base.priority for base in self.of(kind)}


def names(connection: Connection) -> list[str]:
    """Names and aliases of all versions, sorted."""
    rows = connection.execute(
        "SELECT description FROM processing_version UNION ALL SELECT description FROM processing_version_alias"
    )
    return sorted(row[0] for row in rows)


def find(connection: Connection, name: str) -> Version:
    """The version with a name, an alias, or an identifier.

    Raises
    ------
    UnknownVersionError
        If there is none.
    """
    given = _identifier(name)
    row = connection.execute(
        "SELECT id, description, ARRAY(SELECT description FROM processing_version_alias WHERE procver_id = id"
        " ORDER BY 1) FROM processing_version WHERE id = coalesce(%(id)s::uuid, (SELECT procver_id"
        " FROM processing_version_alias WHERE description = %(name)s)) OR description = %(name)s"
        " ORDER BY description = %(name)s DESC LIMIT 1",
        {"id": given, "name": name},
    ).fetchone()
    if row is None:
        raise UnknownVersionError(f"Unknown processing version {name[:_LONGEST]}")
    bases = connection.execute(
        "SELECT base.id, base.description, base._table, part.priority, base.reduction FROM base_procver_of_procver"
        " AS part JOIN base_processing_version AS base ON base.id = part.base_procver_id WHERE part.procver_id = %s"
        " ORDER BY base._table, part.priority DESC",
        (row[0],),
    )
    return Version(row[0], row[1], tuple(row[2]), tuple(Base(*base) for base in bases))


def find_base(connection: Connection, name: str, kind: str | None) -> tuple[uuid.UUID, str, str, list[str]]:
    """A base version, by its identifier or by its name and kind.

    Returns
    -------
    identifier, description, kind, versions
        `versions` are the names of the versions that contain it.

    Raises
    ------
    UnknownVersionError
        If there is none.
    VersionError
        If the kind is missing.
    """
    given = _identifier(name)
    if given is None and kind is None:
        raise VersionError("table is required when base_processing_version is not a uuid")
    row = connection.execute(
        "SELECT id, description, _table, ARRAY(SELECT version.description FROM processing_version AS version"
        " JOIN base_procver_of_procver AS part ON part.procver_id = version.id WHERE part.base_procver_id = base.id"
        " ORDER BY 1) FROM base_processing_version AS base WHERE (id = %(id)s::uuid"
        " OR (%(id)s::uuid IS NULL AND description = %(name)s)) AND (_table = %(kind)s OR %(kind)s::text IS NULL)",
        {"id": given, "name": name, "kind": kind},
    ).fetchone()
    if row is None:
        raise UnknownVersionError(f"Unknown base processing version {name[:_LONGEST]}")
    return row[0], row[1], row[2], list(row[3])


def add_base(connection: Connection, description: str, notes: str = "") -> int:
    """Create a base version for every kind of rows, with the next number; concurrent calls get different numbers.

    Returns
    -------
    int
        Its number in the column `reduction` of the tables of points.

    Raises
    ------
    VersionError
        If there is one with this name, or the name has the form of an identifier.
    """
    _check_name(description)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        row = connection.execute(
            "SELECT max(reduction) + 1, bool_or(description = %s) FROM base_processing_version", (description,)
        ).fetchone()
        assert row is not None  # noqa: S101 - an aggregate has a row
        if row[1]:
            raise VersionError(f"there is a base version {description}")
        connection.execute(
            "INSERT INTO base_processing_version (description, notes, _table, reduction)"
            " SELECT %s, %s, kind, %s FROM unnest(%s::text[]) AS kind",
            (description, notes or None, row[0], list(KINDS)),
        )
    return int(row[0])


def add_version(
    connection: Connection, description: str, bases: Mapping[str, int], *, notes: str = "", kinds: Sequence[str] = KINDS
) -> uuid.UUID:
    """Create a processing version, or add base versions for further kinds of rows to one.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    description : str
        Its name.
    bases : mapping of str to int
        Priorities of base versions, by name; the highest counts.
    notes : str
        Remarks.
    kinds : sequence of str
        Kinds of rows for which they are; default: all.

    Raises
    ------
    VersionError
        If the name is the alias of a version, if the version already has base versions for such a kind, or if a
        priority is given twice.
    UnknownVersionError
        If there is no such base version.
    """
    _check_name(description)
    unknown_kinds = sorted(set(kinds) - set(KINDS))
    if unknown_kinds or not bases:
        raise VersionError(f"kinds are {', '.join(KINDS)}, and at least one base version is needed")
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        known = {row[0] for row in connection.execute("SELECT DISTINCT description FROM base_processing_version")}
        unknown = sorted(set(bases) - known)
        if unknown:
            raise UnknownVersionError(f"Unknown base processing version {unknown[0]}")
        if _has(connection, "processing_version_alias", description):
            raise VersionError(f"{description} is another name of a version")
        if len(set(bases.values())) < len(bases):
            raise VersionError("of two base versions with one priority none comes first: give each its own")
        row = connection.execute(
            "INSERT INTO processing_version (description, notes) VALUES (%s, %s) ON CONFLICT (description)"
            " DO UPDATE SET notes = coalesce(excluded.notes, processing_version.notes) RETURNING id",
            (description, notes or None),
        ).fetchone()
        assert row is not None  # noqa: S101 - RETURNING gives a row
        try:
            connection.execute(
                "INSERT INTO base_procver_of_procver (procver_id, base_procver_id, priority, _table)"
                " SELECT %s, base.id, given.priority, base._table FROM unnest(%s::text[], %s::int[])"
                " AS given (description, priority) JOIN base_processing_version AS base USING (description)"
                " WHERE base._table = ANY(%s::text[])",
                (row[0], list(bases), list(bases.values()), list(kinds)),
            )
        except psycopg.errors.UniqueViolation:
            raise VersionError(f"{description} has such base versions or priorities already") from None
    identifier: uuid.UUID = row[0]
    return identifier


def set_alias(connection: Connection, alias: str, name: str) -> None:
    """Make a name an alias of a version, from now on.

    Raises
    ------
    VersionError
        If the name is that of a version.
    UnknownVersionError
        If there is no such version.
    """
    _check_name(alias)
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        version = find(connection, name)
        if _has(connection, "processing_version", alias):
            raise VersionError(f"{alias} is the name of a version")
        connection.execute(
            "INSERT INTO processing_version_alias (description, procver_id) VALUES (%s, %s)"
            " ON CONFLICT (description) DO UPDATE SET procver_id = excluded.procver_id",
            (alias, version.identifier),
        )


def _has(connection: Connection, table: str, description: str) -> bool:
    row = connection.execute(
        f"SELECT 1 FROM {table} WHERE description = %s",  # type: ignore[arg-type]  # noqa: S608
        (description,),
    ).fetchone()
    return row is not None


def _check_name(name: str) -> None:
    if not 0 < len(name) <= _LONGEST or not name.isprintable() or "/" in name or name != name.strip():
        raise VersionError(f"a version has a name of at most {_LONGEST} printable characters without a slash")
    if _identifier(name) is not None:
        raise VersionError("the name of a version must not be that of an identifier")


def _identifier(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None

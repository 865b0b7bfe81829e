"""Reads the versions of a filter, the changes between them, and what all filters passed."""

from __future__ import annotations

import datetime
import difflib
from dataclasses import dataclass
from typing import Any

import psycopg

from broker_assets.filters.files import write_definition
from broker_assets.filters.registry import read_definition

Connection = psycopg.Connection[Any]


@dataclass(frozen=True)
class SavedVersion:
    """A version of a filter."""

    version: int
    saved_by: str
    saved_at: datetime.datetime
    text: str
    """The definition in the form of a file."""
    changed: tuple[str, ...]
    """Lines of the difference from the previous version, each with `+`, `-` or a blank in front; empty for the
    first."""


@dataclass(frozen=True)
class Passed:
    """Alerts that a filter has passed so far."""

    matches: int
    last_night: str | None
    """Newest night with a match."""


def versions(connection: Connection, filterid: int) -> list[SavedVersion]:
    """All versions of a filter, the newest first."""
    rows = connection.execute(
        "SELECT version, saved_by, saved_at, definition FROM filter_versions WHERE filterid = %s ORDER BY version",
        (filterid,),
    ).fetchall()
    found, before = [], ""
    for version, saved_by, saved_at, definition in rows:
        text = write_definition(read_definition(definition))
        found.append(SavedVersion(version, saved_by, saved_at, text, difference(before, text) if before else ()))
        before = text
    return found[::-1]


def difference(before: str, after: str) -> tuple[str, ...]:
    """Lines of two texts: removed ones with `-`, added ones with `+`, unchanged ones near them with a blank.

    Examples
    --------
    >>> difference("SELECT ra\\nFROM objects\\n", "SELECT decl\\nFROM objects\\n")
    ('-SELECT ra', '+SELECT decl', ' FROM objects')
    """
    lines = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=2)
    return tuple(line for line in lines if not line.startswith(("---", "+++", "@@")))


def passed(connection: Connection, filterids: list[int]) -> dict[int, Passed]:
    """What some filters passed in the nights that are kept, by filter number."""
    rows = connection.execute(
        "SELECT filterid, sum(matches), max(night) FILTER (WHERE matches > 0)::text FROM filter_runs"
        " WHERE filterid = ANY(%s) GROUP BY 1",
        (filterids,),
    )
    return {number: Passed(int(matches), night) for number, matches, night in rows}


def begun(connection: Connection) -> dict[int, datetime.datetime]:
    """When the first version of each filter was saved."""
    return dict(connection.execute("SELECT filterid, min(saved_at) FROM filter_versions GROUP BY 1").fetchall())

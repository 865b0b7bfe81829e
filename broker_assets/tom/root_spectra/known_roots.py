"""Checks that requested root objects exist."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import psycopg


class UnknownRootError(LookupError):
    """There is no such root object; the message names the first one."""


def require_roots(connection: psycopg.Connection[Any], roots: Sequence[uuid.UUID]) -> None:
    """Refuse root objects that do not exist.

    Raises
    ------
    UnknownRootError
        If one does not exist.
    """
    row = connection.execute(
        "SELECT given FROM unnest(%s::uuid[]) AS given WHERE given NOT IN (SELECT id FROM root_diaobject"
        " WHERE id = ANY(%s::uuid[])) ORDER BY 1 LIMIT 1",
        (list(roots), list(roots)),
    ).fetchone()
    if row is not None:
        raise UnknownRootError(f"Unknown root object {row[0]}")

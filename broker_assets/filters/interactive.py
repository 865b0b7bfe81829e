"""Filters over all objects as they are now, in PostgreSQL: for interactive use, and for annotations.

The statement is the translation of a checked filter; of the user's text, only literals rewritten by the translation
reach the server. It runs in a read-only transaction, with limits of time and rows.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from broker_assets.database.query_role import TEMPORARY, as_user, limit_temporary_files
from broker_assets.filters.evaluation import json_number
from broker_assets.filters.query import CheckedQuery
from broker_assets.filters.schema import OBJECT

MEMORY: Final = "64MB"
"""Memory for each sort and hash of such a statement; beyond it PostgreSQL uses files."""


class TookTooLong(TimeoutError):
    """The filter was cancelled; the message names the limit."""


@dataclass(frozen=True)
class Found:
    """Result of a filter."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    """Rows as values of JSON; at most the limit."""
    objects: list[int]
    """Object of each row."""
    more: bool
    """Whether there are more rows than the limit."""
    seconds: float


def run(
    connection: psycopg.Connection[Any],
    query: CheckedQuery,
    *,
    limit: int,
    seconds: float,
    among: Sequence[int] | None = None,
    now: float | None = None,
    viewer: str | None = None,
) -> Found:
    """Run a filter over all objects, or some of them.

    Parameters
    ----------
    connection : psycopg.Connection
        Preferably of a read-only role; it may be in a transaction, which is then read-only until the filter ends.
    query : CheckedQuery
        The filter; the caller checks that its user may read the lists that it names (`registry.unreadable`).
    limit : int
        Most rows.
    seconds : float
        Time limit.
    among : sequence of int, optional
        Only these objects.
    now : float, optional
        Value of `mjdnow()`, MJD TAI; default: the clock of the server.
    viewer : str, optional
        Account that asks: the server then shows only rows of lists and annotators that it may see. Without it, the
        permissions are those of the connection.

    Returns
    -------
    Found

    Raises
    ------
    TookTooLong
        If it takes longer.
    """
    statement = query.postgres(limit + 1, now=now, among="" if among is None else "%(objects)s")
    parameters = None if among is None else {"objects": list(among)}
    began = time.perf_counter()
    try:
        with connection.transaction():
            before = connection.execute(
                "SELECT current_setting('statement_timeout'), current_setting('work_mem')"
            ).fetchone()
            connection.execute("SET LOCAL transaction_read_only = on")
            limit_temporary_files(connection)
            _set(connection, f"{max(1, round(seconds * 1000))}ms", MEMORY)
            with as_user(connection, viewer, required=False) if viewer is not None else nullcontext():
                cursor = connection.execute(statement, parameters)  # type: ignore[call-overload]
            names = [column.name for column in cursor.description or ()]
            values = cursor.fetchall()
            if before is not None:
                _set(connection, *before)
    except psycopg.errors.QueryCanceled as error:
        raise TookTooLong(f"the filter took longer than {seconds:g} s and was cancelled") from error
    except psycopg.errors.ConfigurationLimitExceeded as error:
        raise TookTooLong(f"the filter needs more than {TEMPORARY} of temporary files and was cancelled") from error
    place = names.index(OBJECT)
    columns = tuple(name for name in names if name != OBJECT)
    rows = [
        {name: json_value(value) for name, value in zip(names, row, strict=True) if name != OBJECT}
        for row in values[:limit]
    ]
    objects = [int(row[place]) for row in values[:limit]]
    return Found(columns, rows, objects, len(values) > limit, time.perf_counter() - began)


def _set(connection: psycopg.Connection[Any], timeout: str, memory: str) -> None:
    connection.execute(
        "SELECT set_config('statement_timeout', %s, true), set_config('work_mem', %s, true)", (timeout, memory)
    )


def json_value(value: Any) -> Any:
    """A value of PostgreSQL as a value of JSON."""
    if isinstance(value, float):
        return json_number(value)
    return value if value is None or isinstance(value, str | int | bool) else str(value)

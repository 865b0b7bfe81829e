"""Explains which clause of a filter rejects an object: the truth of each clause, and the values that it read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psycopg

from broker_assets.filters.interactive import json_value
from broker_assets.filters.query import CheckedQuery


@dataclass(frozen=True)
class ExplainedClause:
    """A clause for one object."""

    text: str
    met: bool
    values: dict[str, Any]
    """Columns that it names."""


Rows = list[tuple[ExplainedClause, ...]]
"""For each row of the joined tables, all clauses."""


def explain_parts(connection: psycopg.Connection[Any], query: CheckedQuery, diaobjectid: int) -> dict[str, Rows]:
    """The clauses of the queries within a filter that read the objects, by their names; see `explain_object`."""
    return {name: explain_object(connection, part, diaobjectid) for name, part in query.parts.items()}


def explain_object(connection: psycopg.Connection[Any], query: CheckedQuery, diaobjectid: int) -> Rows:
    """The clauses of a filter for an object as it is now.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    query : CheckedQuery
        The filter.
    diaobjectid : int
        The object.

    Returns
    -------
    list of tuple of ExplainedClause
        For each row of the joined tables, all clauses; one where nothing is joined. Empty if there is no such object.
    """
    cursor = connection.execute(
        query.clause_query("postgres", among="%(objects)s"),  # type: ignore[call-overload]
        {"objects": [diaobjectid]},
    )
    names = [column.name for column in cursor.description or ()]
    found = []
    for row in cursor.fetchall():
        values = dict(zip(names, row, strict=True))
        found.append(
            tuple(
                ExplainedClause(
                    clause.text,
                    bool(values[f"$clause{number}"]),
                    {name: json_value(values[name]) for name in clause.columns},
                )
                for number, clause in enumerate(query.clauses)
            )
        )
    return found

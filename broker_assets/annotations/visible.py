"""Annotations of an object that an account may read: from public annotators, its own, and those shared with it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from broker_assets.access.visibility import readable_sql, reader

MOST: Final = 200
"""Most annotations that are returned."""


def annotations_for(
    connection: psycopg.Connection[Any],
    diaobjectid: int,
    *,
    viewer: str | None,
    shared: Collection[str] = (),
    everything: bool = False,
) -> list[dict[str, Any]]:
    """Current annotations of an object, the newest first.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    diaobjectid : int
        The object.
    viewer : str or None
        Account that asks; None is a guest.
    shared : collection of str
        Topics of annotators that are shared with the account.
    everything : bool
        Whether it may see all, as administrators may.

    Returns
    -------
    list of dict
        `topic`, `version`, `timestamp`, `classification`, `explanation`, `classdict`, `url`.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT topic, said.version, said.timestamp, classification, explanation, classdict, said.url"  # noqa: S608
            " FROM annotations AS said JOIN annotators AS list USING (topic) WHERE diaobjectid = %(object)s"
            f" AND {readable_sql('list', 'topic')}"
            " ORDER BY said.timestamp DESC LIMIT %(most)s",
            {"object": diaobjectid, "most": MOST, **reader(viewer, shared, everything=everything)},
        )
        return cursor.fetchall()

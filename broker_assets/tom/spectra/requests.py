"""Requests for spectra of objects, with priorities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg

from broker_assets.tom.spectra.known_objects import require_known

LOWEST: Final = 1
HIGHEST: Final = 5
"""Range of priorities; others are clipped to it."""


def request_spectra(
    connection: psycopg.Connection[Any], userid: int, requester: str, objects: Sequence[int], priorities: Sequence[int]
) -> int:
    """Request spectra; an earlier request of the requester for an object is replaced.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    userid : int
        Account that asks.
    requester : str
        Name of the requester.
    objects, priorities : sequence of int
        Objects, each once, and the priority of each, 1 to 5.

    Returns
    -------
    int
        Requests that were stored.

    Raises
    ------
    UnknownObjectError
        If an object is not known; nothing is stored then.
    ValueError
        If an object is given twice, or the numbers of objects and priorities differ.
    """
    if len(objects) != len(priorities):
        raise ValueError(f"{len(objects)} objects and {len(priorities)} priorities: give one priority for each object")
    seen: set[int] = set()
    twice = next((number for number in objects if number in seen or seen.add(number)), None)  # type: ignore[func-returns-value]
    if twice is not None:
        raise ValueError(f"object {twice} is given twice: give each object once")
    with connection.transaction():
        require_known(connection, objects)
        # In one order, so that two requests for the same objects cannot deadlock.
        return connection.execute(
            "INSERT INTO elasticc2_wantedspectra (wantspec_id, wanttime, requester, priority, diaobject_id, user_id)"
            " SELECT number || ' ; ' || %(requester)s, now(), %(requester)s,"
            " least(greatest(priority, %(lowest)s), %(highest)s), number, %(userid)s"
            " FROM unnest(%(objects)s::bigint[], %(priorities)s::bigint[]) AS given (number, priority) ORDER BY number"
            " ON CONFLICT (wantspec_id) DO UPDATE SET wanttime = excluded.wanttime, priority = excluded.priority,"
            " user_id = excluded.user_id",
            {
                "requester": requester, "lowest": LOWEST, "highest": HIGHEST, "userid": userid,
                "objects": list(objects), "priorities": list(priorities),
            },
        ).rowcount  # fmt: skip

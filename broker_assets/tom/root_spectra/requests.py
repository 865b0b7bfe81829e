"""Requests for spectra of root objects or their hosts."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from broker_assets.tom.root_spectra.known_roots import require_roots

LOWEST: Final = 0
HIGHEST: Final = 5
"""Range of priorities; others are clipped to it."""


@dataclass(frozen=True)
class Request:
    """A spectrum that somebody wants."""

    root: uuid.UUID
    priority: int
    ra: float
    """Degrees, ICRS: position of the source."""
    dec: float
    is_host: bool = False
    """Whether it is of the host galaxy."""


def request_root_spectra(
    connection: psycopg.Connection[Any], user: uuid.UUID, requester: str, wanted: Sequence[Request]
) -> int:
    """Request spectra; earlier requests of the requester for the same things are replaced.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    user : UUID
        Account that asks, as FASTDB's tables name it.
    requester : str
        Name of the requester.
    wanted : sequence of Request
        Requests, at most one for each thing.

    Returns
    -------
    int
        Requests that were stored.

    Raises
    ------
    UnknownRootError
        If a root object is not known; nothing is stored then.
    ValueError
        If a thing is given twice.
    """
    often = Counter((one.root, one.is_host) for one in wanted).most_common(1)
    if often and often[0][1] > 1:
        raise ValueError(f"root object {often[0][0][0]} is given twice: give each once")
    with connection.transaction():
        require_roots(connection, [one.root for one in wanted])
        # In one order, so that two requests for the same objects cannot deadlock.
        return connection.execute(
            "INSERT INTO wantedspectra (wantspec_id, root_diaobject_id, wanttime, user_id, requester, priority,"
            " is_host, ra, dec) SELECT root || ' ; ' || %(requester)s || CASE WHEN host THEN ' ; host' ELSE '' END,"
            " root, now(), %(user)s, %(requester)s, least(greatest(priority, %(lowest)s), %(highest)s), host, ra, dec"
            " FROM unnest(%(roots)s::uuid[], %(priorities)s::bigint[], %(hosts)s::bool[], %(ras)s::float8[],"
            " %(decs)s::float8[]) AS given (root, priority, host, ra, dec) ORDER BY 1"
            " ON CONFLICT (wantspec_id) DO UPDATE SET wanttime = excluded.wanttime, priority = excluded.priority,"
            " user_id = excluded.user_id, ra = excluded.ra, dec = excluded.dec",
            {
                "requester": requester, "user": user, "lowest": LOWEST, "highest": HIGHEST,
                "roots": [one.root for one in wanted], "priorities": [one.priority for one in wanted],
                "hosts": [one.is_host for one in wanted], "ras": [float(one.ra) for one in wanted],
                "decs": [float(one.dec) for one in wanted],
            },
        ).rowcount  # fmt: skip

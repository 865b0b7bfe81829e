"""Checks that requested objects are known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg


class UnknownObjectError(LookupError):
    """There is no such object; the message names the first one."""


def require_known(connection: psycopg.Connection[Any], objects: Sequence[int]) -> None:
    """Refuse objects that brokers have not reported.

    Raises
    ------
    UnknownObjectError
        If one is not known.
    """
    row = connection.execute(
        "SELECT min(number) FROM unnest(%s::bigint[]) AS number"
        " WHERE number NOT IN (SELECT diaobject_id FROM elasticc2_diaobjectdetails)",
        (list(objects),),
    ).fetchone()
    if row is not None and row[0] is not None:
        raise UnknownObjectError(f"Unknown objectid {row[0]}")

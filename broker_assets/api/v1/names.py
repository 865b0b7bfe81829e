"""Finds the object that a user means: by identifier, survey name, or TNS name."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

import psycopg

from broker_assets.api.v1.problems import Problem

NEAR: Final = 3.0
"""Largest distance of an object from the TNS position of its name, arcsec."""
_TNS: Final = re.compile(r"(?:(?:AT|SN|TDE)\s*)?((?:19|20)\d{2}[a-z]{1,7})", re.IGNORECASE | re.ASCII)


def resolve(connection: psycopg.Connection[Any], texts: Sequence[str]) -> tuple[list[int], list[str]]:
    """Identifiers of objects that are named.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    texts : sequence of str
        diaObjectIds, names of ZTF objects, TNS names with or without AT or SN.

    Returns
    -------
    list of int, list of str
        Identifiers in the given order, each once, and the texts that do not name an object.
    """
    meant = {text: _identifier(connection, text.strip()) for text in dict.fromkeys(texts)}
    wanted = [one for one in meant.values() if one is not None]
    rows = connection.execute("SELECT diaobjectid FROM objects WHERE diaobjectid = ANY(%s)", (wanted,)).fetchall()
    known = {int(row[0]) for row in rows}
    found = dict.fromkeys(one for one in meant.values() if one is not None and one in known)
    return list(found), [text for text, one in meant.items() if one not in known]


def one_of(connection: psycopg.Connection[Any], text: str) -> int:
    """The identifier of the object that a path names.

    Raises
    ------
    Problem
        If there is none.
    """
    identifiers, _ = resolve(connection, [text])
    if not identifiers:
        raise unknown(text)
    return identifiers[0]


def meant(connection: psycopg.Connection[Any], text: str) -> int:
    """The identifier that a path means, whether there is such an object or not.

    Raises
    ------
    Problem
        If it does not name an object.
    """
    found = _identifier(connection, text.strip())
    if found is None:
        raise unknown(text)
    return found


def unknown(text: str) -> Problem:
    """The problem that there is no such object, with advice on how to find one."""
    return Problem(
        "not-found",
        f"object {text} is unknown",
        advice="give a diaObjectId, the name of a ZTF object or a name at TNS; /api/v1/cone finds by position",
    )


def _identifier(connection: psycopg.Connection[Any], text: str) -> int | None:
    from broker_assets.packets.identifiers import ztf_object_id

    if text.removeprefix("-").isdecimal() and text.isascii():
        value = int(text) if len(text) <= 20 else 0
        return value if value != 0 and -(2**63) <= value < 2**63 else None
    if text.startswith("ZTF"):
        try:
            return int(ztf_object_id([text])[0])
        except ValueError:
            return None
    found = _TNS.fullmatch(text)
    return _at_tns(connection, found[1]) if found is not None else None


def _at_tns(connection: psycopg.Connection[Any], name: str) -> int | None:
    from broker_assets.sky.cone_search import objects_near

    row = connection.execute(
        "SELECT ra, decl FROM crossmatch_tns WHERE tns_name = ANY(%s) LIMIT 1", ([name, name.lower(), name.upper()],)
    ).fetchone()
    if row is None or row[0] is None or row[1] is None:
        return None
    near = objects_near(connection, float(row[0]) % 360.0, float(row[1]), NEAR)
    return int(near.diaobjectid[0]) if len(near) else None

"""Entries of the Transient Name Server by their name."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row


def entry(connection: psycopg.Connection[Any], name: str | None) -> dict[str, Any] | None:
    """The entry of a name.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    name : str or None
        Without prefix, as in `objects.tns_name`.

    Returns
    -------
    dict or None
        Columns of `crossmatch_tns`.
    """
    if not name:
        return None
    with connection.cursor(row_factory=dict_row) as cursor:
        cursor.execute(
            "SELECT tns_name, tns_prefix, ra, decl, type, z, hostz, host_name, disc_mag, disc_mag_filter, disc_date,"
            " disc_int_name, reporters, source_group, lastmodified_date FROM crossmatch_tns WHERE tns_name = %s",
            (name,),
        )
        return cursor.fetchone()

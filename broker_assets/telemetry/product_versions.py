"""The relations of a product file: its earlier contents, its other processing versions, and what was made from it."""

from __future__ import annotations

import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import dict_row

from broker_assets.telemetry.product_search import UnknownProduct, product

_MJD_EPOCH: Final = datetime.datetime(1858, 11, 17)


def mjd_of(utc: str) -> float | None:
    """MJD (UTC) of a time in the register; None for on-board times and other texts.

    Examples
    --------
    >>> mjd_of("2021-01-17T12:00:00.000"), mjd_of("664200000.0")
    (59231.5, None)
    """
    if len(utc) < 19 or utc[4] != "-":
        return None
    try:
        found = datetime.datetime.fromisoformat(utc).replace(tzinfo=None)
    except ValueError:
        return None
    return (found - _MJD_EPOCH) / datetime.timedelta(days=1)


def contents(connection: psycopg.Connection[Any], name: str) -> list[dict[str, Any]]:
    """All contents that a file of this name has had, the current one first; keys as in `product_search.product`.

    Raises
    ------
    UnknownProduct
        If there has never been a file of this name.
    """
    rows = connection.execute(
        "SELECT productfileid FROM product_file WHERE name = %s"
        " ORDER BY superseded_at IS NOT NULL, productfileid DESC LIMIT 100",
        (name,),
    ).fetchall()
    if not rows:
        raise UnknownProduct(f"there is no product file {name}")
    return [product(connection, number) for (number,) in rows]


def versions(connection: psycopg.Connection[Any], found: dict[str, Any]) -> list[dict[str, Any]]:
    """Current files of the same level, kind, day and request: productFileId, name, version; the newest first.

    Parameters
    ----------
    connection : psycopg.Connection
    found : dict
        Of `product_search.product`.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            'SELECT DISTINCT ON (version) productfileid AS "productFileId", name, version FROM product_file'
            " WHERE superseded_at IS NULL AND level = %(level)s AND kind = %(kind)s AND day = %(day)s::date"
            " AND request IS NOT DISTINCT FROM %(request)s::bigint"
            " AND request_control IS NOT DISTINCT FROM %(requestControl)s::integer"
            " ORDER BY version DESC, productfileid DESC LIMIT 100",
            found,
        ).fetchall()


def children(connection: psycopg.Connection[Any], name: str, *, limit: int = 200) -> list[dict[str, Any]]:
    """Current files that were made from a file: name, level, version; in processing order.

    Parameters
    ----------
    connection : psycopg.Connection
    name : str
        Name of the file.
    limit : int
        Number of files, at most.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT file.name, file.level, file.version FROM product_file_input AS used"
            " JOIN product_file AS file USING (productfileid)"
            " WHERE used.kind = 'parent' AND used.name = %s AND file.superseded_at IS NULL"
            " ORDER BY file.level, file.name LIMIT %s",
            (name, limit),
        ).fetchall()

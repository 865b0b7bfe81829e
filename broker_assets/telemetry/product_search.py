"""Search of product files by time, kind, level and version, in pages by key, of any number; for `database.paging`."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg
import pyarrow as pa
from psycopg import sql
from psycopg.rows import dict_row

from broker_assets.database.table_formats import field

_COLUMNS: Final = (
    'productfileid AS "productFileId", path, name, level, family, kind, version, day::text AS day, request,'
    ' request_control AS "requestControl", "rows", starts, ends, digest, size, incomplete,'
    ' code_version AS "codeVersion", made_at::text AS made, superseded_at::text AS superseded,'
    ' superseded_by AS "supersededBy"'
)
SCHEMA: Final = pa.schema(
    [
        field("productFileId", pa.int64(), description="version of the file", ucd="meta.id;meta.main"),
        field("path", pa.string(), description="path in the archive"),
        field("name", pa.string(), description="name of the file"),
        field("level", pa.string(), description="processing level", datatype="char"),
        field("family", pa.string(), description="family of products", datatype="char"),
        field("kind", pa.string(), description="kind, as in file names", datatype="char"),
        field("version", pa.int32(), description="processing version"),
        field("day", pa.string(), description="observation day", datatype="char"),
        field("request", pa.int64(), description="request, of products that answer one"),
        field("rows", pa.int64(), description="rows of its data table"),
        field("starts", pa.string(), description="start of its data: UTC, or on-board time at LB and L0"),
        field("ends", pa.string(), description="end of its data"),
        field("digest", pa.string(), description="SHA-256 without DATE, CHECKSUM and DATASUM", datatype="char"),
        field("size", pa.int64(), unit="byte", description="size of the file"),
        field("incomplete", pa.bool_(), description="whether packets are missing"),
        field("made", pa.string(), description="when this content was first recorded, UTC"),
        field("superseded", pa.string(), description="when another version replaced it, UTC"),
    ]
)
"""Columns of a table of product files."""
KEYS: Final = ("day", "productFileId")


class UnknownProduct(LookupError):
    """There is no product file with this number."""


class ProductGone(Exception):
    """The file of this version is not kept; the message says which version replaced it."""


@dataclass(frozen=True)
class Search:
    """Criteria of a search; None means any."""

    level: str | None = None
    family: str | None = None
    kind: str | None = None
    version: int | None = None
    first: datetime.date | None = None
    """Observation day, the first."""
    last: datetime.date | None = None
    """Observation day, the last."""
    request: int | None = None
    name: str | None = None
    """Text in the name; with `*` for any text, a pattern for the whole name, regardless of case."""
    current: bool = True
    """Only current files."""


def search_query(search: Search) -> tuple[sql.Composed, dict[str, Any]]:
    """A query for product files and its parameters, for `paging.page` by `KEYS`."""
    conditions: list[sql.Composable] = [sql.SQL("true")]
    values: dict[str, Any] = {}
    for column in ("level", "family", "kind", "version", "request"):
        value = getattr(search, column)
        if value is not None:
            conditions.append(sql.SQL("{} = {}").format(sql.Identifier(column), sql.Placeholder(column)))
            values[column] = value
    if search.first is not None:
        conditions.append(sql.SQL("day >= %(first)s"))
        values["first"] = search.first
    if search.last is not None:
        conditions.append(sql.SQL("day <= %(last)s"))
        values["last"] = search.last
    if search.name is not None and "*" in search.name:
        conditions.append(sql.SQL("name ILIKE %(name)s"))
        plain = search.name.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        values["name"] = plain.replace("*", "%")
    elif search.name is not None:
        conditions.append(sql.SQL("strpos(name, %(name)s) > 0"))
        values["name"] = search.name
    if search.current:
        conditions.append(sql.SQL("superseded_at IS NULL"))
    query = sql.SQL("SELECT {} FROM product_file WHERE {}").format(
        sql.SQL(_COLUMNS),  # type: ignore[arg-type]
        sql.SQL(" AND ").join(conditions),
    )
    return query, values


def product(connection: psycopg.Connection[Any], number: int) -> dict[str, Any]:
    """A version of a product file.

    Raises
    ------
    UnknownProduct
        If there is none of this number.
    """
    with connection.cursor(row_factory=dict_row) as cursor:
        found = cursor.execute(
            f"SELECT {_COLUMNS} FROM product_file WHERE productfileid = %s",  # noqa: S608
            (number,),
        ).fetchone()
    if found is None:
        raise UnknownProduct(f"there is no product file {number}")
    return found


def inputs_of(connection: psycopg.Connection[Any], number: int) -> list[dict[str, Any]]:
    """Inputs, parents and telemetry files of a version of a product file: kind, name, version, detail."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT kind, name, version, detail FROM product_file_input WHERE productfileid = %s ORDER BY kind, name",
            (number,),
        ).fetchall()


def file_of(products: Path, found: dict[str, Any]) -> Path:
    """Path of the file of a version.

    Parameters
    ----------
    products : Path
        Folder of the archive of products.
    found : dict
        Of `product`.

    Raises
    ------
    ProductGone
        If the archive has another version of the file, or none.
    """
    if found["superseded"] is not None:
        later = f" by product file {found['supersededBy']}" if found["supersededBy"] else ""
        raise ProductGone(
            f"{found['name']} with content {found['digest'][:12]}… was replaced{later} at {found['superseded']} UTC"
        )
    root = products.resolve()
    path = (root / str(found["path"])).resolve()
    if not path.is_relative_to(root) or not path.is_file():
        raise ProductGone(f"{found['name']} is recorded and is not in the archive")
    return path


def kinds(connection: psycopg.Connection[Any]) -> Sequence[dict[str, Any]]:
    """Numbers of current files by level, family and kind, with the first and last day."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT level, family, kind, count(*) AS files, min(day)::text AS first, max(day)::text AS last"
            " FROM product_file WHERE superseded_at IS NULL GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
        ).fetchall()

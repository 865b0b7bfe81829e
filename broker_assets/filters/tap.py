"""Runs ADQL queries (IVOA TAP 1.1): with the rights of the account, with limits of rows and time, row by row."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa

from broker_assets.database.border import TooManyBeyond
from broker_assets.database.border_sql import across
from broker_assets.database.query_role import TEMPORARY, as_user, limit_temporary_files
from broker_assets.database.table_formats import field
from broker_assets.filters.adql import Translated, translate
from broker_assets.filters.adql_geometry import near_arrays
from broker_assets.filters.adql_polygons import AdqlError
from broker_assets.filters.tap_border import asked
from broker_assets.filters.tap_schema import NAMES, tap_schema
from broker_assets.filters.tap_uploads import Upload

_OIDS: Final[dict[int, pa.DataType]] = {
    16: pa.bool_(), 20: pa.int64(), 21: pa.int16(), 23: pa.int32(), 700: pa.float32(), 701: pa.float64(),
    1700: pa.float64(),
}  # fmt: skip
_TEXT_OIDS: Final = frozenset({25, 1042, 1043})
_TIME_OIDS: Final = frozenset({1082, 1114, 1184})
"""Of dates and times, whose texts are ASCII."""
_CHUNK: Final = 5000
"""Rows that are held at once."""


class TookTooLong(TimeoutError):
    """The query was cancelled; the message names the limit."""


@dataclass(frozen=True)
class Result:
    """Rows of a query."""

    table: pa.Table
    overflows: bool
    """Whether there are more rows."""


class Reading:
    """Rows of a query that runs, batch by batch, at most as many as are allowed."""

    def __init__(
        self,
        cursor: psycopg.Cursor[Any],
        query: Translated,
        values: Mapping[str, Any],
        known: Mapping[str, Mapping[str, str]],
    ) -> None:
        self._rows: Any = cursor.stream(query.statement, values, size=_CHUNK)  # type: ignore[call-overload]
        self._limit = query.limit
        self._first: tuple[Any, ...] | None = next(self._rows, None)
        if self._first is None:  # the columns come with the first row
            cursor.execute(f"SELECT * FROM ({query.statement}) AS nothing LIMIT 0", values)  # type: ignore[call-overload]  # noqa: S608
        self._columns = cursor.description or ()
        self.schema = _schema(self._columns, known)
        """Columns with what they mean."""
        self.overflows = False
        """Whether rows were left out; known after the last batch."""

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        left = self._limit
        held: list[tuple[Any, ...]] = [] if self._first is None else [self._first]
        self._first = None
        for row in self._rows:
            held.append(row)
            if len(held) >= _CHUNK and left > 0:
                yield self._batch(held[:left])
                self.overflows |= len(held) > left
                left -= min(left, len(held))
                held = []
        self.overflows |= len(held) > left
        if held[:left]:
            yield self._batch(held[:left])

    def close(self) -> None:
        """End the query, if it has more rows."""
        self._rows.close()

    def _batch(self, rows: Sequence[tuple[Any, ...]]) -> pa.RecordBatch:
        arrays = [
            pa.array(_values(column, one.type_code), item.type)
            for column, one, item in zip(zip(*rows, strict=True), self._columns, self.schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


@contextmanager
def reading(
    connection: psycopg.Connection[Any],
    text: str,
    *,
    limit: int,
    seconds: float,
    viewer: str = "",
    uploads: Mapping[str, Upload] | None = None,
    address: str = "",
) -> Iterator[Reading]:
    """Run a query, and read its rows while they come.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction; the server decides by `viewer` which rows it sees.
    text : str
        ADQL.
    limit : int
        Maximum number of rows.
    seconds : float
        Time, at most.
    viewer : str
        Account that asks; empty for a guest.
    uploads : mapping, optional
        Tables that were uploaded with it. They are bound to the statement: nothing of them is stored in a table.
    address : str
        Of this server, for addresses in answers.

    Raises
    ------
    AdqlError
        If the query is not accepted, by us or by the server.
    TookTooLong
        If it takes longer, or is cancelled.
    """
    query = translate(text, limit=limit, uploads=uploads)
    given = uploads or {}
    values = _bound(query, given)
    known = _known(query.tables, [given[name] for name in query.uploads])
    known |= {name: shape.about for name, shape in query.shapes.items()}
    try:
        with connection.transaction():
            connection.execute("SET LOCAL transaction_read_only = on")
            connection.execute(
                "SELECT set_config('statement_timeout', %s, true), set_config('broker.address', %s, true)",
                (f"{max(1, round(seconds * 1000))}ms", address),
            )
            limit_temporary_files(connection)
            # Before the account's rights hold, which are for the published tables alone.
            whole = across(connection, query.statement, asked(query.statement), has_values=True)
            with as_user(connection, viewer), connection.cursor() as cursor:
                found = Reading(cursor, replace(query, statement=str(whole)), values, known)
                try:
                    yield found
                finally:
                    found.close()
    except psycopg.errors.QueryCanceled as error:
        raise TookTooLong(f"the query took longer than {seconds:g} s and was cancelled") from error
    except TooManyBeyond as error:
        raise AdqlError(str(error)) from error
    except psycopg.errors.ConfigurationLimitExceeded as error:
        raise AdqlError(f"the query needs more than {TEMPORARY} of temporary files: ask for less") from error
    except (psycopg.ProgrammingError, psycopg.DataError) as error:
        raise AdqlError(f"the query cannot run: {error.diag.message_primary or error}") from error


def run(connection: psycopg.Connection[Any], text: str, **options: Any) -> Result:
    """Run a query, and give all its rows; the parameters of `reading`."""
    with reading(connection, text, **options) as found:
        return Result(pa.Table.from_batches(list(found), found.schema), found.overflows)


def _bound(query: Translated, uploads: Mapping[str, Upload]) -> dict[str, Any]:
    values: dict[str, Any] = {
        f"tap_{name}": json.dumps(tap_schema(name)) for name in NAMES if f"tap_schema.{name}" in query.tables
    }
    for number, name in enumerate(query.uploads):
        for place, column in enumerate(uploads[name].columns):
            values[f"upload_{number}_{place}"] = column.values
    for number, near in enumerate(query.near):
        columns = uploads[near.table].numeric()
        ra, dec = (np.array(columns[name], float) for name in (near.ra, near.dec))
        for place, array in enumerate(near_arrays(ra, dec, near.radius)):
            values[f"near_{number}_{place}"] = array
    return values


def _schema(columns: Sequence[Any], known: Mapping[str, Mapping[str, str]]) -> pa.Schema:
    names: list[str] = []
    fields = []
    for column in columns:
        name = column.name
        while name in names:
            name += "_"
        names.append(name)
        kind = _OIDS.get(column.type_code, pa.string())
        about = dict(known.get(column.name, {}))
        datatype, xtype = about.pop("datatype", ""), about.pop("xtype", "")
        if "arraysize" in about:  # a point or a region, which is a text of numbers
            about |= {"datatype": datatype, "xtype": xtype}
        elif column.type_code in _TIME_OIDS or (column.type_code in _TEXT_OIDS and datatype == "char"):
            about["datatype"] = "char"
            about["xtype"] = xtype if column.type_code in _TEXT_OIDS else "timestamp"
        fields.append(field(name, kind, **about))
    return pa.schema(fields)


def _values(column: Sequence[Any], code: int) -> Sequence[Any]:
    """Values as Arrow takes them: only those of types that it does not know are looked at."""
    if code == 1700:
        return [None if value is None else float(value) for value in column]
    if code in _OIDS or code in _TEXT_OIDS:
        return column
    return [_text(value) for value in column]


def _text(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).replace(tzinfo=None).isoformat()
    if isinstance(value, dict | list):
        return json.dumps(value)
    return value.isoformat() if isinstance(value, datetime.date) else str(value)


def _known(tables: tuple[str, ...], uploads: Iterable[Upload]) -> dict[str, dict[str, str]]:
    """What VOTable says about columns, by name, of some tables."""
    found: dict[str, dict[str, str]] = {}
    for row in tap_schema("columns"):
        if row["table_name"] in tables:
            names = ("unit", "description", "ucd", "datatype", "utype", "xtype")
            found.setdefault(row["column_name"].strip('"'), {name: row.get(name) or "" for name in names})
    for name in uploads:
        for column in name.columns:
            found.setdefault(column.name, column.about)
    return found

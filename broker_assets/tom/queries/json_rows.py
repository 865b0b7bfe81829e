"""Rows of users' SQL as JSON, each value in the form that clients of DESC's TOM expect."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from broker_assets.tom.queries.running import Column, Piece, QueryError

_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_SUBCLASS


class TooManyRowsError(QueryError):
    """The result has more rows, or bytes, than an answer may have."""


def rows_as_json(found: Iterable[Piece], *, most_rows: int, most_bytes: int) -> bytes:
    """Encode rows as a list of objects; of columns with the same name the last counts.

    Parameters
    ----------
    found : iterable of Piece
        The rows.
    most_rows, most_bytes : int
        Limits of the answer.

    Returns
    -------
    bytes
        A JSON list.

    Raises
    ------
    TooManyRowsError
        If there are more.
    QueryError
        If a value has no form in JSON.
    """
    blocks: list[bytes] = []
    rows = size = 0
    for piece in found:
        rows += len(piece.rows)
        _check_rows(rows, most_rows)
        if not piece.rows:
            continue
        names = _names(piece.columns)
        block = _elements([dict(zip(names, row, strict=True)) for row in piece.rows])
        size += len(block)
        _check_bytes(size, most_bytes)
        blocks.append(block)
    return b"[" + b",".join(blocks) + b"]"


def columns_as_json(found: Iterable[Piece], *, most_rows: int, most_bytes: int) -> bytes:
    """The same as an object with a list for each column."""
    columns: dict[str, list[bytes]] = {}
    rows = size = 0
    for piece in found:
        rows += len(piece.rows)
        _check_rows(rows, most_rows)
        # Of columns with the same name the last counts.
        for name, place in {name: place for place, name in enumerate(_names(piece.columns))}.items():
            block = _elements([row[place] for row in piece.rows])
            size += len(block)
            parts = columns.setdefault(name, [])
            if block:
                parts.append(block)
        _check_bytes(size, most_bytes)
    return (
        b"{" + b",".join(orjson.dumps(name) + b":[" + b",".join(parts) + b"]" for name, parts in columns.items()) + b"}"
    )


def _check_rows(rows: int, most_rows: int) -> None:
    if rows > most_rows:
        raise TooManyRowsError(
            f"the result has more than {most_rows} rows: add a LIMIT, or submit the query to the queue"
        )


def _check_bytes(size: int, most_bytes: int) -> None:
    if size > most_bytes:
        raise TooManyRowsError(
            f"the result has more than {most_bytes} bytes: select fewer columns, or submit the query to the queue"
        )


def _elements(values: list[Any]) -> bytes:
    """Values as the elements of a JSON list, without brackets."""
    try:
        return orjson.dumps(values, _value, _OPTIONS)[1:-1]
    except TypeError as error:
        raise QueryError(str(error.__cause__ or error)) from None


def _names(columns: Sequence[Column]) -> list[str]:
    return [column.name for column in columns]


def _value(value: Any) -> Any:
    """The JSON form of a value of another type."""
    match value:
        case decimal.Decimal():
            return str(value)
        case datetime.datetime():
            return moment(value)
        case datetime.date():
            return value.isoformat()
        case datetime.time():
            return value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")
        case datetime.timedelta():
            return duration(value)
        case bytes() | bytearray() | memoryview():
            raise TypeError("Object of type memoryview is not JSON serializable")
        case tuple():
            return list(value)
        case _:
            return str(value)


def moment(value: datetime.datetime) -> str:
    """A time in ISO 8601, to the millisecond, with `Z` for UTC.

    Examples
    --------
    >>> moment(datetime.datetime(2024, 1, 1, 0, 0, 0, 123456, datetime.UTC))
    '2024-01-01T00:00:00.123Z'
    """
    text = value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def duration(value: datetime.timedelta) -> str:
    """A duration in ISO 8601.

    Examples
    --------
    >>> duration(datetime.timedelta(days=1)), duration(-datetime.timedelta(seconds=1.5))
    ('P1DT00H00M00S', '-P0DT00H00M01.500000S')
    """
    sign = "-" if value < datetime.timedelta(0) else ""
    value = abs(value)
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    part = f".{value.microseconds:06d}" if value.microseconds else ""
    return f"{sign}P{value.days}DT{hours:02d}H{minutes:02d}M{seconds:02d}{part}S"

"""JSON responses: NaN is null, identifiers that JSON readers would round are strings."""

from __future__ import annotations

import datetime
import json
import math
from typing import Any

import pyarrow as pa
from fastapi.responses import JSONResponse
from pydantic import BaseModel

EXACT = 1 << 53
"""Integers up to this value are exact as 64-bit floats, which many JSON readers convert them to."""


def plain(value: Any) -> Any:
    """Convert a value to one that JSON can represent.

    Examples
    --------
    >>> plain({"a": float("nan"), "b": 168110947020308481, "c": [1, 2.5], "d": datetime.date(2025, 10, 1), "e": b"ab"})
    {'a': None, 'b': '168110947020308481', 'c': [1, 2.5], 'd': '2025-10-01', 'e': {'bytes': 2}}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, int) and not isinstance(value, bool):
        return value if -EXACT <= value <= EXACT else str(value)
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if isinstance(value, bytes):
        return {"bytes": len(value)}
    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    return value


def records(table: pa.Table) -> list[dict[str, Any]]:
    """Rows of a table as dictionaries.

    A 32-bit float becomes the shortest decimal that represents it, as PostgreSQL prints it, and not a 64-bit float with
    17 digits.

    Examples
    --------
    >>> records(pa.table({"flux": pa.array([0.1, None], pa.float32())}))
    [{'flux': 0.1}, {'flux': None}]
    """
    shortest = [
        column.cast(pa.string()).cast(pa.float64()) if pa.types.is_float32(column.type) else column
        for column in table.columns
    ]
    rows: list[dict[str, Any]] = pa.table(shortest, table.column_names).to_pylist()
    return rows


class Document(JSONResponse):
    """A JSON response."""

    def render(self, content: Any) -> bytes:
        """Encode the content."""
        return json.dumps(plain(content), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()

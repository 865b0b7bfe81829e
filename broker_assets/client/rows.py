"""A table that the server sent, as pandas, astropy or Arrow have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa


class Rows:
    """Rows of an answer; units and meanings are in the fields.

    Parameters
    ----------
    table : pyarrow.Table
        As it was sent.

    Examples
    --------
    >>> rows = Rows(pa.table({"diaObjectId": [7], "ra": [150.1]}))
    >>> len(rows), rows[0]
    (1, {'diaObjectId': 7, 'ra': 150.1})
    """

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self._table.to_pylist())

    def __getitem__(self, place: int) -> dict[str, Any]:
        found: dict[str, Any] = self._table.slice(place if place >= 0 else len(self) + place, 1).to_pylist()[0]
        return found

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self._table.column_names)

    def to_arrow(self) -> pa.Table:
        """As an Arrow table."""
        return self._table

    def to_pandas(self) -> Any:
        """As a pandas data frame; identifiers stay 64-bit integers, also where some are unknown."""
        import pandas as pd

        nullable = {pa.int64(): pd.Int64Dtype(), pa.int32(): pd.Int32Dtype(), pa.int16(): pd.Int16Dtype()}
        return self._table.to_pandas(
            types_mapper=lambda kind: nullable.get(kind) if self._has_nulls(kind) else None,
        )

    def _has_nulls(self, kind: pa.DataType) -> bool:
        return any(column.null_count for column in self._table.columns if column.type == kind)

    def to_astropy(self) -> Any:
        """As an astropy table with units; unknown values are masked."""
        import numpy as np
        from astropy.table import MaskedColumn, Table

        found = Table()
        for item, column in zip(self._table.schema, self._table.columns, strict=True):
            about = {key.decode(): value.decode() for key, value in (item.metadata or {}).items()}
            values = column.to_pylist()
            mask = [value is None for value in values]
            text = pa.types.is_string(item.type)
            kind = str if text else item.type.to_pandas_dtype()
            plain = np.array([("" if text else 0) if value is None else value for value in values], dtype=kind)
            found[item.name] = MaskedColumn(
                plain, mask=mask, unit=about.get("unit") or None, description=about.get("description")
            )
        return found

"""Tables of products in memory: columns with unit and origin."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Column:
    """One column; the first axis runs over rows."""

    values: NDArray[Any]
    unit: str = ""
    """As the file shows it: s, cs, count, V, …."""
    description: str = ""
    parameter: str | None = None
    """Parameter of the packet with these values."""
    calibration: str | None = None
    """Calibration that turns the values into engineering ones at level L1; None where they are final."""
    engineering: NDArray[Any] | None = None
    """Values at level L1, if they differ."""
    engineering_unit: str = ""
    """Unit of `engineering`."""

    def take(self, rows: Any) -> Column:
        """The column for some rows."""
        engineering = None if self.engineering is None else self.engineering[rows]
        return replace(self, values=self.values[rows], engineering=engineering)

    def calibrated(self) -> Column:
        """The column at level L1."""
        if self.engineering is None:
            return self
        return Column(self.engineering, self.engineering_unit, self.description, self.parameter)


Table = dict[str, Column]
"""Columns by name, in the order of the file; all have the same number of rows."""


def rows(table: Table) -> int:
    """Number of rows."""
    return len(next(iter(table.values())).values) if table else 0


def take(table: Table, selected: Any) -> Table:
    """The table for some rows."""
    return {name: column.take(selected) for name, column in table.items()}


def stack(tables: Sequence[Table]) -> Table:
    """Rows of several tables, one after another.

    Raises
    ------
    ValueError
        If a column is missing in one, or the shape or unit of its values differs; the message names it.
    """
    if len(tables) == 1:
        return tables[0]
    found: Table = {}
    for name, column in tables[0].items():
        parts = []
        engineering = []
        for table in tables:
            other = table.get(name)
            if other is None:
                raise ValueError(f"column {name} is missing in a part of the product")
            if other.values.shape[1:] != column.values.shape[1:] or other.unit != column.unit:
                raise ValueError(
                    f"column {name} has shape {other.values.shape[1:]} {other.unit} in a part of the product and "
                    f"{column.values.shape[1:]} {column.unit} in another"
                )
            if (other.engineering is None) != (column.engineering is None) or (
                other.engineering_unit != column.engineering_unit
            ):
                raise ValueError(f"column {name} is calibrated differently in a part of the product")
            parts.append(other.values)
            if other.engineering is not None:
                engineering.append(other.engineering)
        joined = np.concatenate(engineering) if engineering else None
        found[name] = replace(column, values=np.concatenate(parts), engineering=joined)
    return found

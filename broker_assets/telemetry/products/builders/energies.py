"""Energy channels of counts: which channels each plane of a table sums, and where packets of one product differ.

A plane is a group of neighbouring channels, (first, last), both included. Groups of one table may have gaps between
them, overlap, and be sent in any order; planes are ordered by their channels. What is sent as (last, first) is a group
nevertheless, and marked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.decoding import masks
from broker_assets.telemetry.products.builders.measured import Measured, UnbuildableProduct
from broker_assets.telemetry.products.files.tables import Column, Table

CHANNELS: Final = masks.ENERGY_EDGES - 1
MOST_TABLES: Final = 64
"""Energy tables of one request, at most; each becomes a separate file."""
PARTED: Final = "Energy channels have gaps or overlap: ENERGIES has their limits, energy_bin_edge_mask cannot show them"
REVERSED: Final = "Packets give limits of energy channels in reverse order: the higher one is taken for the upper limit"


@dataclass(frozen=True)
class EnergyTables:
    """The distinct tables of a request."""

    groups: tuple[NDArray[np.int64], ...]
    """(planes, 2) first and last channel of each plane, by table."""
    of_row: NDArray[np.int64]
    """(rows,) table of each row."""
    reversed: bool = False
    """Whether limits were sent in reverse order."""

    def remarks(self, tables: Sequence[int]) -> list[str]:
        """Remarks for readers about some of the tables."""
        found = [REVERSED] if self.reversed else []
        parted = any((self.groups[table][1:, 0] != self.groups[table][:-1, 1] + 1).any() for table in tables)
        return [*found, PARTED] if parted else found


def group_codes(low: NDArray[Any], high: NDArray[Any]) -> NDArray[np.int64]:
    """A number for each group, in whichever order its limits are: ordered as first and last channel are.

    Examples
    --------
    >>> group_codes(np.array([4, 9]), np.array([5, 4])).tolist()
    [133, 137]
    """
    first, last = np.minimum(low, high), np.maximum(low, high)
    return np.asarray(first.astype(np.int64) * CHANNELS + last)


def energy_tables(
    rows: NDArray[Any], low: NDArray[Any], high: NDArray[Any], count: int, *, whole: bool = False
) -> EnergyTables:
    """Rows by the groups that they have; tables in the order of their first rows.

    Parameters
    ----------
    rows : (g,) integer array
        Row of each group.
    low, high : (g,) integer arrays
        Limits of each group, channels 0 to 31.
    count : int
        Number of rows.
    whole : bool
        Whether each row has all its groups. If not, a row whose groups are a subset of those of another row is taken to
        lack the rest, and has the table of that row.

    Raises
    ------
    UnbuildableProduct
        If there are more than `MOST_TABLES` tables.

    Examples
    --------
    >>> tables = energy_tables(np.array([0, 0, 1]), np.array([6, 4, 9]), np.array([9, 5, 4]), 2)
    >>> [groups.tolist() for groups in tables.groups], tables.of_row.tolist(), tables.reversed
    ([[[4, 5], [6, 9]], [[4, 9]]], [0, 1], True)
    """
    codes, numbers = np.unique(group_codes(low, high), return_inverse=True)
    present = np.zeros((count, len(codes)), dtype=bool)
    present[rows, numbers] = True
    tables, of_row = np.unique(present, axis=0, return_inverse=True)
    if len(tables) > MOST_TABLES:
        raise UnbuildableProduct(f"the energy channels change in {len(tables)} ways; {MOST_TABLES} are possible")
    if not whole:
        lacking = (tables[:, None] & ~tables[None]).any(axis=2)
        of_row = np.where(lacking, -1, tables.sum(axis=1)).argmax(axis=1)[of_row.ravel()]
    kept, first_row, of_row = np.unique(of_row.ravel(), return_index=True, return_inverse=True)
    order = np.argsort(first_row)
    groups = tuple(np.stack(np.divmod(codes[tables[table]], CHANNELS), axis=1) for table in kept[order].tolist())
    return EnergyTables(groups, np.argsort(order)[of_row.ravel()], bool((low > high).any()))


def groups_of_edges(edges: NDArray[Any]) -> NDArray[np.int64]:
    """Groups between the edges of a mask.

    Parameters
    ----------
    edges : (33,) array
        Non-zero at each edge.

    Examples
    --------
    >>> groups_of_edges(np.isin(np.arange(33), [4, 6, 10])).tolist()
    [[4, 5], [6, 9]]
    """
    found = np.flatnonzero(edges)
    return np.stack([found[:-1], found[1:] - 1], axis=1)


def with_energies(
    measured: Measured, data: Table, tables: EnergyTables, chosen: Sequence[int], parameter: str
) -> Measured:
    """The tables of a request for the rows of some energy tables.

    Parameters
    ----------
    measured : Measured
        Control table without `energy_bin_edge_mask`, and what all rows have in common.
    data : Table
        The rows.
    tables : EnergyTables
        Of all rows.
    chosen : sequence of int
        Numbers of the energy tables, which have the same number of planes.
    parameter : str
        Parameter of the packet that gives the energies.
    """
    groups = tuple(tables.groups[number] for number in chosen)
    of_row = np.searchsorted(chosen, tables.of_row[np.isin(tables.of_row, chosen)])
    edges = np.zeros((1, masks.ENERGY_EDGES), dtype=np.uint8)
    for planes in groups:
        edges[0, planes[:, 0]] = edges[0, planes[:, 1] + 1] = 1
    found = replace(
        measured,
        control=measured.control | {"energy_bin_edge_mask": Column(edges, parameter=parameter)},
        data=data,
        energies=groups,
        energies_of_row=of_row,
        cards=[*measured.cards],
        comments=[*measured.comments],
    )
    for text in tables.remarks(chosen) if measured.channel_numbers is None else []:
        found.warn(text)
    return found

"""What part of the sky the stored objects cover, as a MOC (IVOA MOC 2.0) with a version."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
from mocpy import MOC

from broker_assets.sky.areas import moc_version
from broker_assets.sky.cells import DEEPEST

DEEPEST_COVERAGE: Final = 7
"""HEALPix order of the finest coverage: cells of half a degree."""
_CELLS: Final = """
WITH RECURSIVE seen AS (
    SELECT (SELECT min(healpix) FROM objects WHERE healpix IS NOT NULL) >> %(shift)s AS cell
    UNION ALL
    SELECT (SELECT min(healpix) FROM objects WHERE healpix >= (cell + 1) << %(shift)s) >> %(shift)s
    FROM seen WHERE cell IS NOT NULL
)
SELECT cell FROM seen WHERE cell IS NOT NULL
"""
"""Jumps through the index from cell to cell, so that the time depends on the number of cells, not of objects."""


@dataclass(frozen=True)
class Coverage:
    """The cells of one order in which objects are stored."""

    moc: MOC
    order: int
    version: str
    """Hash of the content: the same cells have the same version."""


def coverage(connection: psycopg.Connection[Any], order: int) -> Coverage:
    """The cells in which an object is stored.

    Parameters
    ----------
    connection : psycopg.Connection
        Of any role that may read `objects`.
    order : int
        HEALPix order of the cells, 0 to 7.

    Raises
    ------
    ValueError
        If the order is not between 0 and 7.
    """
    if not 0 <= order <= DEEPEST_COVERAGE:
        raise ValueError(f"order is {order}; it must be between 0 and {DEEPEST_COVERAGE}")
    rows = connection.execute(_CELLS, {"shift": 2 * (DEEPEST - order)}).fetchall()
    cells = np.array([row[0] for row in rows], np.uint64)
    moc = MOC.from_healpix_cells(cells, np.full(len(cells), order, np.uint8), max_depth=order)
    return Coverage(moc, order, moc_version(moc))

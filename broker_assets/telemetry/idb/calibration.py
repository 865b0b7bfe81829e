"""Raw to engineering values: curves, polynomials and texts, as arrays.

Curves of more than two points are interpolating cubic splines with not-a-knot ends, the same function as from FITPACK's
``splrep``/``splev`` of degree 3 without smoothing (de Boor, *A Practical Guide to Splines*, chapter IV); outside the
points, the outermost cubic continues.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

TABLE_BITS = 16
"""Raw values of at most this many bits are calibrated by a table of all of them, made once."""


class CalibrationError(ValueError):
    """A calibration cannot be used; the message names it."""


@dataclass(frozen=True)
class Polynomial:
    """c0 + c1 x + c2 x² + …, in double precision."""

    name: str
    coefficients: tuple[float, ...]
    """Constant term first."""

    def __post_init__(self) -> None:
        if not self.coefficients:
            raise CalibrationError(f"polynomial {self.name} does not exist")

    def __call__(self, raw: NDArray[Any]) -> NDArray[np.float64]:
        """Engineering values of raw values.

        Examples
        --------
        >>> Polynomial("CIX01172TM", (0.0, 0.1))(np.array([40])).tolist()
        [4.0]
        """
        x = raw.astype(np.float64)
        value = np.full(x.shape, self.coefficients[0])
        power = x
        for coefficient in self.coefficients[1:]:
            if coefficient != 0.0:
                value = value + coefficient * power
            power = power * x
        return value


@dataclass(frozen=True)
class Curve:
    """A line through two points, a cubic spline through more."""

    name: str
    points: tuple[tuple[float, float], ...]
    """(x, y), ordered by x."""

    def __post_init__(self) -> None:
        if len(self.points) < 2 or len(self.points) == 3:
            raise CalibrationError(f"curve {self.name} has {len(self.points)} points; 2 or at least 4 are needed")
        x = [point[0] for point in self.points]
        if any(later <= earlier for earlier, later in itertools.pairwise(x)):
            raise CalibrationError(f"curve {self.name} has two points at the same raw value")

    @cached_property
    def pieces(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Starts of the pieces and their coefficients (pieces, 4), lowest power of (x - start) first."""
        x = np.array([point[0] for point in self.points])
        y = np.array([point[1] for point in self.points])
        if len(x) == 2:
            return x[:1], np.array([[y[0], (y[1] - y[0]) / (x[1] - x[0]), 0.0, 0.0]])
        h = np.diff(x)
        slope = np.diff(y) / h
        count = len(x)
        # Unknowns: second derivatives at the points; the third derivative is continuous at the second and last but one.
        matrix = np.zeros((count, count))
        right = np.zeros(count)
        matrix[0, :3] = h[1], -(h[0] + h[1]), h[0]
        matrix[-1, -3:] = h[-1], -(h[-2] + h[-1]), h[-2]
        for i in range(1, count - 1):
            matrix[i, i - 1 : i + 2] = h[i - 1], 2 * (h[i - 1] + h[i]), h[i]
            right[i] = 6 * (slope[i] - slope[i - 1])
        second = np.linalg.solve(matrix, right)
        first = slope - h * (2 * second[:-1] + second[1:]) / 6
        return x[:-1], np.column_stack([y[:-1], first, second[:-1] / 2, np.diff(second) / (6 * h)])

    def __call__(self, raw: NDArray[Any]) -> NDArray[np.float64]:
        """Engineering values of raw values.

        Examples
        --------
        >>> Curve("CIXP0034TM", ((0.0, 0.0), (4095.0, 3.0)))(np.array([1365])).tolist()
        [1.0]
        """
        starts, coefficients = self.pieces
        x = raw.astype(np.float64)
        piece = np.clip(np.searchsorted(starts, x, side="right") - 1, 0, len(starts) - 1)
        c = coefficients[piece]
        d = x - starts[piece]
        return np.asarray(c[..., 0] + d * (c[..., 1] + d * (c[..., 2] + d * c[..., 3])))


@dataclass(frozen=True)
class TextTable:
    """Texts of inclusive ranges of raw values, compared as numbers; the first matching range counts."""

    name: str
    ranges: tuple[tuple[int, int, str], ...]
    """(first, last, text)."""

    def __post_init__(self) -> None:
        if not self.ranges:
            raise CalibrationError(f"text table {self.name} does not exist")

    def __call__(self, raw: NDArray[Any]) -> NDArray[np.object_]:
        """Texts of raw values; the texts True and False become booleans, a value without a text stays a number.

        Examples
        --------
        >>> TextTable("CAAT0033TM", ((0, 0, "False"), (1, 1, "True")))(np.array([1, 0, 7])).tolist()
        [True, False, 7]
        """
        values = np.empty(raw.shape, dtype=object)
        values[...] = raw.astype(object)
        for first, last, text in reversed(self.ranges):
            values[(raw >= first) & (raw <= last)] = {"True": True, "False": False}.get(text, text)
        return values

    def unmatched(self, raw: NDArray[Any]) -> NDArray[np.bool_]:
        """Which raw values have no text."""
        found = np.zeros(raw.shape, dtype=bool)
        for first, last, _ in self.ranges:
            found |= (raw >= first) & (raw <= last)
        return ~found


Calibration = Polynomial | Curve | TextTable

ZERO_CELSIUS = 273.15
"""Kelvin at 0 degrees Celsius."""


def unit_of(unit: str | None) -> str | None:
    """Unit of the values we give for a unit of the database: `S` is the second, Celsius becomes kelvin.

    Examples
    --------
    >>> unit_of("S"), unit_of("degC"), unit_of("mA")
    ('s', 'K', 'mA')
    """
    return {"S": "s", "degC": "K"}.get(unit, unit) if unit is not None else None


class Calibrator:
    """A calibration made ready for one parameter: unit conversion included, tables for narrow raw values.

    Parameters
    ----------
    calibration : Calibration
        Curve, polynomial or texts.
    unit : str or None
        Unit of the database.
    width : int
        Bits of a raw value.
    signed : bool
        Whether raw values are signed.
    """

    def __init__(self, calibration: Calibration, unit: str | None, width: int, signed: bool) -> None:
        self.calibration = calibration
        self.unit = unit_of(unit)
        self._celsius = unit == "degC" and not isinstance(calibration, TextTable)
        self._table: NDArray[Any] | None = None
        self._unmatched: NDArray[np.bool_] | None = None
        if width <= TABLE_BITS and not signed:
            domain = np.arange(1 << width)
            self._table = self._convert(domain)
            if isinstance(calibration, TextTable):
                self._unmatched = calibration.unmatched(domain)

    def _convert(self, raw: NDArray[Any]) -> NDArray[Any]:
        values: NDArray[Any] = self.calibration(raw)
        return values + ZERO_CELSIUS if self._celsius else values

    def __call__(self, raw: NDArray[Any]) -> NDArray[Any]:
        """Engineering values, float64 or (texts) object, of the shape of `raw`."""
        return self._convert(raw) if self._table is None else self._table[raw]

    def unmatched(self, raw: NDArray[Any]) -> int:
        """How many values have no text and were kept raw."""
        if not isinstance(self.calibration, TextTable):
            return 0
        missing = self.calibration.unmatched(raw) if self._unmatched is None else self._unmatched[raw]
        return int(np.count_nonzero(missing))

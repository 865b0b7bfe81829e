"""Confusion matrices: the true class of objects against the most probable class from a classifier."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from broker_assets.tom.taxonomy.hierarchy import Taxonomy


@dataclass(frozen=True)
class Confusion:
    """Objects by true and by reported class; rows and columns without objects are left out."""

    true: NDArray[np.int64]
    """(n,) true classes, ascending: the rows."""
    reported: NDArray[np.int64]
    """(m,) most probable classes, ascending: the columns."""
    objects: NDArray[np.int64]
    """(n, m) numbers of objects."""

    @property
    def by_true_class(self) -> NDArray[np.float64]:
        """(n, m) fractions of the objects of a true class: each row sums to 1; the diagonal is the completeness."""
        return _shares(self.objects, 1)

    @property
    def by_reported_class(self) -> NDArray[np.float64]:
        """(n, m) fractions of the objects with a reported class: each column sums to 1; the diagonal is the purity."""
        return _shares(self.objects, 0)

    def right(self, taxonomy: Taxonomy, level: str = "exact") -> float:
        """Fraction of the objects whose reported class is right and at least as specific as a level.

        NaN without objects.
        """
        if not self.objects.size:
            return float("nan")
        # Any model of a class can represent it: all of them have the same parent classes.
        of_model = taxonomy.true_class(taxonomy.gentype)
        models = taxonomy.gentype[np.argmax(of_model[None, :] == self.true[:, None], axis=1)]
        matrix = taxonomy.matches(self.reported[None, :], models[:, None], level)
        return float(self.objects[matrix].sum() / self.objects.sum())


def confusion(true: ArrayLike, reported: ArrayLike, objects: ArrayLike) -> Confusion:
    """Arrange counts as a matrix.

    Parameters
    ----------
    true, reported, objects : (k,) integer arrays
        True class, most probable class, and number of objects with both; a pair may occur more than once.

    Examples
    --------
    >>> found = confusion([10, 10, 20], [10, 20, 20], [3, 1, 2])
    >>> found.objects.tolist(), found.by_true_class[0].tolist(), found.by_reported_class[:, 1].round(2).tolist()
    ([[3, 1], [0, 2]], [0.75, 0.25], [0.33, 0.67])
    """
    counts = np.asarray(objects, np.int64)
    some = counts > 0
    rows, row = np.unique(np.asarray(true, np.int64)[some], return_inverse=True)
    columns, column = np.unique(np.asarray(reported, np.int64)[some], return_inverse=True)
    matrix = np.zeros((len(rows), len(columns)), np.int64)
    np.add.at(matrix, (row, column), counts[some])
    return Confusion(rows, columns, matrix)


def _shares(counts: NDArray[np.int64], axis: int) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = counts / counts.sum(axis=axis, keepdims=True)
    return shares

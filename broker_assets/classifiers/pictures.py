"""Plots of trainings and of the scores of a night, for the pages of operators."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from broker_assets.plots import bars_png, histogram

_BINS: Final = 20
_SHOWN: Final = 12
"""Distributions in a plot, at most."""


def confusion_png(confusion: NDArray[np.int64], classes: Sequence[str]) -> bytes:
    """A confusion matrix: the share of the examples of each true class that got each class.

    Parameters
    ----------
    confusion : (n, n) int64 array
        Numbers of examples; rows are true classes.
    classes : sequence of str
        Their names.

    Returns
    -------
    bytes
        PNG.

    Examples
    --------
    >>> confusion_png(np.eye(2, dtype=np.int64), ["a", "b"])[:4]
    b'\\x89PNG'
    """
    # The import takes half a second, which processes without plots need not spend.
    from matplotlib.figure import Figure

    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    size = 1.6 + 0.45 * len(classes)
    figure = Figure(figsize=(size + 0.6, size), dpi=80, layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, vmin=0.0, vmax=1.0, cmap="Blues")
    for row, column in np.ndindex(*shares.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, f"{confusion[row, column]}", ha="center", va="center", fontsize=6, color=colour)
    places = np.arange(len(classes))
    axes.set_xticks(places, classes, rotation=45, ha="right", fontsize=6)
    axes.set_yticks(places, classes, fontsize=6)
    axes.set_xlabel("class with the highest score", fontsize=7)
    axes.set_ylabel("true class", fontsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def scores_png(values: Mapping[str, NDArray[np.float64]]) -> bytes:
    """Distributions of scores.

    Parameters
    ----------
    values : mapping of str to (n,) float64 array
        By label.

    Returns
    -------
    bytes
        PNG.

    Examples
    --------
    >>> scores_png({"supernova": np.array([0.1, 0.9])})[:4]
    b'\\x89PNG'
    """
    panels = [
        histogram(scores, bins=_BINS, limits=(0.0, 1.0), title=label) for label, scores in list(values.items())[:_SHOWN]
    ]
    return bars_png(panels, columns=min(max(len(panels), 1), 4), size=(132, 96))

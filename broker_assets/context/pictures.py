"""Pictures of context for materialisations."""

from __future__ import annotations

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from broker_assets.plots import Bars, bars_png
from broker_assets.sky.cells import cells_at


def classes_png(counts: Mapping[str, int]) -> bytes:
    """The number of alerts of each class, as PNG.

    Parameters
    ----------
    counts : mapping of str to int
        Alerts by class.

    Examples
    --------
    >>> classes_png({"SN": 3, "ORPHAN": 40})[:4]
    b'\\x89PNG'
    """
    numbers = np.array(list(counts.values()), np.float64)
    panel = Bars(
        heights=np.log1p(numbers),  # so that a class of three is visible next to one of a million
        names=list(counts),
        values=[f"{number:,}" if number else "" for number in counts.values()],
        label="alerts by class, logarithmic",
    )
    return bars_png([panel], columns=1, size=(480, 208))


def sky_png(density: NDArray[np.int64]) -> bytes:
    """Where the sources of a catalogue lie, as PNG: Mollweide's projection, 0h in the middle, RA to the left.

    Parameters
    ----------
    density : (12 · 4**order,) int64 array
        Number of sources in each HEALPix cell (nested) of an order.

    Examples
    --------
    >>> sky_png(np.arange(768))[:4]
    b'\\x89PNG'
    """
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    ra, dec = np.meshgrid(np.linspace(-180, 180, 121), np.linspace(-90, 90, 61))
    centres = [(axis[1:, 1:] + axis[:-1, :-1]) / 2 for axis in (ra, dec)]
    order = (density.size // 12).bit_length() // 2
    values = np.where(density > 0, density, np.nan)[
        cells_at(-centres[0].ravel() % 360, centres[1].ravel(), order)
    ].reshape(centres[0].shape)
    figure = Figure(figsize=(5.0, 2.8), dpi=64, layout="constrained")
    axes = figure.add_subplot(projection="mollweide")
    highest = float(density.max(initial=1))
    mesh = axes.pcolormesh(
        np.radians(ra), np.radians(dec), values, norm=LogNorm(1.0, max(highest, 2.0)), cmap="viridis"
    )
    axes.set_xticklabels([])
    axes.set_yticklabels([])
    bar = figure.colorbar(mesh, ax=axes, shrink=0.7)
    bar.set_label(f"sources in a cell of order {order}", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()

"""Plots of dust maps and of the features of a night, for the pages of operators."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.lightcurves.dust import DustMap
from broker_assets.plots import bars_png, histogram

_PIXELS = (45, 90)
_BINS = 40


def dust_png(dust: DustMap) -> bytes:
    """A map of E(B−V) in equatorial coordinates.

    Parameters
    ----------
    dust : DustMap

    Returns
    -------
    bytes
        PNG of some thirty kilobytes; Mollweide's projection, right ascension increases to the left, 0h in the middle.

    Examples
    --------
    >>> from broker_assets.lightcurves.dust import read_dust_map
    >>> dust_png(read_dust_map())[:4]
    b'\\x89PNG'
    """
    # The import takes half a second, which processes without plots need not spend.
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    rows, columns = _PIXELS
    ra, dec = np.meshgrid(np.linspace(-180, 180, columns + 1), np.linspace(-90, 90, rows + 1))
    centres = [(axis[1:, 1:] + axis[:-1, :-1]) / 2 for axis in (ra, dec)]
    values = dust.ebv((-centres[0] % 360).ravel(), centres[1].ravel()).reshape(rows, columns)
    figure = Figure(figsize=(5.0, 2.8), dpi=64, layout="constrained")
    axes = figure.add_subplot(projection="mollweide")
    mesh = axes.pcolormesh(
        np.radians(ra), np.radians(dec), np.clip(values, 0.01, 3.0), norm=LogNorm(0.01, 3.0), cmap="magma"
    )
    axes.set_xticklabels([])
    axes.set_yticklabels([])
    bar = figure.colorbar(mesh, ax=axes, shrink=0.7)
    bar.set_label("E(B−V) [mag]", fontsize=7)
    bar.ax.tick_params(labelsize=7)
    axes.set_title(dust.name, fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def histograms_png(values: Mapping[str, NDArray[np.float64]]) -> bytes:
    """Distributions of some features.

    Parameters
    ----------
    values : mapping of str to (n,) float64 array
        By label; NaN is left out, and the outermost percent at each end.

    Returns
    -------
    bytes
        PNG.

    Examples
    --------
    >>> histograms_png({"jump1 [σ]": np.array([1.0, 2.0])})[:4]
    b'\\x89PNG'
    """
    panels = [
        histogram(column, bins=_BINS, title=f"{np.isfinite(column).sum()} of {column.size}", label=label)
        for label, column in values.items()
    ]
    return bars_png(panels, columns=max(len(panels), 1), size=(168, 144))


def distributions(rows: Sequence[Sequence[float | None]], shown: Mapping[str, str]) -> dict[str, Any]:
    """What materialisations show about a sample of rows: the share of rows with each column, and a plot.

    Parameters
    ----------
    rows : sequence of sequence of float
        At least one row, with the values of `shown`; None where there is none.
    shown : mapping of str to str
        Labels by column.

    Examples
    --------
    >>> distributions([[1.0], [None]], {"jump1": "jump1 [σ]"})["share with jump1"]
    0.5
    """
    columns = np.array([[np.nan if value is None else value for value in row] for row in rows], np.float64)
    known = np.isfinite(columns).mean(axis=0)
    shares = {f"share with {name}": round(float(share), 3) for name, share in zip(shown, known, strict=True)}
    return {**shares, "plot": histograms_png(dict(zip(shown.values(), columns.T, strict=True)))}

"""A picture of what a product file measured: light curve, spectrum or spectrogram.

Only numbers of the file are drawn, never its texts. The same file gives the same bytes.
"""

from __future__ import annotations

import gc
import io
import threading
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.products.files.reading import ProductTables, UnreadableFile, column_of, read

MOST_BYTES: Final = 128 * 1024**2
"""Larger files are not drawn."""
FEW: Final = 8
"""Energies up to this number are drawn as curves."""
_COLUMNS: Final = 1200
"""Time bins of a picture, at most; more are added up."""
_SECONDS: Final = {"s": 1.0, "ds": 0.1, "cs": 0.01, "ms": 1e-3, "us": 1e-6}
_LOCK: Final = threading.Lock()
"""matplotlib's settings belong to the process, and one picture at a time is enough."""

Form = Literal["light curve", "spectrum", "spectrogram"]


class NoPreview(ValueError):
    """The file has nothing that is drawn; the message says why."""


@dataclass(frozen=True)
class Measured:
    """Counts by time and energy."""

    form: Form
    seconds: NDArray[np.float64]
    """(n,) starts of the bins, seconds from the start of the file."""
    length: NDArray[np.float64]
    """(n,) lengths of the bins, seconds."""
    counts: NDArray[np.float64]
    """(n, energies) counts, added up over detectors and pixels."""
    edges: NDArray[np.float64] | None
    """(energies, 2) lower and upper edge, keV, the last possibly NaN; None: channels of the ADC."""
    begin: str
    """Start of the file as it says: UTC, or on-board time."""
    is_utc: bool

    @property
    def said(self) -> str:
        """What the picture shows, in words."""
        span = float(self.seconds[-1] + self.length[-1] - self.seconds[0])
        unit = "energy bands" if self.edges is not None else "channels"
        bins = "1 time bin" if len(self.counts) == 1 else f"{len(self.counts):,} time bins"
        return (
            f"{self.form.capitalize()} of {bins} in {self.counts.shape[1]:,} {unit}, "
            f"{span:,.1f} s, {float(np.nansum(self.counts)):,.0f} counts in total"
        )


def measured(path: Path) -> Measured:
    """The data of a file to draw.

    Raises
    ------
    NoPreview
        If it has no counts, or is too large.
    UnreadableFile
        If it is damaged, or not a FITS file.
    """
    if path.suffix != ".fits":
        raise NoPreview("only FITS files are drawn")
    if path.stat().st_size > MOST_BYTES:
        raise NoPreview(f"files above {MOST_BYTES // 1024**2} MiB are not drawn")
    tables = read(path)
    try:
        return _measured(tables)
    except (KeyError, ValueError, TypeError, IndexError, OverflowError) as error:
        if isinstance(error, NoPreview):
            raise
        raise NoPreview(f"its table is not one of counts by time: {error}") from error


def _measured(tables: ProductTables) -> Measured:
    column = column_of(tables.data, "counts") or tables.data.get("spectra")
    if column is None or column.values.ndim < 2 or not {"time", "timedel"} <= tables.data.keys():
        raise NoPreview("it has no light curve, spectrum or spectrogram")
    counts = column.values.astype(np.float64)
    if counts.shape[0] == 0 or counts.shape[-1] == 0:
        raise NoPreview("its table is empty")
    counts = np.nansum(counts.reshape(counts.shape[0], -1, counts.shape[-1]), axis=1)
    time, timedel = tables.data["time"], tables.data["timedel"]
    length = timedel.values.astype(np.float64) * _SECONDS[timedel.unit]
    centre = time.values.astype(np.float64) * _SECONDS[time.unit]
    if centre.ndim != 1 or len(centre) != len(counts) or not np.isfinite(centre).all() or not (length >= 0).all():
        raise NoPreview("its times are not those of its rows")
    order = np.argsort(centre, kind="stable")
    energies = tables.energies
    edges = None
    if energies is not None:
        edges = np.stack([energies[name].values.astype(np.float64) for name in ("e_low", "e_high")], axis=1)
        if len(edges) != counts.shape[1]:
            edges = None
    form: Form = "light curve" if counts.shape[1] <= FEW else "spectrogram"
    if len(counts) == 1:
        form = "spectrum"
    is_utc = str(tables.header.get("TIMESYS", "")).strip().upper() == "UTC"
    begin = str(tables.header.get("DATE-BEG", "")).strip()
    if is_utc:
        try:
            begin = f"{np.datetime64(begin, 's')}".replace("T", " ")
        except ValueError:
            is_utc = False
    return Measured(form, (centre - length / 2)[order], length[order], counts[order], edges, begin, is_utc)


@lru_cache(maxsize=16)
def _drawn(path: Path, size: int, changed: int) -> bytes:
    return drawn(measured(path))


def preview_png(path: Path) -> bytes:
    """The picture of a file; see `measured` for the errors.

    Parameters
    ----------
    path : Path
        A file of any level.
    """
    about = path.stat()
    return _drawn(path, about.st_size, about.st_mtime_ns)


def drawn(what: Measured) -> bytes:
    """Draw counts as PNG: curves of rates, a spectrum, or a spectrogram with gaps hatched.

    Parameters
    ----------
    what : Measured
    """
    # Imported here: it takes a second, and most who import this module draw nothing.
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    stream = io.BytesIO()
    with _LOCK, mpl.rc_context({"timezone": "UTC"}):
        figure = Figure(figsize=(9.6, 4.2), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        if what.form == "spectrum":
            _spectrum(axes, what)
        else:
            (_curves if what.form == "light curve" else _spectrogram)(figure, axes, what)
            start = f"{what.begin} UTC" if what.is_utc else "the start of the file, on-board time"
            axes.set_xlabel(f"seconds since {start}")
        figure.savefig(stream, format="png", dpi=100, metadata={"Software": "broker_assets"})
        # The parts of a figure refer to one another: without this, figures would accumulate in memory.
        del figure, axes
        gc.collect()
    return stream.getvalue()


def _curves(figure: Any, axes: Any, what: Measured) -> None:
    seconds, length, counts = _joined(what)
    seconds, rates = _with_gaps(seconds, length, counts)
    styles = ("-", "--", "-.", ":")
    for number in range(rates.shape[1]):
        axes.step(seconds, rates[:, number], where="post", lw=1, ls=styles[number % 4], label=_band(what, number))
    if (rates > 0).any():
        axes.set_yscale("log", nonpositive="mask")
    axes.set_ylabel("counts / s")
    axes.legend(loc="upper right", fontsize="small")


def _spectrum(axes: Any, what: Measured) -> None:
    edges = _energy_edges(what)
    axes.stairs(what.counts.sum(axis=0), edges, lw=1.2)
    if (what.counts > 0).any():
        axes.set_yscale("log", nonpositive="mask")
    if what.edges is not None:
        axes.set_xscale("log")
    axes.set_xlabel("energy, keV" if what.edges is not None else "channel of the ADC")
    axes.set_ylabel("counts")


def _spectrogram(figure: Any, axes: Any, what: Measured) -> None:
    from matplotlib.colors import LogNorm

    seconds, length, counts = _joined(what)
    seconds, rates = _with_gaps(seconds, length, counts)
    ends = np.append(seconds, seconds[-1] + length[-1])
    shown = np.ma.masked_invalid(np.where(rates > 0, rates, np.where(np.isnan(rates), np.nan, 0.0)))
    axes.patch.set(hatch="///", edgecolor="0.6")
    positive = rates[rates > 0]
    norm = LogNorm(positive.min(), max(positive.max(), positive.min() * 1.01), clip=True) if len(positive) else None
    mesh = axes.pcolormesh(ends, _energy_edges(what), shown.T, cmap="cividis", norm=norm, rasterized=True)
    if what.edges is not None:
        axes.set_yscale("log")
    axes.set_ylabel("energy, keV" if what.edges is not None else "channel of the ADC")
    figure.colorbar(mesh, ax=axes, label="counts / s")


def _joined(what: Measured) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Starts, lengths and counts of at most `_COLUMNS` bins: neighbours are added up."""
    if len(what.seconds) <= _COLUMNS:
        return what.seconds, what.length, what.counts
    step = -(-len(what.seconds) // _COLUMNS)
    first = np.arange(0, len(what.seconds), step)
    return what.seconds[first], np.add.reduceat(what.length, first), np.add.reduceat(what.counts, first, axis=0)


def _with_gaps(
    seconds: NDArray[np.float64], length: NDArray[np.float64], counts: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Starts and rates, with a row of NaN where a bin does not begin where the previous one ended."""
    rates = counts / np.where(length > 0, length, np.nan)[:, None]
    ends = seconds + length
    gaps = np.flatnonzero(seconds[1:] - ends[:-1] > np.maximum(0.5 * length[:-1], 0.5)) + 1
    return np.insert(seconds, gaps, ends[gaps - 1]), np.insert(rates, gaps, np.nan, axis=0)


def _energy_edges(what: Measured) -> NDArray[np.float64]:
    """(energies + 1,) ascending edges; an open upper end is drawn as wide as the previous band."""
    if what.edges is None:
        return np.arange(what.counts.shape[1] + 1, dtype=np.float64)
    low, high = what.edges[:, 0], what.edges[-1, 1]
    if not np.isfinite(high):
        high = low[-1] * (low[-1] / low[-2] if len(low) > 1 and low[-2] > 0 else 1.5)
    edges = np.append(low, high)
    edges[0] = edges[0] if edges[0] > 0 else edges[1] / 2
    if not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
        raise NoPreview("its energies are not in order")
    return edges


def _band(what: Measured, number: int) -> str:
    if what.edges is None:
        return f"channel {number}"
    low, high = what.edges[number]
    return f"from {low:g} keV" if not np.isfinite(high) else f"{low:g} – {high:g} keV"


__all__ = ["Measured", "NoPreview", "UnreadableFile", "drawn", "measured", "preview_png"]

"""Plot of the light curve of a UTC day: level LL03 as SVG, and PNG for the pages of runs.

The same data give the same bytes: no date, no random identifiers.
"""

from __future__ import annotations

import gc
import io
import threading
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import numpy as np
from astropy.io import fits as astropy_fits
from numpy.typing import NDArray

from broker_assets.telemetry.inputs.kernels import Kernels
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.files.tables import Table
from broker_assets.telemetry.products.product import Product

SIZE: Final = (12.0, 6.0)
"""Inches."""
VERSION: Final = 2
MISSING_SECONDS: Final = 60 * 4.0
"""Seconds that may be missing from a day that is drawn: 60 bins of 4 s."""
WAIT: Final = np.timedelta64(30, "D")
"""After this time the available data are drawn, whatever is missing."""
_DAY: Final = np.timedelta64(1, "D")
_SALT: Final = "broker_assets"
_LOCK: Final = threading.Lock()
"""matplotlib's settings belong to the process."""
COLUMNS: Final = 1440
"""Columns of a day that can be distinguished: a minute each, less than the width of a line."""


@dataclass(frozen=True)
class LightCurve:
    """What is drawn."""

    day: np.datetime64
    """UTC day of the centre."""
    utc: NDArray[np.datetime64]
    """(n,) centres of the bins."""
    seconds: NDArray[np.float64]
    """(n,) lengths of the bins."""
    counts: NDArray[np.float64]
    """(n, energies)"""
    attenuator: NDArray[np.int64]
    """(n,) state of the rate control, 0 without attenuator."""
    bands: tuple[str, ...]
    """Energy bands as the legend has them."""

    @classmethod
    def of_product(cls, product: Product, kernels: Kernels) -> LightCurve:
        """From ql-lightcurve, level L1."""
        utc = kernels.clock.utc(product.time)
        return cls(
            kernels.clock.utc_day(np.array([product.average]))[0],
            utc,
            clock.seconds(product.timedel),
            product.data["counts"].values.astype(np.float64),
            product.data["rcr"].values.astype(np.int64),
            _bands(product.energies, product.data["counts"].values.shape[1]),
        )

    @classmethod
    def of_file(cls, path: Path) -> LightCurve:
        """From a file of ql-lightcurve, level L1.

        Raises
        ------
        OSError, KeyError
            If it cannot be read or is something else.
        """
        with astropy_fits.open(path) as hdus:
            start = np.datetime64(hdus[0].header["DATE-BEG"], "us")
            average = np.datetime64(hdus[0].header["DATE-AVG"], "D")
            data, energies = hdus["DATA"].data, hdus["ENERGIES"].data
            hundredths = np.asarray(data["time"], dtype=np.int64)
            return cls(
                average,
                start + (hundredths * 10_000).astype("timedelta64[us]"),
                np.asarray(data["timedel"], dtype=np.float64) / clock.CENTISECONDS,
                np.asarray(data["counts"], dtype=np.float64),
                np.asarray(data["rcr"], dtype=np.int64),
                _named(energies["e_low"].tolist(), energies["e_high"].tolist()),
            )


def _bands(energies: Table | None, count: int) -> tuple[str, ...]:
    if energies is None:
        return tuple(f"band {number + 1}" for number in range(count))
    return _named(energies["e_low"].values.tolist(), energies["e_high"].values.tolist())


def _named(low: list[float], high: list[float]) -> tuple[str, ...]:
    return tuple(_band(*edges) for edges in zip(low, high, strict=True))


def _band(low: float, high: float) -> str:
    """Name of an energy band.

    Examples
    --------
    >>> _band(4.0, 10.0), _band(150.0, float("nan"))
    ('4 – 10 keV', 'from 150 keV')
    """
    return f"from {low:g} keV" if np.isnan(high) else f"{low:g} – {high:g} keV"


def is_due(level1: Product, kernels: Kernels, now: np.datetime64) -> bool:
    """Whether a day is complete enough to be drawn, or too old to become more complete.

    Parameters
    ----------
    level1 : Product
        ql-lightcurve.
    kernels : Kernels
    now : datetime64
        UTC.
    """
    covered = float(clock.seconds(level1.timedel).sum())
    end = kernels.clock.utc(np.array([level1.end]))[0]
    return covered >= clock.SECONDS_PER_DAY - MISSING_SECONDS or bool(now - end > WAIT)


def lightcurve_path(day: np.datetime64, version: int = VERSION) -> PurePosixPath:
    """Place of the picture of a UTC day in the archive.

    Examples
    --------
    >>> lightcurve_path(np.datetime64("2021-01-17")).name
    'solo_LL03_stix-ql-lightcurve_20210117T000000-20210117T235959_V02C.svg'
    """
    date = str(day.astype("datetime64[D]"))
    digits = date.replace("-", "")
    name = f"solo_LL03_stix-ql-lightcurve_{digits}T000000-{digits}T235959_V{version:02d}C.svg"
    return PurePosixPath("LL03", *date.split("-"), "QL", name)


def lightcurve_svg(level1: Product, kernels: Kernels) -> bytes:
    """The picture of level LL03.

    Parameters
    ----------
    level1 : Product
        ql-lightcurve.
    kernels : Kernels
    """
    return drawn(LightCurve.of_product(level1, kernels), "svg")


def lightcurve_png(level1: Product | Path, kernels: Kernels | None = None) -> bytes:
    """The same picture as PNG.

    Parameters
    ----------
    level1 : Product or Path
        ql-lightcurve: a product (then with kernels) or its file.
    kernels : Kernels, optional

    Raises
    ------
    ValueError
        If a product comes without kernels.
    """
    if isinstance(level1, Path):
        return drawn(LightCurve.of_file(level1), "png")
    if kernels is None:
        raise ValueError("the times of a product need kernels")
    return drawn(LightCurve.of_product(level1, kernels), "png")


def drawn(curve: LightCurve, form: str) -> bytes:
    """A light curve as SVG or PNG.

    Parameters
    ----------
    curve : LightCurve
    form : str
        svg or png.
    """
    # Imported here: it takes a second, and most who import this module draw nothing.
    import matplotlib as mpl
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import ConciseDateFormatter, HourLocator
    from matplotlib.figure import Figure

    stream = io.BytesIO()
    # Glyphs as outlines, so that a picture looks the same everywhere.
    settings: Any = {"svg.hashsalt": _SALT, "svg.fonttype": "path", "path.simplify": True, "timezone": "UTC"}
    with _LOCK, mpl.rc_context(settings):
        figure = Figure(figsize=SIZE, layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        utc, rates = _envelope(*_with_gaps(curve))
        for number, band in enumerate(curve.bands):
            axes.plot(utc, rates[:, number], drawstyle="steps-mid", linewidth=0.8, label=band)
        if (curve.counts > 0).any():
            axes.set_yscale("log", nonpositive="mask")
        axes.set_ylabel("counts / s")
        axes.set_xlabel(f"UTC, {curve.day}")
        axes.set_title(f"STIX quick-look light curve, {curve.day}")
        axes.set_xlim(curve.day.astype("datetime64[us]"), (curve.day + _DAY).astype("datetime64[us]"))
        locator = HourLocator(byhour=range(0, 24, 3), tz="UTC")  # type: ignore[no-untyped-call]
        axes.xaxis.set_major_locator(locator)
        axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, tz="UTC", show_offset=False))  # type: ignore[no-untyped-call]
        if curve.bands:
            axes.legend(loc="upper right", fontsize="small")
        if (curve.attenuator > 0).any():
            other = axes.twinx()
            times, states = _envelope(curve.utc, curve.attenuator[:, None].astype(np.float64))
            other.fill_between(times, states[:, 0], step="mid", color="grey", alpha=0.3, linewidth=0)
            other.set_ylim(0, max(8, int(curve.attenuator.max()) + 1))
            other.set_ylabel("RCR >= 1: Attenuator inserted")
        metadata = {"Date": None, "Creator": _SALT} if form == "svg" else {"Software": _SALT}
        figure.savefig(stream, format=form, dpi=100, metadata=metadata)
        # The parts of a figure refer to one another: without this, the plots of many days would accumulate in memory.
        del figure, axes
        gc.collect()
    return stream.getvalue()


def _envelope(
    utc: NDArray[np.datetime64], values: NDArray[np.float64]
) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """Lowest and highest value of each column of the picture, where it has more points than can be distinguished.

    Parameters
    ----------
    utc : (n,) array
        In order.
    values : (n, m) array
        Rows of NaN are gaps, which stay.
    """
    column = ((utc - utc[:1]) * COLUMNS // _DAY).astype(np.int64)
    gap = np.asarray(np.isnan(values).all(axis=1))
    after_gap = np.zeros_like(gap)
    after_gap[1:] = gap[:-1]
    first = np.flatnonzero((np.diff(column, prepend=-1) != 0) | gap | after_gap)
    if len(utc) <= 2 * len(first):
        return utc, values
    last = np.append(first[1:], len(utc)) - 1
    low, high = np.fmin.reduceat(values, first), np.fmax.reduceat(values, first)
    return np.stack([utc[first], utc[last]], 1).ravel(), np.stack([low, high], 1).reshape(-1, values.shape[1])


def _with_gaps(curve: LightCurve) -> tuple[NDArray[np.datetime64], NDArray[np.float64]]:
    """Times and rates, with a NaN at either end of each gap between bins."""
    length = np.where(curve.seconds > 0, curve.seconds, np.nan)
    rates = curve.counts / length[:, None]
    expected = (curve.seconds[:-1] + curve.seconds[1:]) / 2
    distance = np.diff(curve.utc) / np.timedelta64(1, "s")
    breaks = np.flatnonzero(distance > expected + 1.0) + 1
    half = (curve.seconds * 5e5).astype("timedelta64[us]")
    ends = np.stack([(curve.utc + half)[breaks - 1], (curve.utc - half)[breaks]], axis=1)
    places = np.repeat(breaks, 2)
    return np.insert(curve.utc, places, ends.ravel()), np.insert(rates, places, np.nan, axis=0)

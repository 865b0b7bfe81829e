"""The light curve of a solar-system object: what its page shows of a track, and the same track as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast
from urllib.parse import urlencode

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.database.tables import SURVEYS
from broker_assets.lightcurves.chart.points import DETECTION, CurvePoints
from broker_assets.lightcurves.chart.rows import utc_texts
from broker_assets.lightcurves.chart.state import ChartState
from broker_assets.lightcurves.chart.svg import Axes
from broker_assets.lightcurves.photometry import BANDS, ERROR_FACTOR, ZERO_POINT, band_codes
from broker_assets.lightcurves.solar_system import WITHIN

Y = Literal["mag", "reduced"]
X = Literal["mjd", "ago", "phase"]
Y_AXES: Final[dict[str, str]] = {"mag": "difference magnitude (AB)", "reduced": "reduced magnitude (AB)"}
"""Vertical axes and their labels; reduced: at 1 au from Sun and observer."""
X_AXES: Final[dict[str, str]] = {"mjd": "MJD (TAI)", "ago": "days ago", "phase": "phase angle (degrees)"}
"""Horizontal axes and their labels."""
FARTHEST: Final = 3600.0
"""Arcseconds: the largest distance from the predicted position."""
_SURVEYS: Final = {code: name for name, code in SURVEYS.items()}


@dataclass(frozen=True)
class TrackState:
    """What the page of an object shows, as its URL encodes it; what the URL leaves out is as in `TrackState()`.

    Examples
    --------
    >>> state = TrackState.read({"b": "gr", "y": "reduced", "x": "phase", "within": "30"})
    >>> state.query(), state.toggled("g").bands
    ('?b=gr&y=reduced&x=phase&within=30', 'r')
    """

    bands: str = "".join(BANDS)
    y: Y = "mag"
    x: X = "mjd"
    within: float = WITHIN
    """Arcseconds from the predicted position within which detections count."""
    since: float | None = None
    """MJD TAI."""
    until: float | None = None
    """MJD TAI."""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> TrackState:
        """The state that the parameters of a URL describe; values that cannot be read are ignored."""
        chart = ChartState.read(given)
        y, x = given.get("y", "mag"), given.get("x", "mjd")
        try:
            within = float(given.get("within", WITHIN))
        except ValueError:
            within = WITHIN
        return cls(
            bands=chart.bands,
            y=cast("Y", y if y in Y_AXES else "mag"),
            x=cast("X", x if x in X_AXES else "mjd"),
            within=within if 0 < within <= FARTHEST else WITHIN,
            since=chart.since,
            until=chart.until,
        )

    @property
    def chart(self) -> ChartState:
        """The state of the chart."""
        timed = self.x != "phase"
        return ChartState(
            bands=self.bands, kinds="d", y="mag", x="ago" if self.x == "ago" else "mjd",
            since=self.since if timed else None, until=self.until if timed else None,
        )  # fmt: skip

    def having(self, **changes: Any) -> TrackState:
        """The state with some changes."""
        return replace(self, **changes)

    def toggled(self, band: str) -> TrackState:
        """The state with a band shown if it is hidden, and hidden if it is shown."""
        return replace(self, bands="".join(one for one in BANDS if (one in self.bands) != (one == band)))

    def parameters(self) -> dict[str, str]:
        """What differs from `TrackState()`, as parameters of a URL."""
        usual = TrackState()
        found = {
            name: value
            for name, value, other in (
                ("b", self.bands, usual.bands), ("y", self.y, usual.y), ("x", self.x, usual.x),
                ("within", f"{self.within:g}", f"{usual.within:g}"),
            )
            if value != other
        }  # fmt: skip
        if self.since is not None and self.until is not None:
            found["t"] = f"{self.since:.12g}:{self.until:.12g}"
        return found

    def query(self) -> str:
        """The part of the URL after the path; empty for the default state."""
        found = self.parameters()
        return f"?{urlencode(found)}" if found else ""


def points_of(track: pa.Table, state: TrackState) -> CurvePoints:
    """Points for the chart of a track.

    Parameters
    ----------
    track : pyarrow.Table
        Of `lightcurves.solar_system.track`.
    state : TrackState
        Its axes decide whether fluxes are reduced to 1 au, and whether `mjd` is the phase angle in degrees.

    Returns
    -------
    CurvePoints
        Detections with a magnitude, ordered by the horizontal axis.
    """
    magnitudes = _floats(track, "reducedmag" if state.y == "reduced" else "mag")
    with np.errstate(over="ignore"):
        flux = 10.0 ** (0.4 * (ZERO_POINT - magnitudes))
    count = track.num_rows
    unknown = np.full(count, np.nan)
    points = CurvePoints(
        mjd=_floats(track, "phaseangle" if state.x == "phase" else "midpointmjdtai"),
        kind=np.full(count, DETECTION, np.int8),
        band=band_codes([name or "" for name in track["band"].to_pylist()]),
        survey=np.array([value or 0 for value in track["survey"].to_pylist()], np.int16),
        identifier=np.asarray(track["diasourceid"].to_numpy(), np.int64),
        diaobjectid=np.zeros(count, np.int64),
        flux=flux,
        error=flux * _floats(track, "magerr") / ERROR_FACTOR,
        total=unknown,
        total_error=unknown,
        snr=ERROR_FACTOR / _floats(track, "magerr"),
        reliability=unknown,
        has_packet=np.zeros(count, np.bool_),
    )
    known = np.flatnonzero(np.isfinite(points.mjd) & np.isfinite(points.flux))
    return points.where(known[np.lexsort((points.identifier[known], points.mjd[known]))])


def axes_of(points: CurvePoints, state: TrackState) -> Axes:
    """Labels of the axes for the chart of a track, and the chart in a sentence."""
    counts = [(band, int(np.count_nonzero(points.band == code))) for code, band in enumerate(BANDS)]
    said = ", ".join(f"{count:,} in {band}" for band, count in counts if count and band in state.bands) or "none"
    against = "phase angle" if state.x == "phase" else "time"
    name = "reduced magnitudes" if state.y == "reduced" else "magnitudes"
    return Axes(
        Y_AXES[state.y],
        X_AXES["phase"] if state.x == "phase" else "",
        f"Light curve of {len(points):,} {name} against {against}: {said}.",
    )


def track_rows(track: pa.Table) -> list[dict[str, Any]]:
    """The detections as rows of a table, in the order of the track; `survey` is a name, and `utc` is added."""
    texts = utc_texts(_floats(track, "midpointmjdtai"))
    return [
        row | {"survey": _SURVEYS.get(row["survey"], ""), "utc": text}
        for row, text in zip(track.to_pylist(), texts, strict=True)
    ]


def track_csv(track: pa.Table, names: Mapping[str, str]) -> str:
    """A track as CSV (RFC 4180) with a header line; empty fields are unknown.

    Parameters
    ----------
    track : pyarrow.Table
        See `lightcurves.solar_system.track`.
    names : mapping
        Documented name of each column; columns that are not in it keep their names.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    listed = track_rows(track)
    columns = [*track.column_names, "utc"]
    writer.writerow([names.get(name, name) for name in columns])
    for row in listed:
        writer.writerow([_field(row[name]) for name in columns])
    return buffer.getvalue()


def _field(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return f"{value:.9g}" if isinstance(value, float) and abs(value) < 1e4 else value


def _floats(track: pa.Table, name: str) -> NDArray[np.float64]:
    return np.array([np.nan if value is None else value for value in track[name].to_pylist()], np.float64)

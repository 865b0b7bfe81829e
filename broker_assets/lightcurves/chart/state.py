"""The state of a chart of a light curve, as the URL of its page encodes it.

`b` has the letters of the bands, `k` the kinds (d detections, f forced photometry, l limits), `y` and `x` the axes, `t`
the interval of time as MJD, `as_of` the time (MJD TAI) at which the light curve is shown as it was known, and
`processing_version` the version of the processing whose points are shown. What the URL leaves out is as in
`ChartState()`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, cast
from urllib.parse import urlencode

from broker_assets.lightcurves.photometry import BANDS

Y = Literal["flux", "mag", "total"]
X = Literal["mjd", "ago"]
KINDS: Final = {"d": "detections", "f": "forced photometry", "l": "limits"}
"""Kinds of points by their letter."""
Y_AXES: Final[dict[str, str]] = {
    "flux": "difference flux (nJy)",
    "mag": "difference magnitude (AB)",
    "total": "total flux (nJy)",
}
"""Vertical axes and their labels."""
X_AXES: Final[dict[str, str]] = {"mjd": "MJD (TAI)", "ago": "days ago"}
"""Horizontal axes and their labels."""
_ALL_BANDS: Final = "".join(BANDS)
_ALL_KINDS: Final = "".join(KINDS)
_LONGEST: Final = 200
"""Characters in the name of a version, at most."""


@dataclass(frozen=True)
class ChartState:
    """What a chart shows.

    Examples
    --------
    >>> state = ChartState.read({"b": "gr", "y": "mag", "t": "60980:61020.5"})
    >>> state.bands, state.since, state.until, state.query()
    ('gr', 60980.0, 61020.5, '?b=gr&y=mag&t=60980%3A61020.5')
    >>> state.having(y="flux", since=None, until=None).query()
    '?b=gr'
    """

    bands: str = _ALL_BANDS
    """Letters, blue to red."""
    kinds: str = _ALL_KINDS
    """Letters of `KINDS`."""
    y: Y = "flux"
    x: X = "mjd"
    since: float | None = None
    """MJD TAI."""
    until: float | None = None
    """MJD TAI."""
    as_of: float | None = None
    """MJD TAI: without what later packets provided."""
    version: str = ""
    """Name of a version of the processing; if empty, the points that alerts carry."""

    @classmethod
    def read(cls, given: Mapping[str, str]) -> ChartState:
        """The state that the parameters of a URL describe; values that cannot be read are ignored."""
        letters = {name: given[name].lower() for name in ("b", "k") if name in given}
        y, x = given.get("y", "flux"), given.get("x", "mjd")
        since, until = _interval(given.get("t", ""))
        return cls(
            bands="".join(band for band in BANDS if band in letters.get("b", _ALL_BANDS)),
            kinds="".join(kind for kind in KINDS if kind in letters.get("k", _ALL_KINDS)),
            y=cast("Y", y if y in Y_AXES else "flux"),
            x=cast("X", x if x in X_AXES else "mjd"),
            since=since,
            until=until,
            as_of=_time(given.get("as_of", "")),
            version=given.get("processing_version", "")[:_LONGEST],
        )

    def having(self, **changes: Any) -> ChartState:
        """The state with some changes."""
        return replace(self, **changes)

    def toggled(self, *, band: str = "", kind: str = "") -> ChartState:
        """The state with a band or a kind shown if it is hidden, and hidden if it is shown.

        Examples
        --------
        >>> ChartState().toggled(band="g").bands, ChartState(kinds="d").toggled(kind="l").kinds
        ('urizy', 'dl')
        """
        bands = "".join(one for one in BANDS if (one in self.bands) != (one == band))
        kinds = "".join(one for one in KINDS if (one in self.kinds) != (one == kind))
        return replace(self, bands=bands, kinds=kinds)

    def parameters(self) -> dict[str, str]:
        """What differs from `ChartState()`, as parameters of a URL."""
        usual = ChartState()
        found = {
            name: value
            for name, value, other in (
                ("b", self.bands, usual.bands), ("k", self.kinds, usual.kinds),
                ("y", self.y, usual.y), ("x", self.x, usual.x),
            )
            if value != other
        }  # fmt: skip
        if self.since is not None and self.until is not None:
            found["t"] = f"{self.since:.12g}:{self.until:.12g}"
        if self.as_of is not None:
            found["as_of"] = f"{self.as_of:.12g}"
        if self.version:
            found["processing_version"] = self.version
        return found

    def query(self) -> str:
        """The part of the URL after the path; empty for the default state."""
        found = self.parameters()
        return f"?{urlencode(found)}" if found else ""


def _time(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and abs(value) < 1e7 else None


def _interval(text: str) -> tuple[float | None, float | None]:
    begin, _, end = text.partition(":")
    since, until = _time(begin), _time(end)
    return (since, until) if since is not None and until is not None and since < until else (None, None)

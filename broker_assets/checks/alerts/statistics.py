"""Statistics of the light curves of a night: finite and in range, and distributed as on earlier nights."""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import sqlalchemy as sa

from broker_assets.checks.alerts.columns import MJD_RANGE, violated, violations
from broker_assets.checks.alerts.drift import as_usual
from broker_assets.checks.alerts.unusual_nights import COMPARED_NIGHTS
from broker_assets.checks.definition import Evidence, NightCheck, Verdict
from broker_assets.database.tables import STATISTIC_COLUMNS, artefact, object_statistics
from broker_assets.lightcurves.statistics import OVER_BANDS

_NOT_NEGATIVE = (0.0, np.inf)
_SHARE = (0.0, 1.0)
RANGES: dict[str, tuple[float, float]] = {
    **dict.fromkeys(("ndetections", "nforced", "nnotdetectedbefore"), _NOT_NEGATIVE),
    **dict.fromkeys(("nlimits", "nlimitsbefore", "nlimitsafter", "dayssincelimit"), _NOT_NEGATIVE),
    "npoints": (1.0, np.inf),
    **dict.fromkeys(("duration", "minimumtimeinterval", "maximumtimeinterval", "timestandarddeviation"), _NOT_NEGATIVE),
    **dict.fromkeys(("amplitude", "percentamplitude", "standarddeviation", "medianabsolutedeviation"), _NOT_NEGATIVE),
    **{f"interpercentilerange{percent}": _NOT_NEGATIVE for percent in (25, 10, 2)},
    **dict.fromkeys(("percentageratio40to5", "percentageratio20to10"), (0.0, 1.0 + 1e-6)),
    **dict.fromkeys(("medianbufferrange", "beyond1std", "beyond2std"), _SHARE),
    "stetsonk": (0.0, 1.0 + 1e-6),
    **dict.fromkeys(("reducedchi2", "roms", "eta", "etae", "cusum", "maximumslope"), _NOT_NEGATIVE),
    **dict.fromkeys(("lineartrendsigma", "lineartrendnoise", "linearfitslopesigma"), _NOT_NEGATIVE),
    **dict.fromkeys(("linearfitreducedchi2", "period", "secondperiod", "bazinreducedchi2"), _NOT_NEGATIVE),
    **dict.fromkeys(("bazinrisetime", "bazinfalltime"), (0.0, 1.1e5)),
    "timemean": MJD_RANGE,
}
"""Allowed values of statistics; other numbers need only be finite."""


def _bounds(name: str) -> tuple[float, float]:
    return RANGES.get(name, (-np.inf, np.inf))


statistics_in_range = violations(
    object_statistics,
    {
        name: (f"in {list(_bounds(name))}", violated(object_statistics.c[name], *_bounds(name)))
        for name in STATISTIC_COLUMNS
    },
)
"""Counts values that are not finite or out of range."""

COMPARED = ("npoints", "duration", "reducedchi2", "stetsonk", "eta", "beyond1std", "period", "skew")
"""Statistics over all bands whose medians and fractions of values are compared with earlier nights."""


def statistics_as_usual(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    """Compare medians and fractions of statistics with those of earlier nights."""
    of_all = object_statistics.c.band == OVER_BANDS
    verdicts = {}
    for key in keys:
        night = date.fromisoformat(key)
        verdicts[key] = as_usual(found, object_statistics, COMPARED, night, _known(key), what="statistics", only=of_all)
    return verdicts


def _known(key: str) -> sa.Subquery:
    """A night, and the earlier ones whose statistics were computed."""
    earlier = (
        sa.select(sa.cast(artefact.c.partition, sa.Date).label("night"))
        .where(artefact.c.asset == "object_statistics", artefact.c.partition < key)
        .order_by(artefact.c.partition.desc())
        .limit(COMPARED_NIGHTS)
        .subquery()
    )
    return sa.union(sa.select(earlier.c.night), sa.select(sa.cast(sa.literal(key), sa.Date))).subquery("known")


NIGHT_CHECKS = (
    NightCheck(
        "object_statistics",
        "statistics_in_range",
        "Every statistic is finite and within the values that it may have.",
        statistics_in_range,
        "See the light curve of an object with such a value (`/api/objects/ID/lightcurve`): its points are wrong, or "
        "the code.",
        # The rows of a night are written after the drain runs.
        live=False,
    ),
    NightCheck(
        "object_statistics",
        "statistics_as_usual",
        f"Medians and shares of {len(COMPARED)} statistics over all bands are like those of earlier nights.",
        statistics_as_usual,
        "Compare the plots of this night with those of earlier ones; ask whether the cadence of the survey, its "
        "photometry or the code changed.",
        live=False,
    ),
)
"""Checks of statistics."""

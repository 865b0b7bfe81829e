"""Features of the alerts of a night: finite and in range, and distributed as on earlier nights.

Features outside their range are due to faults of the code or of a packet; a drift may also be due to the survey
(another cadence or reliability) or the dust map.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import sqlalchemy as sa

from broker_assets.checks.alerts.columns import MJD_RANGE, violated, violations
from broker_assets.checks.alerts.drift import as_usual
from broker_assets.checks.alerts.unusual_nights import nights_of_facts
from broker_assets.checks.definition import Evidence, NightCheck, Verdict
from broker_assets.database.tables import BANDS, FEATURE_COLUMNS, object_features

RANGES: dict[str, tuple[float, float]] = {
    "medianr": (0.0, 1.0),
    "latestr": (0.0, 1.0),
    "glat": (-90.0, 90.0),
    "ebv": (0.0, 200.0),
    "jump1": (0.0, np.inf),
    "jump2": (0.0, np.inf),
    "bbbriserate": (0.0, 15.0),
    "bbbfallrate": (0.0, 2.0),
    "latestpaircolourtemp": (0.0, np.inf),
    "penultimatepaircolourtemp": (0.0, np.inf),
    **dict.fromkeys(("nposdiasources", "nposdiasourcesnights", "nsourcesgood"), (0.0, np.inf)),
    **{f"n{band}sources": (0.0, np.inf) for band in BANDS},
}
"""Allowed values of features; times must be in the range of all times, other numbers need only be finite."""

COMPARED = ("jump1", "medianr", "latestpaircolourmag", "latestpaircolourtemp", "bbbtemp", "bbbriserate", "ebv")
"""Features whose medians and fractions of values are compared with earlier nights."""


def _bounds(column: sa.Column[object]) -> tuple[float, float]:
    if column.info["unit"] == "d, MJD TAI":
        return MJD_RANGE
    return RANGES.get(column.name, (-np.inf, np.inf))


features_in_range = violations(
    object_features,
    {
        column.name: (f"in {list(_bounds(column))}", violated(column, *_bounds(column)))
        for column in (object_features.c[name] for name in FEATURE_COLUMNS)
        if isinstance(column.type, sa.Float | sa.Integer)
    },
)
"""Counts values that are not finite or out of range."""


def features_as_usual(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    """Compare medians and fractions of features with those of earlier nights."""
    verdicts = {}
    for key in keys:
        night = date.fromisoformat(key)
        known = nights_of_facts("object_features", night)
        verdicts[key] = as_usual(found, object_features, COMPARED, night, known, what="features")
    return verdicts


NIGHT_CHECKS = (
    NightCheck(
        "object_features",
        "features_in_range",
        "Every feature is finite and within the values that it may have.",
        features_in_range,
        "See where a row comes from (`broker-assets why object_features`): its packet is wrong, or the code.",
    ),
    NightCheck(
        "object_features",
        "features_as_usual",
        f"Medians and shares of {len(COMPARED)} features are like those of earlier nights.",
        features_as_usual,
        "Compare the plots of this night with those of earlier ones; ask whether survey, dust map or code changed.",
        live=False,
    ),
)
"""Checks of features."""

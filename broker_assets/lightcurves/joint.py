"""The light curve of one source in several surveys, each in its own photometric system.

Bands of different surveys are different filters even if they share a letter, and are never merged. Statistics over all
of them are statistics of the deviations from the mean of each band of each survey.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.database.reading import light_curve
from broker_assets.database.tables import SURVEYS, object_statistics
from broker_assets.lightcurves.joined_curves import Columns, JoinedCurves
from broker_assets.lightcurves.statistics import OVER_BANDS, SCHEMA, statistics
from broker_assets.lightcurves.stored_curves import stored_curves

SYSTEMS: Final = {
    "rubin": "AB; LSST ugrizy",
    "ztf": "AB; ZTF gri, magnitudes of difference images as fluxes",
    "elasticc": "AB; LSST ugrizy, simulated",
}
"""Photometric system of each survey; fluxes are nJy on difference images."""
_NAMES: Final = {name: str(object_statistics.c[name].info["documented"]) for name in SCHEMA.names if name != "band"}
_OF_ONE_BAND: Final = (
    *("mean", "weightedmean", "median", "excessvariance", "nnotdetectedbefore", "nlimitsbefore", "nlimitsafter"),
    *(name for name in SCHEMA.names if name.startswith("bazin")),
)
"""Statistics that have no meaning over surveys."""
_SURVEY_NAMES: Final = {code: name for name, code in SURVEYS.items()}


def joint_statistics(curves: JoinedCurves, survey: NDArray[np.int16]) -> dict[str, Any]:
    """Statistics of one source by survey and band, and over all of them.

    Parameters
    ----------
    curves : JoinedCurves
        Light curves of its n objects.
    survey : (n,) int16 array
        Survey of each object, see `database.tables.SURVEYS`.

    Returns
    -------
    dict
        By name of the survey, the statistics of its bands and of `all` of them; `all` has those of all surveys
        together, after the weighted mean of its band in its survey is subtracted from each flux. Objects of one survey
        are one light curve. Empty if there are no points.
    """
    codes = np.unique(survey)
    owner = np.repeat(np.arange(len(curves)), np.diff(curves.offsets))
    limit_owner = np.repeat(np.arange(len(curves)), np.diff(curves.limit_offsets))
    by_survey = JoinedCurves.of(
        len(codes),
        *_split(curves, np.searchsorted(codes, survey[owner])),
        _limits(curves, np.searchsorted(codes, survey[limit_owner])),
    )
    result: dict[str, Any] = {}
    for row in statistics(by_survey).to_pylist():
        name = _SURVEY_NAMES[int(codes[row["object"]])]
        result.setdefault(name, {})[row["band"]] = _documented(row)
    if result:
        result[OVER_BANDS] = _together(by_survey)
    return result


def _together(by_survey: JoinedCurves) -> dict[str, Any]:
    """Statistics of all surveys: of the deviations from the means of their bands, as if in one band."""
    owner = np.repeat(np.arange(len(by_survey)), np.diff(by_survey.offsets))
    group = 6 * owner + by_survey.band
    known = by_survey.band >= 0
    flux = by_survey.flux.copy()
    for code in np.unique(group[known]):  # a handful: bands of surveys
        of_band = known & (group == code)
        weights = np.where(np.isfinite(by_survey.error[of_band]), by_survey.error[of_band] ** -2.0, 0.0)
        mean = np.average(flux[of_band], weights=weights) if weights.any() else flux[of_band].mean()
        flux[of_band] -= mean
    one = np.zeros(int(known.sum()), np.int64)
    points = (by_survey.mjd, flux, by_survey.error)
    # Detections and forced points of different surveys are different images, however close in time.
    everything = JoinedCurves.of(1, Columns(one, points[0][known], points[1][known], points[2][known], one))
    row = statistics(everything).to_pylist()[0]
    found = _documented(row)
    for name in _OF_ONE_BAND:
        found[_NAMES[name]] = None
    detected = int(by_survey.detected[known].sum())
    limits = int((by_survey.limit_band >= 0).sum())
    return found | {"nDetections": detected, "nForced": found["nPoints"] - detected, "nLimits": limits}


def _documented(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[column] for column, name in _NAMES.items()}


def _split(curves: JoinedCurves, owner: NDArray[np.int64]) -> tuple[Columns, Columns]:
    """Detections and forced points, with these owners."""
    parts = []
    for chosen in (curves.detected, ~curves.detected):
        columns = (owner, curves.mjd, curves.flux, curves.error, curves.band)
        parts.append(Columns(*(column[chosen] for column in columns)))
    return parts[0], parts[1]


def _limits(curves: JoinedCurves, owner: NDArray[np.int64]) -> Columns:
    return Columns(owner, curves.limit_mjd, curves.limit_flux, curves.limit_flux, curves.limit_band)


def joint_light_curve(
    connection: psycopg.Connection[Any], survey: Mapping[int, int], *, features: bool = False
) -> dict[str, Any]:
    """The stored light curve of a source, survey by survey.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    survey : mapping of int to int
        Survey of each of its objects, see `database.tables.SURVEYS`.
    features : bool
        Whether statistics are computed, too.

    Returns
    -------
    dict
        `surveys`: by name, the photometric `system`, its objects, and tables of `sources` and `forced_sources` in order
        of time. `features`, where asked for: `joint_statistics` of points that the surveys have not withdrawn.
    """
    identifiers = np.array(sorted(survey), np.int64)
    curves = light_curve(connection, identifiers)
    sources, forced = by_survey(curves.sources, survey), by_survey(curves.forced_sources, survey)
    answer: dict[str, Any] = {
        "surveys": {
            name: {
                "system": SYSTEMS[name],
                "objects": [int(one) for one in identifiers if _SURVEY_NAMES[survey[int(one)]] == name],
                "sources": sources[name],
                "forced_sources": forced[name],
            }
            for name in sources
        }
    }
    if features:
        of_object = np.array([survey[int(one)] for one in identifiers], np.int16)
        answer["features"] = joint_statistics(stored_curves(connection, identifiers), of_object)
    return answer


def by_survey(points: pa.Table, survey: Mapping[int, int]) -> dict[str, pa.Table]:
    """Points of several objects, split by survey and ordered by time.

    Parameters
    ----------
    points : pyarrow.Table
        With `diaobjectid` and `midpointmjdtai`.
    survey : mapping of int to int
        Survey of each object.

    Examples
    --------
    >>> points = pa.table({"diaobjectid": [7, 8, 7], "midpointmjdtai": [3.0, 2.0, 1.0]})
    >>> {name: part["midpointmjdtai"].to_pylist() for name, part in by_survey(points, {7: 1, 8: 2}).items()}
    {'rubin': [1.0, 3.0], 'ztf': [2.0]}
    """
    identifiers = np.array(sorted(survey), np.int64)
    of_object = np.array([survey[int(identifier)] for identifier in identifiers], np.int16)
    codes = of_object[np.searchsorted(identifiers, points["diaobjectid"].to_numpy())]
    ordered = {}
    for code in sorted(set(survey.values())):
        part = points.filter(pa.array(codes == code))
        ordered[_SURVEY_NAMES[code]] = part.sort_by("midpointmjdtai")
    return ordered

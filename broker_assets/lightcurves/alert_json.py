"""Alerts as JSON, in the form in which Lasair's stages pass them on, as light curves.

An alert is `{diaObject, diaSourcesList, diaForcedSourcesList, ebv, annotations}`; `annotations.sherlock` is a list of
sky contexts, of which the first counts. The features of an object are written as one document with Lasair's names.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.database.point_identity import MJD_MAXIMUM
from broker_assets.database.tables import VIEWS, objects
from broker_assets.lightcurves.curves import LightCurves, Points
from broker_assets.lightcurves.features import FEATURES
from broker_assets.lightcurves.photometry import band_codes

EXPLOSIVE: Final = ("SN", "NT", "ORPHAN")
"""Classes of the sky context in which an object may be an explosion."""


NAMES: Final = tuple(
    dict.fromkeys(
        [
            *(str(objects.c[column.name].info["documented"]) for column in VIEWS["diaobjects"][0].selected_columns),
            *(feature.name for feature in FEATURES),
            "htm16",
            "tns_name",
        ]
    )
)
"""Names in a document: those of Lasair's `objects`, schema 11_1, without the time at which a row was stored."""


class NotAnAlert(ValueError):
    """A document is not an alert; the message says which and why."""


def light_curves(alerts: Sequence[Mapping[str, Any]]) -> LightCurves:
    """Light curves of alerts.

    Parameters
    ----------
    alerts : sequence of mapping
        Alerts; `dec` of `diaObject` may be called `decl`. Points without a flux or a valid time, withdrawn points and
        those that occur again are left out; what an alert does not give is unknown.

    Raises
    ------
    NotAnAlert
        If an alert has another form; the message names the first.

    Examples
    --------
    >>> source = {"midpointMjdTai": 61000.0, "band": "g", "psfFlux": 5.0}
    >>> curves = light_curves([{"diaObject": {"ra": 1.0, "dec": 2.0}, "diaSourcesList": [source]}])
    >>> curves.dec, curves.sources.flux
    (array([2.]), array([5.]))
    """
    for number, alert in enumerate(alerts):
        problem = _problem(alert)
        if problem is not None:
            raise NotAnAlert(f"alert {number + 1} {problem}")
    objects = [alert.get("diaObject") or {} for alert in alerts]
    contexts = [_context(alert) for alert in alerts]
    sources, forced = (_points(alerts, name) for name in ("diaSourcesList", "diaForcedSourcesList"))
    try:
        return LightCurves(
            sources=sources,
            forced=forced,
            ra=_numbers(item.get("ra") for item in objects),
            dec=_numbers(item.get("dec", item.get("decl")) for item in objects),
            ebv=_numbers(alert.get("ebv") for alert in alerts),
            explosive=np.array([item.get("classification") in EXPLOSIVE for item in contexts], bool),
            distance=_numbers(item.get("best_distance") for item in contexts),
            redshift=_numbers(item.get("z") for item in contexts),
            photometric_redshift=_numbers(item.get("photoZ", item.get("photoz")) for item in contexts),
            first_mjd=_numbers(item.get("firstDiaSourceMjdTai") for item in objects),
        )
    except (TypeError, ValueError) as error:
        raise NotAnAlert(f"a number of diaObject, annotations or ebv cannot be read: {error}") from None


def survey_columns(alert: Mapping[str, Any]) -> dict[str, Any]:
    """What an alert says about its object, by column of `objects`.

    Examples
    --------
    >>> survey_columns({"diaObject": {"diaObjectId": 7, "dec": 2.0}})
    {'diaobjectid': 7, 'decl': 2.0}
    """
    said = {str(name).lower(): value for name, value in (alert.get("diaObject") or {}).items()}
    return {{"dec": "decl"}.get(name, name): value for name, value in said.items()}


def documents(copied: Sequence[Mapping[str, Any]], computed: pa.Table) -> list[dict[str, Any]]:
    """One document per object.

    Parameters
    ----------
    copied : sequence of mapping
        What the survey says about each object, by column of `objects`.
    computed : pyarrow.Table
        Its features, and any other columns that take precedence over what the survey says.

    Returns
    -------
    list of dict
        `NAMES`; None for what is not known or not finite.
    """
    return [
        {name: _plain({**said, **row}.get(name.lower())) for name in NAMES}
        for said, row in zip(copied, computed.to_pylist(), strict=True)
    ]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _problem(alert: Any) -> str | None:
    """What is wrong with the form of an alert; None if nothing is."""
    if not isinstance(alert, Mapping) or not isinstance(alert.get("diaSourcesList"), list):
        return "has no list diaSourcesList"
    for name, form, words in (
        ("diaObject", Mapping, "an object"),
        ("diaForcedSourcesList", list, "a list"),
        ("annotations", Mapping, "an object"),
    ):
        if alert.get(name) and not isinstance(alert[name], form):
            return f"has {name} that is not {words}"
    contexts = (alert.get("annotations") or {}).get("sherlock") or []
    if not isinstance(contexts, list) or not all(isinstance(item, Mapping) for item in contexts[:1]):
        return "has annotations.sherlock that is not a list of objects"
    return None


def _context(alert: Mapping[str, Any]) -> Mapping[str, Any]:
    contexts = (alert.get("annotations") or {}).get("sherlock")
    return contexts[0] if contexts else {}


def _points(alerts: Sequence[Mapping[str, Any]], name: str) -> Points:
    owners, times, points = points_of(alerts, name)
    with refused_points(name):
        return Points.of(
            len(alerts),
            owners,
            times,
            _numbers(point["psfFlux"] for point in points),
            band_codes([str(point.get("band")) for point in points]),
            _numbers(point.get("reliability") for point in points),
        )


_IDENTIFIERS: Final = ("diaSourceId", "diaForcedSourceId")


def points_of(
    alerts: Sequence[Mapping[str, Any]], name: str
) -> tuple[NDArray[np.int64], NDArray[np.float64], list[Mapping[str, Any]]]:
    """The points of alerts that count, by the same rules as in packets: valid time, not withdrawn, each once.

    Simulated light curves may count time from any zero, but Julian dates and Unix times are considered damaged here,
    too.

    Parameters
    ----------
    alerts : sequence of mapping
        Alerts.
    name : str
        Name of the list, as ``diaSourcesList``.

    Returns
    -------
    owners : (m,) int64 array
        Place of each point's alert in `alerts`.
    times : (m,) float64 array
        Its time, MJD TAI; its absolute value is at most `database.point_identity.MJD_MAXIMUM`.
    points : list of mapping
        The points.

    Raises
    ------
    NotAnAlert
        If a point has no time, or cannot be read.
    """
    owners: list[int] = []
    points: list[Mapping[str, Any]] = []
    with refused_points(name):
        for number, alert in enumerate(alerts):
            seen = set()
            for point in alert.get(name) or ():
                identifier = next((point[key] for key in _IDENTIFIERS if point.get(key) is not None), None)
                same = (identifier, point["midpointMjdTai"])
                if same in seen or float(point.get("timeWithdrawnMjdTai") or 0.0) > 0.0:
                    continue
                if identifier is not None:
                    seen.add(same)
                owners.append(number)
                points.append(point)
        times = _numbers(point["midpointMjdTai"] for point in points)
    kept = np.abs(times) <= MJD_MAXIMUM
    return (
        np.array(owners, np.int64)[kept],
        times[kept],
        [point for point, good in zip(points, kept.tolist(), strict=True) if good],
    )


@contextmanager
def refused_points(name: str) -> Iterator[None]:
    """Report what is wrong with a point of a list of alerts as `NotAnAlert`."""
    try:
        yield
    except KeyError as error:
        raise NotAnAlert(f"a point of {name} has no {error.args[0]}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise NotAnAlert(f"a point of {name} cannot be read: {error}") from None


def _numbers(values: Any) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([math.nan if value is None else float(value) for value in values], np.float64)

"""Light curves by object, features, and recently detected objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
from fastapi import Request
from fastapi.responses import Response
from psycopg import sql

from broker_assets.access.permissions import ELASTICC_ADMIN
from broker_assets.api.connections import Connections
from broker_assets.api.tom.answers import EXPECTED, Json, TomError
from broker_assets.api.tom.bodies import Body, choice, integer, numbers, parsed, real
from broker_assets.api.tom.curve_answers import Form, Layout, answer
from broker_assets.api.tom.entrance import admitted, needs
from broker_assets.database.fetch import fetch
from broker_assets.database.reductions import ALERTS
from broker_assets.packets.timescales import now_tai
from broker_assets.settings.tom import TomSettings
from broker_assets.tom.features import TooFewPoints, features
from broker_assets.tom.hot_transients import DAYS, hot_objects
from broker_assets.tom.light_curves import DETECTIONS, FORCED, WHICH, read_curves
from broker_assets.tom.versions.definitions import DETECTIONS as OF_DETECTIONS
from broker_assets.tom.versions.definitions import FORCED as OF_FORCED
from broker_assets.tom.versions.definitions import UnknownVersionError, Version, find

_CURVES: Final = "Exception in LtcvsView: "
_FEATURES: Final = "Exception in LtcvFeatures: "
_HOT: Final = "Exception in GetHotSNeView: "
_LAYOUTS: Final[dict[Any, Layout]] = {0: 0, 1: 1, 2: 2, "0": 0, "1": 1, "2": 2}
_UNKNOWN: Final = {"redshift": -99, "sncode": -99}
"""Redshift and class of every object in the answers of the original."""
_DETECTIONS: Final = ("source", "forced")


def light_curves(request: Request, body: Body) -> Response:
    """Light curves of some objects."""
    admitted(request)
    return _light_curves(request, body, {})


def documented_light_curves(request: Request, body: Body) -> Response:
    """Light curves as the README of the original documents them: with `redshift` and `sncode`."""
    admitted(request)
    return _light_curves(request, body, _UNKNOWN)


def _light_curves(request: Request, body: bytes, constants: Mapping[str, float]) -> Response:
    given = parsed(body, _CURVES)
    if not isinstance(given, dict):
        raise TomError(f"{_CURVES}the body must be a JSON object")
    known = {"objectid", "objectids", "mjd_now", "return_format", "include_hostinfo", "which", "processing_version"}
    unknown = sorted(set(given) - known)
    if unknown:
        # The original prints a set.
        raise TomError(f"{_CURVES}Unknown parameters: {{{', '.join(map(repr, unknown))}}}", EXPECTED)
    if "objectid" not in given and "objectids" not in given:
        raise TomError(f"{_CURVES}Must supply either objectid or objectids")
    if "objectid" in given and "objectids" in given:
        raise TomError(f"{_CURVES}Can't supply both objectid and objectids")
    objects = numbers(given.get("objectid", given.get("objectids")), _CURVES, "objectid")
    form = _form(request, given, constants, f"{_CURVES}Unknown return_format ")
    which = choice(given, "which", WHICH, FORCED, _CURVES)
    until = real(given.get("mjd_now"), _CURVES, "mjd_now")
    connections: Connections = request.app.state.connections
    used = _version(connections, given, _CURVES)
    curves = read_curves(connections.use, objects, which=which, until=until, reductions=_reductions(used))
    return answer(request, curves, form)


def _version(connections: Connections, given: Mapping[str, Any], where: str) -> Version | None:
    """The processing version in a request; None: light curves of the alerts."""
    name = given.get("processing_version")
    if name is None:
        return None
    with connections.use() as connection:
        try:
            return find(connection, str(name)[:200])
        except UnknownVersionError as error:
            raise TomError(f"{where}{error}") from None


def _reductions(version: Version | None) -> dict[str, Mapping[int, int]]:
    if version is None:
        return {}
    return {DETECTIONS: version.reductions(OF_DETECTIONS), FORCED: version.reductions(OF_FORCED)}


def _form(request: Request, given: dict[str, Any], constants: Mapping[str, float], unknown: str) -> Form:
    wanted = given.get("return_format", 0)
    if isinstance(wanted, bool) or not isinstance(wanted, int | str) or wanted not in _LAYOUTS:
        raise TomError(f"{unknown}{str(wanted)[:100]}")
    settings: TomSettings = request.app.state.tom
    return Form(_LAYOUTS[wanted], settings.zero_point, bool(given.get("include_hostinfo")), constants)


def hot_transients(request: Request, body: Body) -> Response:
    """Recently detected objects, with their light curves."""
    user = admitted(request)
    given = parsed(body, _HOT)
    if not isinstance(given, dict):
        raise TomError(f"{_HOT}the body must be a JSON object")
    known = {
        *("detected_since_mjd", "detected_in_last_days", "mjd_now", "include_hostinfo", "return_format"),
        *("cheat_gentypes", "which", "detected_by", "processing_version"),
    }
    unknown = [name for name in given if name not in known]
    if unknown:
        raise TomError(f"Error, unknown parameters passed in request body: {unknown}", EXPECTED)
    if given.get("detected_since_mjd") is not None and given.get("detected_in_last_days") is not None:
        raise TomError("Error, only give one of detected_since_mjd or detected_in_last_days")
    form = _form(request, given, _UNKNOWN, "Error, unknown return_format ")
    gentypes = given.get("cheat_gentypes")
    if gentypes is not None:
        if not isinstance(gentypes, list):
            raise TomError("Error, cheat_gentypes must be a list")
        gentypes = [integer(item, _HOT, "cheat_gentypes") for item in gentypes]
        if any(abs(item) >= 2**31 for item in gentypes):
            raise TomError(f"{_HOT}cheat_gentypes must be models of the simulation")
        # The truth is not for everybody.
        needs(request, user, ELASTICC_ADMIN)
    which = choice(given, "which", WHICH, FORCED, _HOT)
    by_forced = choice(given, "detected_by", _DETECTIONS, "source", _HOT) == "forced"
    until = real(given.get("mjd_now"), _HOT, "mjd_now")
    since = real(given.get("detected_since_mjd"), _HOT, "detected_since_mjd")
    if since is None:
        days = real(given.get("detected_in_last_days"), _HOT, "detected_in_last_days")
        since = (now_tai() if until is None else until) - (DAYS if days is None else days)
    connections: Connections = request.app.state.connections
    reductions = _reductions(_version(connections, given, _HOT))
    of_detections = reductions.get(FORCED if by_forced else DETECTIONS, ALERTS)
    with connections.use() as connection:
        found = hot_objects(
            connection, since, until=until, gentypes=gentypes, by_forced=by_forced, reductions=of_detections
        )
    curves = read_curves(connections.use, found, which=which, until=until, reductions=reductions)
    return answer(request, curves, form)


def light_curve_features(request: Request, body: Body) -> Response:
    """Features of the light curve of an object of the survey, in all bands together."""
    admitted(request)
    given = parsed(body, _FEATURES)
    if not isinstance(given, dict) or not {"objectid", "sourceid"} & set(given):
        raise TomError(f"{_FEATURES}Must supply either alertid or sourceid or objectid")
    if given.get("features") is not None:
        raise TomError(f"{_FEATURES}Passing feature list not yet implemented")
    through = real(given.get("through_mjd"), _FEATURES, "through_mjd")
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        if "sourceid" in given:
            row = connection.execute(
                "SELECT diaobject_id, midpointtai FROM elasticc2_ppdbdiasource WHERE diasource_id = %s",
                (integer(given["sourceid"], _FEATURES, "sourceid"),),
            ).fetchone()
            number, until = row if row is not None else (None, None)
        else:
            number, until = integer(given["objectid"], _FEATURES, "objectid"), None
        limits = [limit for limit in (through, until) if limit is not None]
        points = fetch(
            connection,
            sql.SQL(
                "SELECT midpointtai, psflux, psfluxerr FROM elasticc2_ppdbdiaforcedsource WHERE diaobject_id = {}"
                " AND midpointtai <= {} ORDER BY midpointtai, diaforcedsource_id"
            ).format(sql.Literal(number), sql.Literal(min(limits, default=float("inf")))),
            pa.schema([("mjd", pa.float64()), ("flux", pa.float32()), ("dflux", pa.float32())]),
        )
    # Computed from the decimals that users see for 32-bit floats, as in the original.
    series = {name: points[name].cast(pa.string()).cast(pa.float64()).to_numpy() for name in ("flux", "dflux")}
    series = {"mjd": points["mjd"].to_numpy(), **series}
    try:
        found: dict[str, Any] = dict(features(series["mjd"], series["flux"], series["dflux"]))
    except TooFewPoints as error:
        raise TomError(f"{_FEATURES}{error}") from None
    if given.get("includeltcv"):
        found["lightcurve"] = {name: np.ascontiguousarray(values) for name, values in series.items()}
    return Json(found)

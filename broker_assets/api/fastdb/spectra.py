"""The cycle of spectra of root objects: requested, wanted, planned, reported."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from broker_assets.api.authentication import accounts_of
from broker_assets.api.connections import Connections
from broker_assets.api.fastdb.answers import FastdbError, Given, Json, only, required
from broker_assets.api.fastdb.entrance import admitted
from broker_assets.api.fastdb.login import uuid_of
from broker_assets.api.fastdb.values import (
    identifier,
    moment,
    needed,
    real,
    several,
    text,
    time_of,
    version,
    whole,
    yes,
)
from broker_assets.database.point_identity import MJD_MAXIMUM, MJD_MINIMUM
from broker_assets.packets.timescales import now_tai
from broker_assets.tom.root_spectra import plans, reports, requests
from broker_assets.tom.root_spectra.known_roots import UnknownRootError
from broker_assets.tom.root_spectra.reports import RootReport, RootSelection
from broker_assets.tom.root_spectra.requests import Request as Wanted
from broker_assets.tom.root_spectra.wanted import RootChoice, wanted_root_spectra
from broker_assets.tom.spectra.facilities import NotOfFacilityError
from broker_assets.tom.spectra.reports import DAYS_OF_REPORTS, NO_DAY
from broker_assets.tom.spectra.wanted import BANDS
from broker_assets.tom.versions.definitions import REALTIME

_CLAIM_DAYS: Final = 7.0
_DETECTED_DAYS: Final = 14.0
_CONFLICT: Final = 409
"""Status when the facility belongs to another account."""
_MOST: Final = 10_000
_ROOT: Final = "root_diaobject_id"


@contextmanager
def _mistakes() -> Iterator[None]:
    try:
        yield
    except NotOfFacilityError as error:
        raise FastdbError(str(error), _CONFLICT) from None
    except (UnknownRootError, ValueError) as error:
        raise FastdbError(str(error)) from None


def ask(request: Request, given: Given) -> Response:
    """Request spectra."""
    user = admitted(request, writing=True)
    required(given, ["requester", "rootids", "priorities", "ras", "decs"])
    only(given, ["requester", "rootids", "priorities", "ras", "decs", "is_hosts"])
    requester = needed(given, "requester")
    names = ["rootids", "priorities", "ras", "decs", *(["is_hosts"] if given.get("is_hosts") is not None else [])]
    columns = {name: several(given[name]) for name in names}
    sizes = {len(values) for values in columns.values()}
    if len(sizes) != 1:
        raise FastdbError(f"{', '.join(names)} must have the same length")
    if not 0 < sizes.pop() <= _MOST:
        raise FastdbError(f"ask for 1 to {_MOST} spectra at a time")
    hosts = columns.get("is_hosts", [False] * len(columns["rootids"]))
    wanted = [
        Wanted(
            identifier(root, "rootids"),
            whole(priority, "priorities"),
            _degrees(ra, "ras", -360, 360),
            _degrees(dec, "decs", -90, 90),
            yes(host, "is_hosts"),
        )
        for root, priority, ra, dec, host in zip(
            columns["rootids"], columns["priorities"], columns["ras"], columns["decs"], hosts, strict=True
        )
    ]
    with accounts_of(request) as connection, _mistakes():
        stored = requests.request_root_spectra(connection, uuid_of(user), requester, wanted)
    return Json({"status": "ok", "message": "wanted spectra created", "num": stored})


def _degrees(value: Any, name: str, least: float, most: float) -> float:
    number = real(value, name)
    if number is None or not least <= number <= most:
        raise FastdbError(f"{name} must be degrees from {least:g} to {most:g}")
    return number


def wanted(request: Request, given: Given) -> Response:
    """Spectra that are wanted."""
    admitted(request)
    only(
        given,
        [
            *("processing_version", "requested_since", "requester", "not_claimed_in_last_days", "is_host"),
            *("no_spectra_in_last_days", "detected_since_mjd", "detected_in_last_days", "lim_mag", "lim_mag_band"),
            "mjd_now",
        ],
    )
    choice = _choice(given)
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        used = version(connection, text(given, "processing_version", REALTIME) or REALTIME)
        found = wanted_root_spectra(connection, used, choice)
    return Json(
        {
            "status": "ok",
            "wantedspectra": [
                {
                    _ROOT: str(one.root),
                    "diaobjectid": one.detection.object,
                    "requester": one.requester,
                    "priority": one.priority,
                    "is_host": one.is_host,
                    "ra": one.ra,
                    "dec": one.dec,
                    "latest_source_mjd": one.detection.mjd,
                    "latest_source_band": one.detection.band,
                    "latest_source_mag": one.detection.magnitude,
                    "latest_forced_mjd": None if one.forced is None else one.forced.mjd,
                    "latest_forced_band": None if one.forced is None else one.forced.band,
                    "latest_forced_mag": None if one.forced is None else one.forced.magnitude,
                }
                for one in found
            ],
        }
    )


def _choice(given: dict[str, Any]) -> RootChoice:
    until = real(given.get("mjd_now"), "mjd_now")
    now_mjd = now_tai() if until is None else until
    now = datetime.datetime.now(datetime.UTC) if until is None else time_of(until, "mjd_now")

    def before(name: str, default: float) -> float | None:
        days = real(given.get(name, default), name)
        return None if days is None else now_mjd - days

    claimed = before("not_claimed_in_last_days", _CLAIM_DAYS)
    detected = (
        real(given["detected_since_mjd"], "detected_since_mjd")
        if "detected_since_mjd" in given
        else before("detected_in_last_days", _DETECTED_DAYS)
    )
    return RootChoice(
        now,
        now_mjd,
        until,
        moment(given.get("requested_since"), "requested_since"),
        text(given, "requester"),
        # No plan is older or newer than the limits, so that beyond them all plans or none count.
        None if claimed is None else time_of(min(max(claimed, MJD_MINIMUM), MJD_MAXIMUM), "not_claimed_in_last_days"),
        before("no_spectra_in_last_days", _CLAIM_DAYS),
        detected,
        real(given.get("lim_mag"), "lim_mag"),
        _band(given),
        None if given.get("is_host") is None else yes(given["is_host"], "is_host"),
    )


def _band(given: dict[str, Any]) -> str | None:
    band = text(given, "lim_mag_band")
    if band is not None and band.lower() not in BANDS:
        raise FastdbError(f"lim_mag_band must be one of {', '.join(BANDS)}, not {band[:20]!r}")
    return band


def plan(request: Request, given: Given) -> Response:
    """Plan a spectrum."""
    user = admitted(request, writing=True)
    required(given, [_ROOT, "facility", "plantime"])
    only(given, [_ROOT, "facility", "plantime", "comment", "is_host"])
    when = moment(given["plantime"], "plantime")
    if when is None:
        raise FastdbError("plantime can't be empty")
    with accounts_of(request) as connection, _mistakes():
        plans.plan_root_spectrum(
            connection, user, identifier(given[_ROOT], _ROOT), needed(given, "facility"), when,
            comment=text(given, "comment"), is_host=yes(given.get("is_host"), "is_host"),
        )  # fmt: skip
    return Json({"status": "ok"})


def remove(request: Request, given: Given) -> Response:
    """Remove plans of a facility."""
    user = admitted(request, writing=True)
    required(given, [_ROOT, "facility"])
    only(given, [_ROOT, "facility"])
    with accounts_of(request) as connection, _mistakes():
        removed = plans.remove_root_plans(connection, user, identifier(given[_ROOT], _ROOT), needed(given, "facility"))
    return Json({"status": "ok", "ndel": removed})


def report(request: Request, given: Given) -> Response:
    """Report a spectrum that was taken."""
    user = admitted(request, writing=True)
    required(given, [_ROOT, "facility", "mjd", "z", "classid"])
    only(given, [_ROOT, "facility", "mjd", "z", "classid", "ra", "dec", "is_host", "class_description"])
    mjd = real(given["mjd"], "mjd")
    if mjd is None:
        raise FastdbError("mjd can't be empty")
    if not DAYS_OF_REPORTS[0] <= mjd <= DAYS_OF_REPORTS[1]:
        raise FastdbError(NO_DAY.format(mjd))
    z = None if given["z"] == "" else real(given["z"], "z")
    if z is not None and abs(z) > 1e30:
        raise FastdbError("z must be a redshift")
    found = RootReport(
        facility=needed(given, "facility"),
        mjd=mjd,
        root=None if given[_ROOT] is None else identifier(given[_ROOT], _ROOT),
        ra=None if given.get("ra") is None else _degrees(given["ra"], "ra", -360, 360),
        dec=None if given.get("dec") is None else _degrees(given["dec"], "dec", -90, 90),
        z=z,
        classid=None if given["classid"] in ("", None) else whole(given["classid"], "classid", bits=32),
        class_description=text(given, "class_description"),
        is_host=None if given.get("is_host") is None else yes(given["is_host"], "is_host"),
    )
    with accounts_of(request) as connection, _mistakes():
        reports.report_root_spectrum(connection, user, found)
    return Json({"status": "ok"})


def known(request: Request, given: Given) -> Response:
    """Spectra that were reported."""
    admitted(request)
    only(
        given,
        ["root_diaobject_ids", "facility", "mjd_min", "mjd_max", "classid", "z_min", "z_max", "since"],
    )
    roots = given.get("root_diaobject_ids")
    selection = RootSelection(
        roots=None if roots is None else [identifier(one, "root_diaobject_ids") for one in several(roots)],
        facility=text(given, "facility"),
        mjd_min=real(given.get("mjd_min"), "mjd_min"),
        mjd_max=real(given.get("mjd_max"), "mjd_max"),
        classid=None if given.get("classid") is None else whole(given["classid"], "classid", bits=32),
        z_min=real(given.get("z_min"), "z_min"),
        z_max=real(given.get("z_max"), "z_max"),
        since=moment(given.get("since"), "since"),
    )
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        found = reports.reported_root_spectra(connection, selection)
    return Json([{**row, "inserted_at": row["inserted_at"].isoformat()} for row in found])

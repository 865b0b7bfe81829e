"""The cycle of spectra: requested, wanted, planned, reported."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from broker_assets.api.authentication import accounts_of
from broker_assets.api.connections import Connections
from broker_assets.api.tom.answers import EXPECTED, Json, TomError
from broker_assets.api.tom.bodies import Body, integer, numbers, parsed, real
from broker_assets.api.tom.entrance import admitted
from broker_assets.instants import with_zone
from broker_assets.packets.timescales import now_tai
from broker_assets.settings.tom import TomSettings
from broker_assets.tom.queries.json_rows import moment
from broker_assets.tom.spectra import plans, reports, requests
from broker_assets.tom.spectra.facilities import NotOfFacilityError
from broker_assets.tom.spectra.known_objects import UnknownObjectError
from broker_assets.tom.spectra.reports import DAYS_OF_REPORTS, NO_DAY, Selection
from broker_assets.tom.spectra.times import BadTimeError, read_date, read_time
from broker_assets.tom.spectra.wanted import BANDS, CLAIM_DAYS, DAYS, Choice, wanted_spectra

_ASK: Final = "Mal-formed data for askforspectrum"
_WANTED: Final = "Exception in WhatSpectraAreWanted: "
_PLAN: Final = "Exception in PlanToDoSpectrum: "
_REMOVE: Final = "Exception in RemoveSpectrumPlan: "
_REPORT: Final = "Exception in ReportSpectrumInfo: "
_KNOWN: Final = "Exception in GetKnownSpectrumInfo: "
_LONGEST: Final = 200
_INT4: Final = 2**31


@contextmanager
def _mistakes(unknown: int) -> Iterator[None]:
    """Domain errors as answers; `unknown` is the status for an unknown object."""
    try:
        yield
    except UnknownObjectError as error:
        raise TomError(str(error), unknown) from None
    except NotOfFacilityError as error:
        raise TomError(str(error), 403) from None
    except ValueError as error:
        raise TomError(str(error)) from None


def _given(body: bytes, where: str) -> dict[str, Any]:
    given = parsed(body or b"{}", where)
    if not isinstance(given, dict):
        raise TomError(f"{where}the body must be a JSON object")
    return given


def _text(given: Any, where: str, name: str) -> str:
    if not isinstance(given, str) or len(given) > _LONGEST or "\0" in given:
        raise TomError(f"{where}{name} must be a text of at most {_LONGEST} characters")
    return given


def _facility(given: dict[str, Any], where: str) -> str:
    facility = _text(given["facility"], where, "facility")
    if not facility.strip():
        raise TomError("facility can't be an empty string", EXPECTED)
    return facility


def ask(request: Request, body: Body) -> Response:
    """Request spectra of some objects."""
    user = admitted(request, writing=True)
    given = parsed(body, f"{_ASK}: ")
    if not isinstance(given, dict):
        raise TomError(_ASK, EXPECTED)
    objects, priorities = given.get("objectids"), given.get("priorities")
    lists = isinstance(objects, list) and isinstance(priorities, list) and len(objects) == len(priorities)
    if "requester" not in given or not lists:
        raise TomError(_ASK, EXPECTED)
    if not objects:
        raise TomError("list index out of range", EXPECTED)
    requester = _text(given["requester"], f"{_ASK}: ", "requester")
    wanted_objects = [integer(one, f"{_ASK}: ", "objectids") for one in objects]
    wanted_priorities = [integer(one, f"{_ASK}: ", "priorities") for one in priorities or ()]
    with accounts_of(request) as connection, _mistakes(422):
        stored = requests.request_spectra(connection, user.userid, requester, wanted_objects, wanted_priorities)
    return Json({"status": "ok", "message": "wanted spectra created", "num": stored})


def wanted(request: Request, body: Body) -> Response:
    """Objects of which spectra are wanted."""
    admitted(request)
    given = _given(body, _WANTED)
    settings: TomSettings = request.app.state.tom
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        found = wanted_spectra(connection, _choice(given), zero_point=settings.magnitude_zero_point)
    listed = [
        {
            "oid": one.number,
            "ra": one.ra,
            "dec": one.dec,
            "req": one.requester,
            "prio": one.priority,
            "latest": {
                band: {"mjd": newest.mjd, "mag": round(newest.magnitude, 6)} for band, newest in one.latest.items()
            },
        }
        for one in found
    ]
    return Json({"status": "ok", "wantedspectra": listed})


def _choice(given: dict[str, Any]) -> Choice:
    now, mjd_now = datetime.datetime.now(datetime.UTC), now_tai()
    try:
        since = (
            read_date(given["requested_since"], f"{_WANTED}requested_since")
            if given.get("requested_since") is not None
            else None
            if "requested_since" in given
            else now - datetime.timedelta(days=DAYS)
        )
    except BadTimeError as error:
        raise TomError(str(error)) from None
    claim_days = _days(given, "not_claimed_in_last_days", CLAIM_DAYS)
    taken_days = _days(given, "no_spectra_in_last_days", CLAIM_DAYS)
    detected = real(given.get("detected_since_mjd"), _WANTED, "detected_since_mjd")
    if detected is None and ("detected_since_mjd" not in given or "detected_in_last_days" in given):
        days = _days(given, "detected_in_last_days", DAYS)
        detected = None if days is None else mjd_now - days
    band = None if given.get("lim_mag_band") is None else _text(given["lim_mag_band"], _WANTED, "lim_mag_band")
    if band is not None and band.lower() not in BANDS:
        raise TomError(f"{_WANTED}lim_mag_band must be one of {', '.join(BANDS)}, not {band[:20]!r}")
    return Choice(
        since,
        None if claim_days is None or claim_days <= 0 else now - datetime.timedelta(days=claim_days),
        None if taken_days is None else mjd_now - taken_days,
        detected,
        real(given.get("lim_mag"), _WANTED, "lim_mag"),
        band,
    )


def _days(given: dict[str, Any], name: str, default: float) -> float | None:
    """Days before now; null lifts the limit."""
    days = real(given.get(name, default), _WANTED, name)
    # No calendar reaches further.
    return None if days is None or days > 100_000 else max(days, -100_000.0)


def plan(request: Request, body: Body) -> Response:
    """Plan a spectrum."""
    user = admitted(request, writing=True)
    given = _given(body, _PLAN)
    if "objectid" not in given or "facility" not in given:
        raise TomError("Post data must be json with keys objectid and facility", EXPECTED)
    facility = _facility(given, _PLAN)
    number = integer(given["objectid"], _PLAN, "objectid")
    comment = given.get("comment")
    remark = "" if comment is None else _text(comment, _PLAN, "comment")
    when = None
    if given.get("plantime") is not None:
        try:
            when = read_time(given["plantime"])
        except BadTimeError as error:
            raise TomError(str(error), EXPECTED) from None
    with accounts_of(request) as connection, _mistakes(EXPECTED):
        made = plans.plan_spectrum(connection, user, number, facility, when, remark)
    return Json(
        {
            "status": "ok",
            "objectid": number,
            "facility": facility,
            "created_at": moment(made),
            "plantime": None if when is None else when.isoformat(),
            "comment": remark,
        }
    )


def remove(request: Request, body: Body) -> Response:
    """Remove a plan."""
    user = admitted(request, writing=True)
    given = _given(body, _REMOVE)
    if "objectid" not in given or "facility" not in given:
        raise TomError("Post data must be json with keys objectid and facility", EXPECTED)
    facility = _text(given["facility"], _REMOVE, "facility")
    number = integer(given["objectid"], _REMOVE, "objectid")
    with accounts_of(request) as connection, _mistakes(EXPECTED):
        removed = plans.remove_plan(connection, user, number, facility)
    return Json({"status": "ok", "facility": facility, "objectid": number, "n_deleted": removed})


def report(request: Request, body: Body) -> Response:
    """Report a spectrum that was taken."""
    user = admitted(request, writing=True)
    given = _given(body, _REPORT)
    if not {"objectid", "facility", "mjd", "z", "classid"} <= given.keys():
        # The braces are in the original's message, with which clients compare it.
        raise TomError("Incorrect fields. Missing required fields: {missingkeys}.", EXPECTED)
    facility = _facility(given, _REPORT)
    number = integer(given["objectid"], _REPORT, "objectid")
    mjd = real(given["mjd"], _REPORT, "mjd")
    if mjd is None:
        raise TomError(f"{_REPORT}mjd must be a number")
    if not DAYS_OF_REPORTS[0] <= mjd <= DAYS_OF_REPORTS[1]:
        raise TomError(f"{_REPORT}{NO_DAY.format(mjd)}")
    z = None if given["z"] == "" else real(given["z"], _REPORT, "z")
    if z is not None and abs(z) > 1e30:
        raise TomError(f"{_REPORT}z must be a redshift")
    classid = None if given["classid"] in ("", None) else integer(given["classid"], _REPORT, "classid")
    if classid is not None and abs(classid) >= _INT4:
        raise TomError(f"{_REPORT}classid must be a class of the taxonomy")
    with accounts_of(request) as connection, _mistakes(EXPECTED):
        at = reports.report_spectrum(connection, user, number, facility, mjd, z, classid)
    return Json(
        {
            "status": "ok",
            "objectid": number,
            "facility": facility,
            "inserted_at": moment(at),
            "mjd": mjd,
            "z": z,
            "classid": classid,
        }
    )


def known(request: Request, body: Body) -> Response:
    """Spectra that were reported."""
    admitted(request)
    given = _given(body, _KNOWN)
    try:
        since = None if given.get("since") is None else read_time(given["since"])
    except BadTimeError as error:
        raise TomError(f"{_KNOWN}{error}") from None
    classid = given.get("classid")
    facility = given.get("facility")
    selection = Selection(
        objects=None if given.get("objectid") is None else numbers(given["objectid"], _KNOWN, "objectid").tolist(),
        facility=None if facility is None else _text(facility, _KNOWN, "facility"),
        mjd_min=real(given.get("mjd_min"), _KNOWN, "mjd_min"),
        mjd_max=real(given.get("mjd_max"), _KNOWN, "mjd_max"),
        classid=None if classid is None else integer(classid, _KNOWN, "classid"),
        z_min=real(given.get("z_min"), _KNOWN, "z_min"),
        z_max=real(given.get("z_max"), _KNOWN, "z_max"),
        since=since and with_zone(since),
    )
    connections: Connections = request.app.state.connections
    with connections.use() as connection:
        found = reports.reported_spectra(connection, selection)
    listed = [
        {
            "objectid": one.number,
            "facility": one.facility,
            "mjd": one.mjd,
            "z": one.z,
            "classid": one.classid,
            "report_time": moment(one.reported),
        }
        for one in found
    ]
    return Json({"status": "ok", "spectra": listed})

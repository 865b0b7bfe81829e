"""Reads VOEvents as GCN sends them: events of Swift, Fermi, IceCube, MAXI, INTEGRAL, SVOM and others.

A VOEvent (IVOA, version 2.0) has the time of the event and an error circle below `WhereWhen`, and further information
of the issuer as named parameters below `What`. How events are named and what the radius means depends on the issuer:

* The event is the parameter `Burst_Id` (SVOM), `TrigID` (Swift, Fermi, MAXI, INTEGRAL and others), or `run_id` and
  `event_id` (IceCube); else the local part of its IVORN.
* The radius contains the event with a probability of 90 per cent, except for Fermi and HAWC, which give 68 per cent.
* FK5 at J2000 and ICRS agree to 0.02 arcsec and are treated as the same.
"""

from __future__ import annotations

import datetime
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ValidationError

from broker_assets.sky.angles import decimal_number
from broker_assets.sky.error_circles import ErrorCircle, EventNotice, Kind
from broker_assets.sky.notice_fields import BadNotice, Instant, Name, Text, first_problem

CONTAINMENT: Final = 0.9
"""Probability of the radius of most issuers."""
ONE_SIGMA: Final = 0.68
"""Probability of the radius of those in `ONE_SIGMA_ISSUERS`."""
ONE_SIGMA_ISSUERS: Final = re.compile(r"/(Fermi|HAWC|AMON#HAWC)", re.IGNORECASE)
"""IVORNs whose radius contains the event with 68 per cent: gcn.gsfc.nasa.gov/fermi.html, …/amon.html."""
DEGREES: Final = {"deg": 1.0, "arcmin": 1 / 60, "arcsec": 1 / 3600}
"""Units of positions and radii."""
SVOM_RETRACTION: Final = "219"
"""Packet type of SVOM's retractions."""
_TRUE: Final = ("true", "1", "yes")
_ICECUBE: Final = re.compile(r"#ICECUBE_\w*?_Event.*_(\d+)_(\d+)_(\d+)$", re.IGNORECASE)
"""IVORN of IceCube, which ends in stream, run, event and revision."""


class _Fields(BaseModel):
    """Fields of a VOEvent that are used."""

    event: Name
    name: Name
    issued: Instant | None = None
    trigger: Instant | None = None
    url: Text | None = None


def read_voevent(content: bytes) -> EventNotice:
    """Read a VOEvent.

    Parameters
    ----------
    content : bytes
        XML.

    Raises
    ------
    BadNotice
        If it is not a VOEvent, or has a document type, another frame than FK5 or ICRS, a unit that is not known, or an
        impossible value.
    """
    root = _parsed(content)
    ivorn = root.get("ivorn", "")
    params = _params(root)
    test = _test(root, params)
    kind = _kind(root, params) if test is None else "test"
    retracts = kind == "retraction"
    circle = None if retracts or test is not None else _circle(root, ivorn, params)
    try:
        fields = _Fields.model_validate(
            {
                "event": _event(ivorn, params, _cited(root)),
                "name": params.get("grb_name") or params.get("burst_name") or _event(ivorn, params, _cited(root)),
                "issued": _text(root, "Who/Date"),
                "trigger": _trigger(root, needed=circle is not None),
                "url": params.get("lightcurve_url") or params.get("skymap_fits"),
            }
        )
    except ValidationError as error:
        raise BadNotice(first_problem(error)) from error
    remark = test or (None if circle is not None or retracts else "it has no position")
    return EventNotice(
        fields.event, kind, fields.name, fields.issued, _number(ivorn, params), fields.trigger,
        () if circle is None else (circle,), remark, fields.url,
    )  # fmt: skip


def _parsed(content: bytes) -> ElementTree.Element:
    if b"<!DOCTYPE" in content or b"<!ENTITY" in content or b"\0" in content:
        raise BadNotice("a VOEvent has no document type, with which it could expand without end, and no NUL bytes")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314  expands no entities, since there can be none
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise BadNotice(f"not a VOEvent: {error}") from error
    if root.tag.rpartition("}")[2] != "VOEvent":
        raise BadNotice(f"not a VOEvent: the document is a {root.tag.rpartition('}')[2]}")
    for element in root.iter():  # elements are in no namespace, except where an issuer puts them in one
        element.tag = element.tag.rpartition("}")[2] if isinstance(element.tag, str) else ""
    return root


def _params(root: ElementTree.Element) -> dict[str, str]:
    """Parameters by name in lower case, also those in groups; the first of each name counts."""
    found: dict[str, str] = {}
    for param in root.iterfind("What//Param"):
        value = param.get("value")
        text = (value if value is not None else param.findtext("Value") or "").strip()
        found.setdefault(param.get("name", "").lower(), text)
    return found


def _text(root: ElementTree.Element, path: str) -> str | None:
    text = (root.findtext(path) or "").strip()
    return text or None


def _kind(root: ElementTree.Element, params: Mapping[str, str]) -> Kind:
    cites = {(item.get("cite") or "").lower() for item in root.iterfind("Citations/EventIVORN")}
    if "retraction" in cites or params.get("packet_type") == SVOM_RETRACTION or _true(params, "retraction"):
        return "retraction"
    if _true(params, "def_not_a_grb"):
        return "retraction"
    return "update" if cites & {"supersedes", "followup"} else "initial"


def _true(params: Mapping[str, str], name: str) -> bool:
    return params.get(name, "").lower() in _TRUE


def _cited(root: ElementTree.Element) -> str | None:
    return _text(root, "Citations/EventIVORN")


def _event(ivorn: str, params: Mapping[str, str], cited: str | None) -> str:
    """Identifier of the event."""
    for name in ("burst_id", "trigid"):
        if params.get(name):
            return params[name]
    if params.get("run_id", "").isdigit() and params.get("event_id", "").isdigit():
        return f"{int(params['run_id'])}_{int(params['event_id'])}"
    found = _ICECUBE.search(ivorn)
    if found:
        return f"{int(found[1])}_{int(found[2])}"
    # the first notice of an event gives its name, later ones cite the first
    local = (cited or ivorn).rpartition("#")[2]
    if not local:
        raise BadNotice("the VOEvent names no event: no TrigID, Burst_Id, run_id and event_id, and no IVORN")
    return local


def _number(ivorn: str, params: Mapping[str, str]) -> int:
    found = _ICECUBE.search(ivorn)
    text = next((params[name] for name in ("rev", "revision", "pkt_ser_num") if params.get(name)), None)
    text = text or (found[3] if found else "0")
    return int(text) if text.isdigit() and len(text) < 10 else 0


def _test(root: ElementTree.Element, params: Mapping[str, str]) -> str | None:
    """Why the VOEvent is not about anything that was observed; None if it is."""
    role = (root.get("role") or "observation").lower()
    if role != "observation":
        return f"its role is {role}"
    for name in ("test_submission", "test_notice"):
        if _true(params, name):
            return "it is a test"
    return None


def _circle(root: ElementTree.Element, ivorn: str, params: Mapping[str, str]) -> ErrorCircle | None:
    """The error circle; None if the position is not that of a source."""
    said = params.get("coords_string", "source_object").lower()
    where = (_text(root, "WhereWhen/Description") or "").lower()
    if said != "source_object" or "unavailable" in where:
        return None
    place = root.find("WhereWhen/ObsDataLocation/ObservationLocation/AstroCoords")
    position = None if place is None else place.find("Position2D")
    if place is None or position is None:
        return None
    frame = place.get("coord_system_id") or "UTC-ICRS"
    if "ICRS" not in frame.upper() and "FK5" not in frame.upper():
        raise BadNotice(f"the position is in {frame}; FK5 and ICRS are read")
    unit = position.get("unit") or "deg"
    if unit not in DEGREES:
        raise BadNotice(f"the position is in {unit}; read are {', '.join(DEGREES)}")
    values = [_float(position, path) for path in ("Value2/C1", "Value2/C2", "Error2Radius")]
    ra, dec, error = (None if value is None else value * DEGREES[unit] for value in values)
    containment = ONE_SIGMA if ONE_SIGMA_ISSUERS.search(ivorn) else CONTAINMENT
    if params.get("src_error_90"):
        error, containment = _degrees(root, "src_error_90"), CONTAINMENT
    if ra is None or dec is None or not error:
        return None
    return ErrorCircle.checked(ra, dec, error, containment)


def _float(position: ElementTree.Element, path: str) -> float | None:
    text = (position.findtext(path) or "").strip()
    if not text:
        return None
    try:
        return decimal_number(text)
    except ValueError:
        raise BadNotice(f"{path} of the position is not a number: {text[:40]!r}") from None


def _degrees(root: ElementTree.Element, name: str) -> float:
    """A parameter with a unit, in degrees."""
    for param in root.iterfind("What//Param"):
        if param.get("name", "").lower() == name:
            unit, value = param.get("unit") or "deg", param.get("value", "")
            if unit not in DEGREES:
                raise BadNotice(f"{name} is in {unit}; read are {', '.join(DEGREES)}")
            try:
                return decimal_number(value) * DEGREES[unit]
            except ValueError:
                raise BadNotice(f"{name} is not a number: {value[:40]!r}") from None
    raise BadNotice(f"the VOEvent has no {name}")


def _trigger(root: ElementTree.Element, *, needed: bool) -> str | datetime.datetime | None:
    """Time of the event."""
    place = "WhereWhen/ObsDataLocation/ObservationLocation"
    text = _text(root, f"{place}/AstroCoords/Time/TimeInstant/ISOTime")
    coordinates = root.find(f"{place}/AstroCoords")
    scale = "UTC" if coordinates is None else (coordinates.get("coord_system_id") or "UTC").split("-")[0].upper()
    if text is None and needed:
        raise BadNotice("the VOEvent has a position, but no time of the event (ISOTime)")
    if text is not None and scale != "UTC":
        raise BadNotice(f"the time of the event is in {scale}; UTC is read")
    return text

"""The content sent for a match: a record with the columns of the filter, also in the formats of other networks.

A record is like Lasair's: the selected columns, `UTC`, and `alert` for the formats lite and full. `Contents`, which the
stream provides, reads the content of `alert` from the packet.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from xml.etree import ElementTree as ET

import psycopg

from broker_assets.delivery.errors import MessageRefusedError

JsonObject = dict[str, Any]

GCN_SCHEMA: Final = "https://gcn.nasa.gov/schema/v7.2.3/gcn/notices/core/Alert.schema.json"
"""Schema of the fields that all GCN notices have."""
VOEVENT: Final = "http://www.ivoa.net/xml/VOEvent/v2.0"
_MJD_OF_UNIX_EPOCH: Final = 40_587.0
_TAI_MINUS_UTC: Final = 37.0
"""Seconds, since 2017."""
POSITION_ERROR: Final = 0.3
"""Error radius of positions, arcsec: the agreement between ground-based surveys."""


@dataclass(frozen=True)
class Message:
    """A message of the outbox."""

    deliveryid: int
    identity: str
    sinkid: int
    filterid: int
    version: int
    trigger: str
    diaobjectid: int
    diasourceid: int | None
    night: datetime.date
    record: str
    late: bool
    created_at: datetime.datetime
    attempts: int

    def columns(self) -> JsonObject:
        """The selected columns.

        Raises
        ------
        MessageRefusedError
            If they are not a JSON object.
        """
        try:
            found = json.loads(self.record)
        except ValueError as error:
            raise MessageRefusedError(f"the columns of the match are not JSON: {error}", final=True) from None
        if not isinstance(found, dict):
            raise MessageRefusedError("the columns of the match are not a JSON object", final=True)
        return found


@dataclass(frozen=True)
class Place:
    """Position and time of an alert."""

    ra: float
    """ICRS, degrees."""
    dec: float
    """ICRS, degrees."""
    mjd: float | None
    """Time of the newest source, MJD TAI."""


class Contents(Protocol):
    """Reads what a message needs in addition to its row."""

    def alerts(
        self, connection: psycopg.Connection[Any], messages: Sequence[Message], *, full: bool
    ) -> Mapping[int, JsonObject | MessageRefusedError]:
        """The alert of each message, by its number; without images.

        Raises
        ------
        OSError
            If the archive is unavailable.
        """
        ...

    def places(self, connection: psycopg.Connection[Any], messages: Sequence[Message]) -> Mapping[int, Place]:
        """Positions of the objects of messages, by the number of the message; unknown ones are left out."""
        ...


class Also(Protocol):
    """Sends messages that do not go through the outbox."""

    def send(self, connection: psycopg.Connection[Any]) -> int:
        """Send new messages, on the connection of the sender; return their number."""
        ...

    def close(self) -> None:
        """Disconnect."""
        ...


def record(message: Message, alert: JsonObject | None = None) -> JsonObject:
    """The record of a match.

    Parameters
    ----------
    message : Message
        The match.
    alert : dict, optional
        Content of the packet, for the formats lite and full.
    """
    found = message.columns() | {"UTC": f"{message.created_at.astimezone(datetime.UTC):%Y-%m-%d %H:%M:%S}"}
    if message.late:
        found["late"] = True
    if alert is not None:
        found["alert"] = alert
    return found


def as_json(document: Any) -> bytes:
    """JSON in UTF-8; numbers that JSON cannot represent are null.

    Examples
    --------
    >>> as_json({"flux": float("nan"), "name": "Zoë"}).decode()
    '{"flux": null, "name": "Zoë"}'
    """
    return json.dumps(_plain(document), ensure_ascii=False, allow_nan=False, default=str).encode()


def gcn_notice(message: Message, place: Place, *, filter_name: str, page: str) -> JsonObject:
    """A notice in GCN's JSON format.

    The fields are those of GCN's core schemas (Alert, Reporter, Event, Localization, DateTime), with the columns of the
    filter as `additional_info`.
    """
    columns = message.columns()
    found: JsonObject = {
        "$schema": GCN_SCHEMA,
        "mission": "broker_assets",
        "messenger": "EM",
        "alert_datetime": _utc(message.created_at),
        "alert_tense": "current",
        "alert_type": "initial",
        "record_number": 1,
        "id": [str(message.diaobjectid)],
        "event_name": [str(message.diaobjectid)],
        # Not a selected column called ra or dec, which may be any value.
        "ra": place.ra,
        "dec": place.dec,
        "ra_dec_error": POSITION_ERROR / 3600.0,
        "containment_probability": 0.9,
        "filter_name": filter_name,
        "url": page,
        "additional_info": as_json(columns).decode(),
    }
    if place.mjd is not None:
        found["trigger_time"] = _utc(_instant(place.mjd))
    return found


def voevent(message: Message, place: Place, *, authority: str, filter_name: str, page: str) -> bytes:
    """A VOEvent 2.0 packet (IVOA recommendation of 2011): the columns are parameters of `What`.

    Parameters
    ----------
    message, place : Message, Place
        The match, and the position of its object.
    authority : str
        Publisher in the identifier: a host name.
    filter_name, page : str
        Name of the filter, and address of the page of the object.
    """
    ET.register_namespace("voe", VOEVENT)
    root = ET.Element(
        f"{{{VOEVENT}}}VOEvent",
        {"role": "observation", "version": "2.0", "ivorn": f"ivo://{authority}/filter{message.filterid}#{message.identity}"},
    )  # fmt: skip
    who = ET.SubElement(root, "Who")
    ET.SubElement(who, "AuthorIVORN").text = f"ivo://{authority}/broker_assets"
    ET.SubElement(who, "Date").text = f"{message.created_at.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%S}"
    what = ET.SubElement(root, "What")
    for name, value in message.columns().items():
        written = "" if value is None else _xml_text(value if isinstance(value, str) else json.dumps(_plain(value)))
        about = {"name": _xml_text(name), "value": written}
        if isinstance(value, int | float) and not isinstance(value, bool):
            # A reader makes a float64 of a float, which cannot hold identifiers of 64 bits.
            about["dataType"] = "int" if isinstance(value, int) else "float"
        ET.SubElement(what, "Param", about)
    where = ET.SubElement(ET.SubElement(root, "WhereWhen"), "ObsDataLocation")
    ET.SubElement(where, "ObservatoryLocation", {"id": "GEOLUN"})
    location = ET.SubElement(where, "ObservationLocation")
    ET.SubElement(location, "AstroCoordSystem", {"id": "UTC-ICRS-TOPO"})
    coordinates = ET.SubElement(location, "AstroCoords", {"coord_system_id": "UTC-ICRS-TOPO"})
    time = ET.SubElement(ET.SubElement(ET.SubElement(coordinates, "Time", {"unit": "s"}), "TimeInstant"), "ISOTime")
    at = message.created_at if place.mjd is None else _instant(place.mjd)
    time.text = f"{at.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%S.%f}"
    position = ET.SubElement(coordinates, "Position2D", {"unit": "deg"})
    ET.SubElement(position, "Name1").text, ET.SubElement(position, "Name2").text = "RA", "Dec"
    value2 = ET.SubElement(position, "Value2")
    ET.SubElement(value2, "C1").text, ET.SubElement(value2, "C2").text = repr(place.ra), repr(place.dec)
    ET.SubElement(position, "Error2Radius").text = repr(POSITION_ERROR / 3600.0)
    how = ET.SubElement(root, "How")
    ET.SubElement(how, "Description").text = _xml_text(f"matched filter {message.filterid}: {filter_name}")
    ET.SubElement(how, "Reference", {"uri": page})
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return None
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return value


def _instant(mjd: float) -> datetime.datetime:
    """UTC of an MJD TAI of 2017 or later."""
    seconds = (mjd - _MJD_OF_UNIX_EPOCH) * 86_400.0 - _TAI_MINUS_UTC
    return datetime.datetime.fromtimestamp(0, datetime.UTC) + datetime.timedelta(seconds=seconds)


def _utc(at: datetime.datetime) -> str:
    return f"{at.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z"


def _xml_text(text: str) -> str:
    """A text without the characters that XML 1.0 does not allow."""
    return "".join(
        sign if sign in "\t\n\r" or " " <= sign <= "\ud7ff" or "\ue000" <= sign <= "\ufffd" or sign > "\uffff" else "�"
        for sign in text
    )

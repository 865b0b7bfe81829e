"""Reads notices of events with an error circle: JSON in GCN's schema, and VOEvents.

The JSON form is that of the schema of GCN (github.com/nasa-gcn/gcn-schema, 7.2): `ra`, `dec` and `ra_dec_error` in
degrees (a radius, or semi-major axis, semi-minor axis and position angle), `containment_probability` (0.9 where it is
absent), `trigger_time`, `alert_datetime`, `alert_type`, `id` and `event_name`. VOEvents are read by `voevents`.

Earlier versions of the schema name the radius `ra_uncertainty` (a list), or the semi-axes `position_a_error` and
`position_b_error`; senders keep a version for years. IceCube adds the revision to its `id` (run_event_revision) in some
versions, and names the merger that it follows up by one of its notices (S230914ak-2-Preliminary).
"""

from __future__ import annotations

import datetime
import math
import re
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AliasChoices, BaseModel, BeforeValidator, Field, ValidationError

from broker_assets.settings.limits import LIMITS, InputLimits
from broker_assets.sky.error_circles import ErrorCircle, EventNotice, Kind
from broker_assets.sky.notice_fields import BadNotice, Instant, Name, Number, Text, first_problem
from broker_assets.sky.notice_records import read_record
from broker_assets.sky.voevents import DEGREES, read_voevent

CONTAINMENT = 0.9
"""Probability of the circle of a JSON notice that gives none (GCN's schema, Localization)."""
REAL = ("current", "archival")
"""Values of `alert_tense` of notices of something that was observed."""
SKY_MAP_ONLY = "its position is a sky map, without a circle"
NO_POSITION = "it has no position"
_FRAMES: Final = ("icrs", "fk5", "j2000", "j2000.0", "2000", "2000.0", "equatorial", "celestial")
"""Words for the frame of the schema, in lower case."""
_FRAME_FIELDS: Final = ("frame", "coordinate_frame", "reference_frame", "coordinate_system", "coord_system", "coordsys",
                        "equinox")  # fmt: skip
"""Fields outside the schema that say the frame."""
_ICECUBE: Final = re.compile(r"(\d{5,7}_\d{1,12})_(\d{1,3})", re.ASCII)
"""Run, event and revision."""
_MERGER: Final = re.compile(r"([MT]?S\d{6}[a-z]{1,4})-.{0,40}", re.ASCII)
"""A notice of a gravitational-wave event, which begins with the name of the event."""


def _names(value: Any) -> Any:
    """One or several names, which may be numbers."""
    if value is None:
        return []
    items = value if isinstance(value, list) else [value]
    plain = [str(item) if isinstance(item, int) and not isinstance(item, bool) else item for item in items]
    return [item for item in plain if item != ""]


def _axes(value: Any) -> Any:
    return value if isinstance(value, list) or value is None else [value]


_Names = Annotated[list[Name], BeforeValidator(_names), Field(max_length=100)]


class _Localisation(BaseModel):
    """Where something is (core/Localization)."""

    ra: Number | None = None
    dec: Number | None = None
    # The length applies to a list only: some senders write null.
    ra_dec_error: Annotated[
        Annotated[list[Number], Field(max_length=3)] | None,
        BeforeValidator(_axes),
        Field(validation_alias=AliasChoices("ra_dec_error", "ra_uncertainty", "position_a_error")),
    ] = None
    position_b_error: Number | None = None
    error_unit: Annotated[
        Text | None, Field(validation_alias=AliasChoices("ra_dec_error_unit", "ra_dec_error_units"))
    ] = None
    containment_probability: Number | None = None
    healpix_url: Text | None = None
    healpix_file: Any = None

    def circle(self, part: str = "") -> ErrorCircle | None:
        """Its circle; None without a position or an error."""
        axes = [axis for axis in [*(self.ra_dec_error or [])[:2], self.position_b_error] if axis]
        if self.ra is None or self.dec is None or not axes:
            return None
        unit = self.error_unit or "deg"
        if unit not in DEGREES:
            raise BadNotice(f"the error is in {unit[:40]}; read are {', '.join(DEGREES)}")
        containment = CONTAINMENT if self.containment_probability is None else self.containment_probability
        return ErrorCircle.checked(self.ra, self.dec, max(axes) * DEGREES[unit], containment, part)


class _Coincidence(_Localisation):
    """A neutrino near a gravitational-wave event, whose position may be in a nested record."""

    id: _Names = []
    event_name: _Names = []
    localization: _Localisation | None = None


class _Record(_Localisation):
    """Fields of a notice that are used."""

    id: _Names = []
    event_name: _Names = []
    followed: Annotated[Name | None, Field(alias="ref_ID")] = None
    alert_type: Annotated[Name, AfterValidator(str.lower)] | None = None
    alert_tense: Annotated[Name, AfterValidator(str.lower)] | None = None
    alert_datetime: Instant | None = None
    trigger_time: Instant | None = None
    observation_start: Instant | None = None
    record_number: Number | None = None
    data_archive_page: Text | None = None
    coincident_events: Annotated[list[_Coincidence], Field(max_length=1000)] | None = None

    @property
    def event(self) -> str:
        """Its identifier: that of the instrument, else its name, else that of the event that it follows up."""
        found = next(iter([*self.id, *self.event_name, *([self.followed] if self.followed else [])]), None)
        if found is None:
            raise BadNotice("the notice names no event: it has none of the fields 'id', 'event_name' and 'ref_ID'")
        for pattern in (_ICECUBE, _MERGER):
            matched = pattern.fullmatch(found)
            if matched:
                return matched[1]
        return found

    @property
    def number(self) -> int:
        """Its number within the event; 0 if it has none."""
        revision = next((found for name in self.id if (found := _ICECUBE.fullmatch(name))), None)
        number = float(revision[2]) if self.record_number is None and revision else self.record_number or 0.0
        return int(number) if math.fabs(number) < 2**31 else 0

    @property
    def kind(self) -> Kind:
        """Whether it begins, changes or retracts the event, or is not about anything that was observed."""
        if self.alert_tense is not None and self.alert_tense not in REAL:
            return "test"
        if self.alert_type == "retraction":
            return "retraction"
        return "initial" if self.alert_type in ("initial", None) else "update"

    @property
    def trigger(self) -> datetime.datetime | None:
        """Time of the event, or of the beginning of its observation."""
        return self.trigger_time or self.observation_start

    def circles(self) -> tuple[ErrorCircle, ...]:
        """Its circles."""
        several = [
            (one.localization or one).circle(" ".join([*one.event_name, *one.id][:1]) or str(number))
            for number, one in enumerate(self.coincident_events or [], 1)
        ]
        return tuple(circle for circle in (self.circle(), *several) if circle is not None)

    def remark(self, circles: tuple[ErrorCircle, ...]) -> str | None:
        """Why it cannot make a cone; None if it can."""
        if self.kind == "test":
            return f"it is of the kind {self.alert_tense}"
        if circles or self.kind == "retraction":
            return None
        return SKY_MAP_ONLY if self.healpix_url or self.healpix_file else NO_POSITION


def read_event_notice(content: bytes, *, limits: InputLimits = LIMITS) -> EventNotice:
    """Read a notice of an event with an error circle.

    Parameters
    ----------
    content : bytes
        A VOEvent (XML), or a JSON record in GCN's schema.
    limits : InputLimits
        `notice_bytes` limits the notice.

    Raises
    ------
    BadNotice
        If it is neither, or a field that is needed is missing or invalid: no identifier, an impossible position, a
        containment that is not a probability, a time without a date.

    Examples
    --------
    >>> notice = b'{"id": "123", "trigger_time": "2026-11-30T01:00:00Z", "ra": 10, "dec": -5, "ra_dec_error": 0.05}'
    >>> read_event_notice(notice).circles
    (ErrorCircle(ra=10.0, dec=-5.0, error=0.05, containment=0.9, part=''),)
    """
    if len(content) > limits.notice_bytes:
        raise BadNotice(f"{len(content)} bytes, more than {limits.notice_bytes} (BROKER_LIMITS__NOTICE_BYTES)")
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<":
        return read_voevent(content)
    try:
        fields = _without_damage(read_record(content, largest=limits.notice_bytes))
        _refuse_other_frames(fields)
        record = _Record.model_validate(fields)
    except ValidationError as error:
        raise BadNotice(first_problem(error)) from error
    except BadNotice:
        raise
    except ValueError as error:
        raise BadNotice(str(error)) from error
    return _notice(record)


def _without_damage(fields: Any) -> Any:
    """The fields without a position if this is a retraction, which takes effect even if its position is damaged."""
    if isinstance(fields, dict) and str(fields.get("alert_type")).lower() == "retraction":
        kept = ("id", "event_name", "ref_ID", "alert_type", "alert_tense", "alert_datetime", "trigger_time",
                "record_number")  # fmt: skip
        return {name: value for name, value in fields.items() if name in kept}
    return fields


def _refuse_other_frames(fields: Any) -> None:
    """Refuse a notice that says that its positions are in another frame than that of the schema."""
    several = fields.get("coincident_events") if isinstance(fields, dict) else None
    records = [fields, *(several[:1000] if isinstance(several, list) else ())]
    records += [record.get("localization") for record in records if isinstance(record, dict)]
    for record in records:
        for name in _FRAME_FIELDS if isinstance(record, dict) else ():
            said = record.get(name)
            if isinstance(said, str | int | float) and str(said).strip().lower() not in ("", *_FRAMES):
                raise BadNotice(f"the position is in {str(said)[:40]!r} ({name}); positions in ICRS are read")


def _notice(record: _Record) -> EventNotice:
    event = record.event
    name = next(iter(record.event_name), event)
    circles = record.circles()
    if circles and record.trigger is None:
        raise BadNotice(f"notice of {event} has a position, but none of 'trigger_time' and 'observation_start'")
    return EventNotice(
        event, record.kind, name, record.alert_datetime, record.number, record.trigger, circles, record.remark(circles),
        record.data_archive_page or record.healpix_url,
    )  # fmt: skip

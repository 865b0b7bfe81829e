"""Fields that notices of every format have (instants, names, numbers), and messages about those that lack one."""

from __future__ import annotations

import datetime
from typing import Annotated, Any

from astropy.time import Time
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, ValidationError

from broker_assets.instants import instant, with_zone


class BadNotice(ValueError):
    """The bytes are not a usable notice; the message says why."""


def _utc(value: Any) -> datetime.datetime:
    """An instant of ISO 8601; UTC if it names no zone."""
    is_text = isinstance(value, str) and len(value) >= len("2026-11-20T10:00") and value[10] in "T "
    if not is_text and not isinstance(value, datetime.datetime):
        raise ValueError(f"{str(value)[:40]!r} is not a date and time in ISO 8601")
    moment = with_zone(value) if isinstance(value, datetime.datetime) else instant(value)
    if not 1990 <= moment.year < 2100:
        raise ValueError(f"{value!s} is not a time of an event that could be observed")
    return moment.astimezone(datetime.UTC)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{text!r} has control characters")
    return text


Instant = Annotated[datetime.datetime, BeforeValidator(_utc)]
"""A time in UTC, from ISO 8601."""
# PostgreSQL can index no more than about 2,700 bytes.
Name = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=200), AfterValidator(_printable)]
"""A name of up to 200 characters."""
Text = Annotated[str, StringConstraints(strict=True, max_length=2_000), AfterValidator(_printable)]
"""A text of up to 2,000 characters."""
Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
"""A finite number."""


def first_problem(error: ValidationError) -> str:
    """Description of what is wrong with a record: the first of the problems."""
    problem = error.errors(include_url=False, include_context=False)[0]
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        *parents, name = problem["loc"]
        return f"the notice has no field {name!r}" + "".join(f" in {parent}" for parent in parents)
    if not place:
        return f"a notice is a record, not {type(problem['input']).__name__}"
    return f"a field of the notice is invalid: {place}: {problem['msg']}"


def mjd_tai(moment: datetime.datetime) -> float:
    """MJD in TAI of an instant in UTC."""
    return float(Time(moment, scale="utc").tai.mjd)

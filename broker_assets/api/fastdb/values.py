"""Values of bodies and addresses: numbers, texts, identifiers, times, versions.

Every function raises `FastdbError` if a value cannot be what it should be; the message names it.
"""

from __future__ import annotations

import datetime
import math
import uuid
from collections.abc import Mapping
from typing import Any, Final

import psycopg

from broker_assets import numerals
from broker_assets.api.fastdb.answers import FastdbError
from broker_assets.database.point_identity import MJD_MAXIMUM, MJD_MINIMUM
from broker_assets.instants import instant
from broker_assets.packets.timescales import tai_to_utc
from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.definitions import UnknownVersionError, Version

MOST_OBJECTS: Final = 20_000
"""Most objects of a request."""
_LONGEST: Final = 500
_EPOCH: Final = datetime.datetime(1858, 11, 17, tzinfo=datetime.UTC)


def version(connection: psycopg.Connection[Any], name: str) -> Version:
    """A version by its name, an alias, or its identifier."""
    try:
        return definitions.find(connection, name)
    except UnknownVersionError as error:
        raise FastdbError(str(error)) from None


def text(given: Mapping[str, Any], name: str, default: str | None = None) -> str | None:
    """A text, or null."""
    value = given.get(name, default)
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > _LONGEST or "\x00" in value:
        raise FastdbError(f"{name} must be a text of at most {_LONGEST} characters, not {str(value)[:100]!r}")
    return value


def needed(given: Mapping[str, Any], name: str) -> str:
    """A text that is not empty."""
    value = text(given, name)
    if value is None or not value.strip():
        raise FastdbError(f"{name} can't be empty")
    return value


def real(value: Any, name: str) -> float | None:
    """A finite number, also as text; None for null."""
    if value is None:
        return None
    try:
        number = numerals.real(value) if isinstance(value, str) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if isinstance(value, bool) or not math.isfinite(number):
        raise FastdbError(f"{name} must be a number, not {str(value)[:100]!r}")
    return number


def whole(value: Any, name: str, *, bits: int = 64) -> int:
    """A whole number, also as text."""
    try:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise TypeError
        number = numerals.whole(value) if isinstance(value, str) else int(value)
    except (TypeError, ValueError, OverflowError):
        raise FastdbError(f"{name} must be an integer, not {str(value)[:100]!r}") from None
    if not -(2 ** (bits - 1)) <= number < 2 ** (bits - 1):
        raise FastdbError(f"{name} must be an integer of {bits} bits")
    return number


def yes(value: Any, name: str) -> bool:
    """Whether something is wanted: true or false, 1 or 0; null means false."""
    if value is None or isinstance(value, bool):
        return bool(value)
    if isinstance(value, int) and value in (0, 1):
        return bool(value)
    raise FastdbError(f"{name} must be true or false, not {str(value)[:100]!r}")


def several(value: Any) -> list[Any]:
    """A list, or one value as a list."""
    return value if isinstance(value, list) else [value]


def identifier(value: Any, name: str) -> uuid.UUID:
    """An identifier of a root object."""
    try:
        return uuid.UUID(str(value))
    except ValueError:
        raise FastdbError(f"{name} must be a uuid, not {str(value)[:100]!r}") from None


def objects(value: Any, name: str = "objids") -> list[int] | list[uuid.UUID]:
    """Objects or root objects: either all are numbers, or all are uuids."""
    given = several(value)
    if not given:
        raise FastdbError("no objids requested")
    if len(given) > MOST_OBJECTS:
        raise FastdbError(f"{len(given)} objects are too many: ask for at most {MOST_OBJECTS} at a time")
    try:
        return [whole(one, name) for one in given]
    except FastdbError:
        pass
    try:
        return [uuid.UUID(str(one)) for one in given]
    except ValueError:
        shown = str(given)[:200]
        raise FastdbError(f"{name} must be a list of integers or a list of uuids, got {shown}") from None


def moment(value: Any, name: str) -> datetime.datetime | None:
    """A time in ISO 8601, UTC without a time zone; None for null."""
    if value is None:
        return None
    try:
        return instant(value)
    except (TypeError, ValueError):
        raise FastdbError(f"Failed to parse YYYY-MM-DD HH:MM:SS from {str(value)[:100]} ({name})") from None


def time_of(mjd: float, name: str) -> datetime.datetime:
    """The time of an MJD TAI."""
    utc = float(tai_to_utc([mjd])[0])
    if math.isnan(utc):
        raise FastdbError(f"{name} must be an MJD from {MJD_MINIMUM:.0f} to {MJD_MAXIMUM:.0f}, not {mjd:.10g}")
    return _EPOCH + datetime.timedelta(days=utc)

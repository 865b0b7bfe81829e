"""Times as clients write them."""

from __future__ import annotations

import datetime
import re
from typing import Final

from dateutil import parser

from broker_assets.instants import with_zone

_STRICT: Final = re.compile(r"\s*\d{4}-\d{2}-\d{2}(?:[ T]\d{2}:\d{2}:\d{2})?\s*", re.ASCII)


class BadTimeError(ValueError):
    """A time cannot be read; the message says which one, and the expected form."""


def read_time(text: object) -> datetime.datetime:
    """Read a time in any common notation.

    Parameters
    ----------
    text : object
        As the client sent it.

    Returns
    -------
    datetime.datetime
        With a time zone only if the text has one.

    Raises
    ------
    BadTimeError
        If the text is not a time of the years 1 to 9999, or names a time zone other than UTC.

    Examples
    --------
    >>> read_time("2024-01-02T12:00:00+02:00").isoformat(), read_time("2 Jan 2024").isoformat()
    ('2024-01-02T12:00:00+02:00', '2024-01-02T00:00:00')
    """
    try:
        # A missing time of day is midnight, and not that of the request.
        midnight = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        found: datetime.datetime = parser.parse(text, default=midnight, tzinfos=_zone)
        with_zone(found)
    except (ValueError, OverflowError, TypeError):
        raise BadTimeError(f"Failed to parse {str(text)[:100]!r} as YYYY-MM-DD or YYYY-MM-DD HH:MM:SS") from None
    return found


def _zone(name: str | None, seconds: int | None) -> datetime.timezone | None:
    """A time zone as dateutil found it; of those with names UTC alone has one meaning everywhere."""
    if seconds is not None:
        return datetime.timezone(datetime.timedelta(seconds=seconds))
    if name is None or name.upper() in ("UTC", "GMT", "Z"):
        return None if name is None else datetime.UTC
    raise ValueError(f"{name} is a time zone that is not known here: write the difference from UTC, as in +02:00")


def read_date(text: object, name: str) -> datetime.datetime:
    """Read a date, or a time to the second, of UTC.

    Raises
    ------
    BadTimeError
        If it has another form, or the date does not exist; `name` is in the message.

    Examples
    --------
    >>> read_date("2024-01-02 03:04:05", "since").isoformat()
    '2024-01-02T03:04:05+00:00'
    """
    if isinstance(text, str) and _STRICT.fullmatch(text):
        try:
            return datetime.datetime.fromisoformat(text.strip()).replace(tzinfo=datetime.UTC)
        except ValueError:
            pass
    raise BadTimeError(f"{name} must be YYYY-MM-DD or YYYY-MM-DD HH:MM:SS, UTC, not {str(text)[:100]!r}")

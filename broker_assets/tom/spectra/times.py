"""Times as clients write them."""

from __future__ import annotations

import datetime
import re
from typing import Final

from dateutil import parser

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
        If the text is not a time.

    Examples
    --------
    >>> read_time("2024-01-02T12:00:00+02:00").isoformat(), read_time("2 Jan 2024").isoformat()
    ('2024-01-02T12:00:00+02:00', '2024-01-02T00:00:00')
    """
    try:
        # A missing time of day is midnight, and not that of the request.
        midnight = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        found: datetime.datetime = parser.parse(text, default=midnight)
    except (ValueError, OverflowError, TypeError):
        raise BadTimeError(f"Failed to parse {str(text)[:100]!r} as YYYY-MM-DD or YYYY-MM-DD HH:MM:SS") from None
    return found


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

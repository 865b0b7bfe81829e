"""Times that users and other programs write: one without a time zone is UTC, everywhere."""

from __future__ import annotations

import datetime


def with_zone(when: datetime.datetime) -> datetime.datetime:
    """The same time with a time zone; UTC if it has none.

    Raises
    ------
    ValueError
        If it is before year 1 or after year 9999 in UTC: a database would store it, but nobody could read it.

    Examples
    --------
    >>> with_zone(datetime.datetime(2026, 12, 1, 3)).isoformat()
    '2026-12-01T03:00:00+00:00'
    """
    if when.tzinfo is None:
        return when.replace(tzinfo=datetime.UTC)
    try:
        when.astimezone(datetime.UTC)
    except OverflowError:
        raise ValueError(f"{when.isoformat()} is not in the years 1 to 9999 of UTC") from None
    return when


def instant(text: str) -> datetime.datetime:
    """Read a time in ISO 8601; it is UTC if the text has no time zone.

    Raises
    ------
    ValueError
        If the text is not a time in ISO 8601, or is beyond the calendar; see `with_zone`.

    Examples
    --------
    >>> instant("2026-12-01T03:00+01:00").isoformat(), instant("2026-12-01").isoformat()
    ('2026-12-01T03:00:00+01:00', '2026-12-01T00:00:00+00:00')
    """
    return with_zone(datetime.datetime.fromisoformat(text))

"""Times that users and other programs write: one without a time zone is UTC, everywhere."""

from __future__ import annotations

import datetime


def with_zone(when: datetime.datetime) -> datetime.datetime:
    """The same time with a time zone; UTC if it has none.

    Examples
    --------
    >>> with_zone(datetime.datetime(2026, 12, 1, 3)).isoformat()
    '2026-12-01T03:00:00+00:00'
    """
    return when if when.tzinfo is not None else when.replace(tzinfo=datetime.UTC)


def instant(text: str) -> datetime.datetime:
    """Read a time in ISO 8601; it is UTC if the text has no time zone.

    Raises
    ------
    ValueError
        If the text is not a time in ISO 8601.

    Examples
    --------
    >>> instant("2026-12-01T03:00+01:00").isoformat(), instant("2026-12-01").isoformat()
    ('2026-12-01T03:00:00+01:00', '2026-12-01T00:00:00+00:00')
    """
    return with_zone(datetime.datetime.fromisoformat(text))

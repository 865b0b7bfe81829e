"""Instants that others write: one without a time zone is in UTC, everywhere."""

from __future__ import annotations

import datetime


def with_zone(when: datetime.datetime) -> datetime.datetime:
    """The same time; in UTC if it names no zone.

    Examples
    --------
    >>> with_zone(datetime.datetime(2026, 12, 1, 3)).isoformat()
    '2026-12-01T03:00:00+00:00'
    """
    return when if when.tzinfo is not None else when.replace(tzinfo=datetime.UTC)


def instant(text: str) -> datetime.datetime:
    """An instant of ISO 8601, with its zone; in UTC if it names none.

    Raises
    ------
    ValueError
        If it is none.

    Examples
    --------
    >>> instant("2026-12-01T03:00+01:00").isoformat(), instant("2026-12-01").isoformat()
    ('2026-12-01T03:00:00+01:00', '2026-12-01T00:00:00+00:00')
    """
    return with_zone(datetime.datetime.fromisoformat(text))

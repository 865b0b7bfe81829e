"""Calendars as iCalendar (RFC 5545)."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from broker_assets.tom.calendars.events import Event
from broker_assets.tom.calendars.nights import Night


def calendar_bytes(
    events: Sequence[Event], nights: Sequence[Night], *, authority: str, pages: str, name: str = "Observations"
) -> bytes:
    """Write a calendar.

    Parameters
    ----------
    events : sequence of Event
        Events in the calendar.
    nights : sequence of Night
        Dark hours, entered as free time.
    authority : str
        Host name; identifiers of events end with it, and are the same in every file.
    pages : str
        Address of the web application, for links.
    name : str
        Name of the calendar.

    Returns
    -------
    bytes
        UTF-8; lines are folded, texts escaped.
    """
    from icalendar import Calendar
    from icalendar import Event as Entry

    calendar = Calendar()
    calendar.add("prodid", "-//broker_assets//calendar//EN")
    calendar.add("version", "2.0")
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", datetime.timedelta(hours=1), parameters={"VALUE": "DURATION"})
    for one in events:
        entry = Entry()
        entry.add("uid", f"{one.kind}-{one.number}@{authority}")
        entry.add("summary", one.name)
        entry.add("dtstart", one.begins.astimezone(datetime.UTC))
        entry.add("dtend", one.ends.astimezone(datetime.UTC))
        entry.add("dtstamp", one.modified.astimezone(datetime.UTC))
        entry.add("last-modified", one.modified.astimezone(datetime.UTC))
        if one.description:
            entry.add("description", one.description)
        if one.facility:
            entry.add("location", one.facility)
        path = f"/targets/observations/{one.number}/" if one.kind == "observation" else "/calendar/"
        entry.add("url", pages + path)
        calendar.add_component(entry)
    for night in nights:
        entry = Entry()
        entry.add("uid", f"night-{night.evening.isoformat()}-{_plain(night.observatory)}@{authority}")
        entry.add("summary", f"Dark at {night.observatory}, Moon {100 * night.moon:.0f} %")
        entry.add("dtstart", night.begins)
        entry.add("dtend", night.ends)
        entry.add("dtstamp", datetime.datetime.combine(night.evening, datetime.time(), datetime.UTC))
        entry.add("transp", "TRANSPARENT")
        calendar.add_component(entry)
    content: bytes = calendar.to_ical()
    return content


def _plain(name: str) -> str:
    """A name of letters and digits.

    Examples
    --------
    >>> _plain("Cerro Pachón")
    'cerro-pach-n'
    """
    return "".join(sign if sign.isascii() and sign.isalnum() else "-" for sign in name.lower())

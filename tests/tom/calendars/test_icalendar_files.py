"""Calendars as files, read again by another program's rules."""

from __future__ import annotations

import datetime

from icalendar import Calendar

from broker_assets.tom.calendars.events import Event
from broker_assets.tom.calendars.icalendar_files import calendar_bytes
from broker_assets.tom.calendars.nights import Night

NOON = datetime.datetime(2026, 12, 1, 12, tzinfo=datetime.UTC)


def test_what_is_written_is_read() -> None:
    name = "FORS2; a, long\\name " + "é" * 60
    event = Event("event", 4, "ann", name, "Paranal", "two\nlines", NOON, NOON + datetime.timedelta(hours=2), NOON)
    seen = Event("observation", 4, "ann", "M 1", "", "", NOON, NOON + datetime.timedelta(hours=1), NOON)
    night = Night("Cerro Pachón", NOON.date(), NOON, NOON + datetime.timedelta(hours=8), 0.5)
    content = calendar_bytes([event, seen], [night], authority="broker.example", pages="http://broker.example")
    assert all(len(line) <= 75 for line in content.split(b"\r\n"))
    entries = Calendar.from_ical(content).walk("VEVENT")
    assert [str(one["uid"]) for one in entries] == [
        "event-4@broker.example", "observation-4@broker.example", "night-2026-12-01-cerro-pach-n@broker.example"
    ]  # fmt: skip
    assert (str(entries[0]["summary"]), str(entries[0]["description"])) == (name, "two\nlines")
    assert entries[0].decoded("dtstart") == NOON
    assert str(entries[1]["url"]) == "http://broker.example/targets/observations/4/"
    assert str(entries[2]["transp"]) == "TRANSPARENT"
    again = calendar_bytes([event, seen], [night], authority="broker.example", pages="http://broker.example")
    assert again == content

"""The calendar: a month, events, and its secret address."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from site_visitors import signed_in

pytestmark = pytest.mark.database
EVENT = {"name": "<b>FORS2", "begins": "2026-12-10T22:00", "ends": "2026-12-11T04:00", "description": "bright"}


def test_a_month_with_events(people: Any) -> None:
    ann, bob = people.ann, people.bob
    assert people.guest.get("/calendar/").status_code == 302
    assert ann.done("/calendar/events/", **EVENT, facility="AGN") == "/calendar/?said=saved&month=2026-12"
    page = ann.text("/calendar/?month=2026-12&observatory=Paranal")
    assert page.count("22:00 &lt;b&gt;FORS2") == page.count("… &lt;b&gt;FORS2") == 1
    assert re.search(r"00:5\d–08:\d\d", page)  # dark at Paranal
    assert "FORS2" in bob.text("/calendar/?month=2026-12")
    assert "FORS2" not in people.eve.text("/calendar/?month=2026-12")
    assert ann.get("/calendar/?month=soon").status_code == 422
    wrong = ann.send("/calendar/events/", **EVENT | {"ends": "never"}, facility="AGN")
    assert (wrong.status_code, 'value="&lt;b&gt;FORS2"' in wrong.text) == (422, True)
    number = str(people.connection.execute("SELECT eventid FROM access.calendar_events").fetchone()[0])
    assert bob.send("/calendar/events/", number=number, do="remove").status_code == 404


def test_the_address_for_programs(people: Any) -> None:
    ann = people.ann
    assert people.guest.send("/calendar/address/").status_code == 401
    ann.done("/calendar/events/", **EVENT | {"begins": _soon(1), "ends": _soon(2), "name": "soon"})
    made = ann.send("/calendar/address/", do="make")
    address = re.findall(r"http://[^<]+\.ics", made.text)[0]
    answer = httpx.get(address, params={"observatory": "La Palma"}, timeout=60)
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert "SUMMARY:soon" in answer.text
    assert answer.text.count("SUMMARY:Dark at La Palma") == 60
    ann.done("/calendar/address/", do="end")
    assert httpx.get(address, timeout=60).status_code == 404


def _soon(hours: int) -> str:
    import datetime

    return (datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M")


@pytest.mark.browser
def test_it_can_be_read_in_a_browser(people: Any, page_browser: Any) -> None:
    signed_in(page_browser, people.url, people.ann)
    for dark, size in ((False, (1280, 800)), (True, (360, 740))):
        page_browser.go(f"{people.url}/calendar/?month=2026-12&observatory=Paranal", size, dark=dark)
        assert page_browser.sideways() <= 0
        assert page_browser.inaccessible() == []
    assert page_browser.troubles == []

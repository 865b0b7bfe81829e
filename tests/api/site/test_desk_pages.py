"""Pages of filters, lists, sky maps and annotators on a phone: nothing sideways, nothing that axe-core minds."""

from __future__ import annotations

import datetime
import json
from typing import Any

import pytest
from page_browser import PHONE, PageBrowser
from queued_messages import add_sink, queue
from site_visitors import number_in
from stored_filters import add_batch, add_object, add_run
from whole_sky_notice import whole_sky_notice

from broker_assets.annotations.annotators import add_annotator
from broker_assets.filters import trials
from broker_assets.sky.events import apply_notice, read_notice

pytestmark = [pytest.mark.database, pytest.mark.browser]


@pytest.fixture(scope="module")
def pages(people: Any) -> list[str]:
    """Addresses of pages with something on each."""
    ann, connection = people.ann, people.connection
    for number in range(1, 9):
        add_object(connection, 170000000000000000 + number, ndiasources=number)
    lines = "\n".join(f"{10 + number / 10}, -5, source {number}" for number in range(30)) + "\noh, no"
    watchlist = ann.done("/watchlists/create/", name="A watchlist with a long name", radius="5", lines=lines)
    connection.execute(
        "INSERT INTO watchlist_hits (diaobjectid, cone_id, wl_id, arcsec) SELECT 170000000000000001, cone_id, wl_id, 1"
        " FROM watchlist_cones LIMIT 5"
    )
    area = ann.done("/watchmaps/create/", name="area", corners="50 -30\n65 -30\n65 -20", order="8")
    made = ann.done("/filters/create/", name="bright", text="SELECT diaObjectId, ra FROM objects WHERE nDiaSources > 3")
    number = number_in(made)
    ann.done(f"/filters/{number}/update/", text="SELECT diaObjectId FROM objects WHERE nDiaSources > 4")
    for day in range(1, 15):
        night = datetime.date(2025, 11, day)
        add_run(connection, add_batch(connection, night=night), number, day * 7, night=night)
    add_sink(connection, number, target="https://broker.example/a-long-address-of-a-webhook")
    queue(connection, [1700000000000000011, 1700000000000000021], filterid=number)
    connection.execute(
        "UPDATE deliveries SET state = 'dead', failure = 'the receiver answered 503' WHERE deliveryid = 1"
    )
    assert ann.user is not None
    trial = trials.ask(connection, ann.user, "SELECT diaObjectId FROM objects", filterid=number, version=2)
    night_of = {
        "night": "2025-11-20", "alerts": 20000, "complete": False, "matches": 300, "bytes": 2345, "seconds": 3.4,
        "samples": [{"diaObjectId": 170000000000000001}], "problems": ["too slow"], "gained": 3, "lost": 4,
    }  # fmt: skip
    result = {"quota": 200, "later lists": ["watchlist 1"], "nights": [night_of]}
    connection.execute(
        "UPDATE access.trials SET state = 'done', result = %s WHERE trialid = %s", (json.dumps(result), trial)
    )
    now = datetime.datetime.now(datetime.UTC)
    sky_map = apply_notice(connection, read_notice(whole_sky_notice("S1", now))).identifier
    connection.execute(
        "INSERT INTO mma_area_hits (diaobjectid, mw_id, contour, probdens2) VALUES (170000000000000001, %s, 9, 1)",
        (sky_map,),
    )
    add_annotator(connection, "fastfinder", "ann", public=True)
    people.bob.done("/annotators/ask/", topic="slow", description="Says what it was, later than others.")
    filter_ = f"/filters/{number}/"
    return [
        watchlist, "/watchlists/create/", area, "/watchmaps/draw/?corners=1+2", f"/mma_watchmaps/{sky_map}/",
        "/annotators/", "/filters/", filter_, f"{filter_}?tab=deliveries", f"{filter_}update/",
        f"/filters/trials/{trial}/",
    ]  # fmt: skip


def test_pages_fit_a_phone_and_are_accessible(people: Any, pages: list[str], page_browser: PageBrowser) -> None:
    browser = page_browser
    host = people.url.partition("//")[2]
    wrong = []
    for place, path in enumerate(pages):
        visitor = people.root if path == "/annotators/" else people.ann
        cookie = visitor.client.cookies["sessionid"]
        browser._call("Network.setCookie", name="sessionid", value=cookie, domain=host.partition(":")[0], path="/")
        browser.go(people.url + path, PHONE, dark=place % 2 == 1)
        if browser.sideways() > 0:
            wrong.append(f"{path} is wider than a phone by {browser.sideways()} pixels")
        wrong += [f"{path}: {said}" for said in browser.inaccessible()]
    browser._call("Network.clearBrowserCookies")
    assert wrong == []
    assert browser.troubles == []

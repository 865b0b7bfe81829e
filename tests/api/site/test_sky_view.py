"""Maps of the sky: what they mark, who sees them, and what only they may load."""

from __future__ import annotations

import datetime
import html
import json
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest
from page_browser import PHONE, PageBrowser
from site_visitors import number_in, signed_in
from survey_images import survey_images
from whole_sky_notice import whole_sky_notice

from broker_assets.api.site.frame import POLICY
from broker_assets.database import engine
from broker_assets.settings import Settings
from broker_assets.settings.pages import SkyImage
from broker_assets.sky.events import apply_notice, read_notice

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def number(site: Any, filled_database_url: str) -> int:
    """An object that is near to a catalogue source."""
    with engine.connect(filled_database_url) as connection:
        row = connection.execute(
            "SELECT diaobjectid FROM sherlock_classifications WHERE raDeg IS NOT NULL ORDER BY 1 LIMIT 1"
        ).fetchone()
    assert row is not None
    return int(row[0])


def field_of(page: str) -> dict[str, Any]:
    """What a page gives to its map."""
    found = re.search(r'data-field="([^"]*)"', page)
    assert found is not None
    return dict(json.loads(html.unescape(found[1])))


def policy_of(answer: Any) -> dict[str, list[str]]:
    """The content policy of an answer, by directive."""
    words = [part.split() for part in answer.headers["content-security-policy"].split("; ")]
    return {directive: sources for directive, *sources in words}


def test_an_object_is_marked_with_its_context(site: Any, number: int) -> None:
    answer = site.client.get(f"/sky/objects/{number}/")
    field = field_of(answer.text)
    assert [(one["kind"], one["name"]) for one in field["points"][:2]] == [("centre", str(number)), ("context", "V1")]
    assert field["ra"] == field["points"][0]["ra"]
    page = site.client.get(f"/objects/{number}/").text
    assert f'href="/sky/objects/{number}/" data-frame=' in page
    assert 'class="finder"' in page
    assert site.client.get("/sky/objects/3/").status_code == 404


def test_the_address_has_middle_width_and_survey(site: Any, number: int) -> None:
    field = field_of(site.client.get(f"/sky/objects/{number}/?c=10.5,-5&fov=0.25").text)
    assert (field["ra"], field["dec"], field["width"]) == (10.5, -5.0, 0.25)
    usual = field_of(site.client.get(f"/sky/objects/{number}/").text)
    for wrong in ("c=x,1&fov=-1", "c=400,0", "fov=nan", "c=1"):
        assert field_of(site.client.get(f"/sky/objects/{number}/?{wrong}").text) == usual
    assert 'data-survey=""' in site.client.get(f"/sky/objects/{number}/?survey=none").text


def test_a_search_by_position_has_a_map_of_its_cone(site: Any, number: int) -> None:
    centre = field_of(site.client.get(f"/sky/objects/{number}/").text)
    page = site.client.get(f"/search/{centre['ra']:.6f} {centre['dec']:.6f} 5d", headers={"Accept": "text/html"})
    address = html.unescape(re.search(r'href="(/sky/cone/[^"]+)"', page.text)[1])  # type: ignore[index]
    field = field_of(site.client.get(address).text)
    assert field["circles"][0]["arcsec"] == 5 * 3600
    assert str(number) in {one["name"] for one in field["points"]}
    assert site.client.get("/sky/cone/?ra=1&dec=91&radius=1").status_code == 422


def test_only_maps_may_do_more_and_only_what_they_need(site: Any, number: int) -> None:
    usual = {name: list(sources) for name, sources in POLICY.items()}
    for path in ("/", f"/search/{number} x", "/watchmaps/", "/nights/", "/sso/"):
        assert policy_of(site.client.get(path, headers={"Accept": "text/html"})) == usual
    framing = policy_of(site.client.get(f"/objects/{number}/"))
    assert framing == usual | {"frame-src": ["'self'"]}
    own = policy_of(site.client.get(f"/sky/objects/{number}/?survey=none"))
    assert "'unsafe-inline'" not in str(own)
    assert "'unsafe-eval'" not in str(own)
    assert own["script-src"] == ["'self'", "'wasm-unsafe-eval'"]
    assert own["frame-ancestors"] == ["'self'"]
    assert own["img-src"] == usual["img-src"]
    assert own["connect-src"] == ["'self'", "data:"]
    with_images = policy_of(site.client.get(f"/sky/objects/{number}/"))
    assert with_images["img-src"] == [*usual["img-src"], "https://alasky.cds.unistra.fr"]
    assert {name: value for name, value in with_images.items() if name not in ("img-src", "connect-src")} == {
        name: value for name, value in own.items() if name not in ("img-src", "connect-src")
    }


def test_the_map_of_an_area_is_seen_by_those_who_see_the_area(people: Any) -> None:
    made = people.ann.done("/watchmaps/create/", name="<b>field", ra="359.9", dec="10", size="1")
    area = number_in(made)
    answer = people.ann.get(f"/sky/areas/{area}/")
    field = field_of(answer.text)
    assert field["regions"][0]["name"] == "<b>field"
    assert field["width"] == pytest.approx(2.5, abs=0.2)
    assert "<b>field" not in answer.text
    assert f'href="/sky/areas/{area}/"' in people.ann.text(f"/watchmaps/{area}/")
    for visitor in (people.guest, people.eve):
        assert visitor.get(f"/sky/areas/{area}/").status_code == 404
    assert people.ann.get("/sky/maps/1/").status_code == 404


@pytest.fixture(scope="module")
def event(people: Any) -> int:
    """A sky map of half of the sky with a candidate."""
    notice = read_notice(whole_sky_notice("S5", datetime.datetime.now(datetime.UTC)))
    number = apply_notice(people.connection, notice).identifier
    assert number is not None
    people.connection.execute("INSERT INTO objects (diaobjectid, survey, ra, decl) VALUES (7, 1, 10, -5)")
    people.connection.execute(
        "INSERT INTO mma_area_hits (diaobjectid, mw_id, contour, probdens2) VALUES (7, %s, 42.5, 0.1)", (number,)
    )
    return number


def test_a_sky_map_has_its_regions_and_candidates(people: Any, event: int) -> None:
    field = field_of(people.guest.text(f"/sky/maps/{event}/"))
    assert [one["name"] for one in field["regions"]] == ["90 %", "50 %", "10 %"]
    assert [one["link"] for one in field["points"]] == ["/objects/7/"]
    assert field["width"] == 180.0
    assert f'href="/sky/maps/{event}/"' in people.guest.text(f"/mma_watchmaps/{event}/")


@pytest.mark.browser
def test_maps_of_events_and_areas_are_drawn(people: Any, event: int, page_browser: PageBrowser) -> None:
    browser = page_browser
    signed_in(browser, people.url, people.ann)
    area = number_in(people.ann.done("/watchmaps/create/", name="drawn", ra="359.9", dec="10", size="1"))
    for path in (f"/sky/maps/{event}/", f"/sky/areas/{area}/"):
        browser.go(f"{people.url}{path}?survey=none", PHONE)
        browser.soon("document.getElementById('sky').dataset.ready === 'without images'", 60)
        browser.evaluate("document.querySelector('[data-do=out]').click()")
        browser.soon("location.search.includes('fov=')")
    browser.go("about:blank")
    assert browser.troubles == []
    assert browser.hosts <= {people.url.partition("//")[2]}


@pytest.mark.browser
def test_a_map_opens_in_its_page_with_images_of_the_survey_only(
    site: Any, number: int, page_browser: PageBrowser, server_of: Callable[[Settings], AbstractContextManager[str]]
) -> None:
    browser = page_browser
    with survey_images() as survey:
        server = site.settings.server.model_copy(update={"sky_images": [SkyImage(name="Test", url=survey.url)]})
        with server_of(site.settings.model_copy(update={"server": server})) as url:
            browser.go(f"{url}/objects/{number}/", PHONE)
            assert not survey.asked
            browser.evaluate("document.querySelector('[data-frame]').click()")
            inside = "document.querySelector('iframe.map').contentDocument"
            browser.soon(f"{inside}.getElementById('sky').dataset.ready === 'with images'", 60)
            assert browser.hosts == {url.split("/")[2], survey.url.split("/")[2]}
            browser.evaluate(f"{inside}.querySelector('[data-do=in]').click()")
            browser.soon(f"{inside}.defaultView.location.search.includes('fov=')")
            assert browser.troubles == []
            assert any(path.endswith(".jpg") for path in survey.asked)
            browser.go(f"{url}/sky/objects/{number}/?survey=none", PHONE, dark=True)
            browser.soon("document.getElementById('sky').dataset.ready === 'without images'", 60)
            assert browser.sideways() <= 0
            assert browser.inaccessible() == []
            assert browser.troubles == []
            browser.go("about:blank")  # a map is drawn all the time, here by the processor


@pytest.mark.browser
def test_without_images_webgl_or_scripts_the_same_is_there(site: Any, number: int, page_browser: PageBrowser) -> None:
    browser = page_browser
    drawn = "!document.getElementById('drawn').hidden && document.getElementById('sky').hidden"
    try:
        browser._call(
            "Page.addScriptToEvaluateOnNewDocument", source="HTMLCanvasElement.prototype.getContext = () => null"
        )
        browser.go(f"{site.url}/sky/objects/{number}/?survey=none")
        browser.soon("document.getElementById('sky').dataset.ready === 'drawn'")
        assert browser.evaluate(drawn)
        assert "the drawing and the list have the same" in browser.evaluate(
            "document.getElementById('message').innerText"
        )
        browser.go(f"{site.url}/sky/objects/{number}/", scripts=False)
        browser.soon(f"{drawn} && document.querySelector('.finder .point.context') !== null")
    finally:
        browser._call("Page.removeScriptToEvaluateOnNewDocument", identifier="1")
        browser.go("about:blank")
    assert browser.hosts <= {site.url.split("/")[2]}

"""Pages of solar-system objects: found by any name, with track, light curve, table, downloads and links."""

from __future__ import annotations

import csv
import io
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pytest
from page_browser import DESK, PHONE, PageBrowser

pytestmark = pytest.mark.database
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def asteroid(site: Any) -> dict[str, Any]:
    """The asteroid of the stream with the most detections: designation, ssObjectId, and its detections."""
    packets = [record for record in map(site.record, site.alerts) if record["ssSource"]]
    counts: dict[int, list[dict[str, Any]]] = {}
    for packet in packets:
        counts.setdefault(packet["ssSource"]["ssObjectId"], []).append(packet)
    number, own = max(counts.items(), key=lambda item: (len(item[1]), -item[0]))
    return {"name": own[0]["mpc_orbits"]["designation"], "number": number, "packets": own}


def test_search_leads_to_the_page_and_the_footer_to_the_list(site: Any, asteroid: dict[str, Any]) -> None:
    name = asteroid["name"]
    answer = site.client.get("/sso/search", params={"q": f" {name.lower()} "}, headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/sso/{quote(name.lower())}/")
    found = site.client.get(f"/search/sso:{quote(name)}", headers=HTML)
    assert (found.status_code, found.headers["location"]) == (303, f"/sso/{quote(name)}/")
    contents = site.client.get("/sso/", headers=HTML).text
    assert f'href="/sso/{quote(name)}/"' in contents
    assert 'href="/sso/"' in site.client.get("/", headers=HTML).text


def test_what_is_not_stored_is_said_and_kept_in_the_field(site: Any) -> None:
    answer = site.client.get("/sso/search", params={"q": '"><script>2099 ZZ9'}, headers=HTML)
    assert answer.status_code == 404
    assert "Nothing is stored" in answer.text
    assert 'value="&#34;&gt;&lt;script&gt;2099 ZZ9"' in answer.text
    for path in ("/sso/2099 ZZ9/", "/sso/C%2F2023 A3/", "/sso/2099 ZZ9/track.csv", "/sso/2099 ZZ9/points.json"):
        assert site.client.get(path, headers=HTML).status_code == 404
    assert "There is no" not in site.client.get("/sso/C%2F2023 A3/", headers=HTML).text


def test_the_page_has_track_curve_table_and_links(site: Any, asteroid: dict[str, Any]) -> None:
    page = site.client.get(f"/sso/{quote(asteroid['name'])}/", headers=HTML)
    assert page.status_code == 200
    for packet in asteroid["packets"]:
        assert f'href="/search/src:{packet["diaSource"]["diaSourceId"]}"' in page.text
    assert page.text.count('class="curve track"') == 2
    assert "minorplanetcenter.net" in page.text
    assert "ssd.jpl.nasa.gov" in page.text
    assert str(asteroid["number"]) in page.text
    assert f"Detections: {len(asteroid['packets'])}" in page.text
    by_number = site.client.get(f"/sso/{asteroid['number']}/", headers=HTML)
    assert by_number.text.count("<h1>") == 1
    assert asteroid["name"] in by_number.text


def test_downloads_have_all_detections_and_say_what_they_are(site: Any, asteroid: dict[str, Any]) -> None:
    path = f"/sso/{quote(asteroid['name'])}"
    answer = site.client.get(f"{path}/track.csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    wanted = sorted(str(packet["diaSource"]["diaSourceId"]) for packet in asteroid["packets"])
    assert sorted(row["diaSourceId"] for row in rows) == wanted
    assert {"midpointMjdTai", "dec", "phaseAngle", "reducedMag"} <= set(rows[0])
    assert answer.headers["content-disposition"].endswith('.csv"')
    for drawing in ("track.svg", "curve.svg?x=phase&y=reduced"):
        drawn = site.client.get(f"{path}/{drawing}")
        assert drawn.headers["content-type"] == "image/svg+xml"
        assert drawn.headers["content-security-policy"].startswith("default-src 'none'")
        ElementTree.fromstring(drawn.text)  # noqa: S314 (our own)
    points = site.client.get(f"{path}/points.json").json()
    assert sorted(points["id"]) == wanted
    assert points["sources"] == "/search/src:"


def test_bands_axes_and_distance_come_from_the_address(site: Any, asteroid: dict[str, Any]) -> None:
    path = f"/sso/{quote(asteroid['name'])}/"
    page = site.client.get(f"{path}?b=&y=reduced&x=phase&within=0.5", headers=HTML).text
    assert "reduced magnitude (AB)" in page
    assert "phase angle (degrees)" in page
    assert 'value="0.5"' in page
    assert "data-points" not in page
    assert site.client.get(f"{path}?within=x&y=x&x=x", headers=HTML).status_code == 200


@pytest.mark.browser
def test_pages_hold_in_every_size_and_the_curve_by_keyboard(
    site: Any, asteroid: dict[str, Any], page_browser: PageBrowser
) -> None:
    browser = page_browser
    for path in ("/sso/", f"/sso/{quote(asteroid['name'])}/"):
        for size, dark in ((DESK, False), (PHONE, True)):
            browser.go(f"{site.url}{path}", size, dark=dark)
            assert browser.sideways() <= 0
            assert browser.inaccessible() == []
    browser.soon("document.querySelector('.live canvas') !== null")
    browser.evaluate("document.querySelector('.live').focus()")
    browser.key("ArrowRight")
    browser.soon("document.querySelector('.pinned').textContent.includes(' mag')")
    assert "/search/src:" in browser.evaluate("document.querySelector('.pinned a').getAttribute('href')")
    browser.evaluate("document.getElementById('y-reduced').click()")
    browser.soon("document.getElementById('y-reduced').getAttribute('aria-current') === 'true'")
    browser.soon("document.querySelector('.live canvas') !== null")
    assert browser.troubles == []
    assert browser.hosts <= {site.url.split("/")[2]}


@pytest.mark.browser
def test_without_scripts_the_drawings_are_there(site: Any, asteroid: dict[str, Any], page_browser: PageBrowser) -> None:
    try:
        page_browser.go(f"{site.url}/sso/{quote(asteroid['name'])}/", scripts=False)
        page_browser.soon("document.querySelectorAll('.track .mark').length > 1")
        page_browser.soon("document.querySelector('#curve .still svg .mark') !== null")
    finally:
        page_browser.go("about:blank")

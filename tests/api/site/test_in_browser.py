"""The pages in a real browser: what they load, how they fit, and that they work by keyboard and without scripts."""

from __future__ import annotations

from typing import Any

import pytest
from page_browser import DESK, PHONE, PageBrowser

from broker_assets.database import engine

pytestmark = [pytest.mark.browser, pytest.mark.database]


@pytest.fixture(scope="module")
def path(site: Any, filled_database_url: str) -> str:
    """The page of the object with the most detections."""
    with engine.connect(filled_database_url) as connection:
        row = connection.execute("SELECT diaobjectid FROM objects ORDER BY ndiasources DESC, 1 LIMIT 1").fetchone()
    assert row is not None
    return f"/objects/{row[0]}/"


def check(browser: PageBrowser, url: str) -> None:
    """Both sizes, light and dark: nothing from elsewhere, nothing refused, nothing sideways, nothing inaccessible."""
    for size, dark in ((DESK, False), (PHONE, True)):
        browser.go(url, size, dark=dark)
        assert browser.sideways() <= 0
        assert browser.inaccessible() == []
    assert browser.troubles == []
    assert browser.hosts <= {url.split("/")[2]}


@pytest.mark.parametrize("page", ["/", "/search/nothing at all", "/status/", "/accounts/login/"])
def test_pages_hold_in_every_size(site: Any, page_browser: PageBrowser, page: str) -> None:
    check(page_browser, f"{site.url}{page}")


def test_the_page_of_an_object_holds_in_every_size(site: Any, page_browser: PageBrowser, path: str) -> None:
    check(page_browser, f"{site.url}{path}")
    page_browser.go(f"{site.url}{path}", (320, 700))
    assert page_browser.sideways() <= 0


def test_a_reader_searches_and_reads_the_curve_by_keyboard(site: Any, page_browser: PageBrowser, path: str) -> None:
    browser = page_browser
    browser.go(site.url)
    browser.soon("document.querySelector('.health .verdict') !== null")
    browser.evaluate(f"document.getElementById('find').value = {path.split('/')[2]!r}")
    browser.evaluate("document.getElementById('find').form.requestSubmit()")
    browser.soon(f"location.pathname === {path!r} && document.querySelector('.live canvas') !== null")
    browser.evaluate("document.querySelector('.live').focus()")
    browser.key("ArrowRight")
    browser.soon("document.querySelector('.pinned').textContent.includes('MJD')")
    first = browser.evaluate("document.querySelector('.pinned').textContent")
    browser.key("ArrowRight")
    assert browser.evaluate("document.querySelector('.pinned').textContent") != first
    browser.key("+")
    browser.soon("new URL(location).searchParams.has('t')")
    browser.key("Escape")
    assert browser.evaluate("document.querySelector('.pinned').textContent") == ""
    assert browser.troubles == []


def test_a_copied_address_gives_the_same_chart(site: Any, page_browser: PageBrowser, path: str) -> None:
    browser = page_browser
    browser.go(f"{site.url}{path}")
    browser.soon("document.querySelector('.live canvas') !== null")
    shown = browser.evaluate("[...document.querySelectorAll('[id^=band-][aria-pressed=true]')].map(b => b.id)")
    assert len(shown) > 1
    browser.evaluate(f"document.getElementById({shown[0]!r}).click()")
    browser.soon(f"document.getElementById({shown[0]!r}).getAttribute('aria-pressed') === 'false'")
    browser.soon("document.querySelector('.live canvas') !== null")
    browser.evaluate("document.getElementById('y-mag').click()")
    browser.soon("document.getElementById('y-mag').getAttribute('aria-current') === 'true'")
    browser.soon("document.querySelector('.live canvas') !== null")
    address = browser.evaluate("location.href")
    assert "y=mag" in address
    browser.go(address)
    assert browser.evaluate(f"document.getElementById({shown[0]!r}).getAttribute('aria-pressed')") == "false"
    assert browser.evaluate("document.getElementById('y-mag').getAttribute('aria-current')") == "true"
    assert browser.troubles == []


def test_copying_says_what_was_copied(site: Any, page_browser: PageBrowser, path: str) -> None:
    page_browser.go(f"{site.url}{path}")
    copied = page_browser.evaluate(
        "(b => (b.click(), b.dataset.copy))(document.querySelector('[data-copy]:not([data-copy=\"\"])'))"
    )
    page_browser.soon(f"document.getElementById('said').textContent === 'Copied: ' + {copied!r}")


def test_without_scripts_the_drawing_is_there(site: Any, page_browser: PageBrowser, path: str) -> None:
    try:
        page_browser.go(f"{site.url}{path}", scripts=False)
        drawn = "document.querySelectorAll('.still svg .mark').length > 1 && document.querySelector('.live').hidden"
        page_browser.soon(drawn)
    finally:
        page_browser.go("about:blank")


def test_ten_thousand_points_zoom_within_a_fifth_of_a_second(site: Any, page_browser: PageBrowser, path: str) -> None:
    """The chart of the page with a long made-up light curve in place of its own."""
    browser = page_browser
    browser.go(f"{site.url}{path}")
    browser.soon("document.querySelector('.live canvas') !== null")
    made = """(async () => {
      const section = document.querySelector('#curve'), answer = await (await fetch(section.dataset.points)).json();
      const many = (one) => Array.from({length: 10000}, (_, row) => one(row));
      for (const name of ['band', 'survey', 'id', 'snr', 'reliability', 'stamps', 'utc', 'limit', 'forced', 'detected'])
        answer[name] = many(row => answer[name][row % answer[name].length]);
      Object.assign(answer, {x: many(row => 60000 + row / 10), y: many(row => Math.sin(row) * 1e4),
        error: many(() => 300), x_range: [60000, 61000], y_range: [-12000, 12000]});
      const copy = section.cloneNode(true);
      copy.querySelector('.live').replaceChildren();
      delete copy.dataset.mounted;
      copy.dataset.points = URL.createObjectURL(new Blob([JSON.stringify(answer)]));
      window.fetch = async () => ({ok: true, json: async () => answer});
      section.replaceWith(copy);
      document.dispatchEvent(new Event('htmx:afterSettle'));
    })()"""
    browser.evaluate(made)
    browser.soon("document.querySelector('#curve .live canvas') !== null")
    zoom = """new Promise(done => {
      const begin = performance.now();
      document.querySelector('[data-do=in]').click();
      requestAnimationFrame(() => setTimeout(() => done(performance.now() - begin)));
    })"""
    times = sorted(browser.evaluate(zoom) for _ in range(5))
    assert times[0] < 200
    assert browser.troubles == []

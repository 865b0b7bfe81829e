"""A newcomer in a browser: a watchlist is uploaded, a filter is written with an error, corrected, tried, activated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from page_browser import PHONE, PageBrowser

from broker_assets.access import accounts
from broker_assets.database import engine

pytestmark = [pytest.mark.database, pytest.mark.browser]
PASSWORD = "correct horse battery"


@pytest.fixture
def newcomer(filled_database_url: str) -> Iterator[Any]:
    """An account, which goes with all that it leaves."""
    with engine.connect(filled_database_url, autocommit=True) as connection:
        yield accounts.add(connection, "newcomer", PASSWORD)
        for table in ("filters", "filter_versions", "filter_periods", "watchlist_periods", "rematch"):
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM watchlists WHERE owner = 'newcomer'")
        accounts.remove(connection, "newcomer")


def press(browser: PageBrowser, words: str) -> None:
    """Press the button with these words, and wait for the next page."""
    browser.evaluate("window.here = true")
    browser.evaluate(
        f"[...document.querySelectorAll('main button')].find(one => one.textContent.trim() === {words!r}).click()"
    )
    browser.soon("!window.here && document.readyState === 'complete'")


def fill(browser: PageBrowser, **fields: str) -> None:
    """Write into fields as a user does."""
    for name, text in fields.items():
        browser.evaluate(
            f"(field => {{ field.value = {text!r}; field.dispatchEvent(new Event('input', {{bubbles: true}})) }})"
            f"(document.querySelector('main [name={name}]'))"
        )


def test_from_log_in_to_an_active_filter(site: Any, newcomer: Any, page_browser: PageBrowser) -> None:
    browser = page_browser
    browser.go(f"{site.url}/accounts/login/?next=/watchlists/create/")
    fill(browser, username="newcomer", password=PASSWORD)
    press(browser, "Log in")

    fill(browser, name="stars", lines="10, -5, first\noh, no\n11, -5, second")
    press(browser, "Create watchlist")
    words = browser.evaluate("document.querySelector('main').innerText")
    assert "1 line was not accepted" in words
    assert "right ascension 'oh'" in words

    browser.go(f"{site.url}/filters/create/")
    fill(browser, name="bright", text="SELECT diaObjectId, nDiaSource FROM objects WHERE nDiaSources > 3")
    browser.soon("!!document.querySelector('[data-line]')")
    assert "Did you mean nDiaSources?" in browser.evaluate("document.getElementById('problems').innerText")
    browser.evaluate("document.querySelector('[data-line]').click()")
    selected = "(t => t.value.slice(t.selectionStart, t.selectionEnd))(document.getElementById('text'))"
    assert browser.evaluate(selected) == "nDiaSource"
    browser.evaluate("document.querySelector('[data-insert=\"objects.nDiaSources\"]').click()")
    browser.soon("document.getElementById('problems').innerText.includes('Accepted')")
    press(browser, "Try")
    browser.soon("document.querySelector('main').innerText.includes('✓ done')", 240)
    assert browser.evaluate("document.querySelectorAll('.night-chart .bar').length") > 0

    browser.evaluate("history.back()")
    browser.soon("location.pathname === '/filters/create/' && document.readyState === 'complete'")
    fill(browser, name="bright", text="SELECT diaObjectId, objects.nDiaSources FROM objects WHERE nDiaSources > 3")
    press(browser, "Save")
    assert "Created." in browser.evaluate("document.querySelector('main').innerText")
    press(browser, "Activate")
    browser.soon("document.querySelector('main').innerText.includes('the filter is active')", 240)
    browser.evaluate("document.querySelector('.actions a').click()")
    browser.soon("document.querySelector('h1 + .state')?.textContent.includes('✓ active')")
    browser.resize(*PHONE)
    assert browser.sideways() <= 0
    assert browser.troubles == []
    assert browser.hosts == {site.url.partition("//")[2]}

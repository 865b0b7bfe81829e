"""The editor: what is wrong and where, what is kept, and every table and column."""

from __future__ import annotations

from typing import Any

import pytest
from page_browser import DESK, PHONE, PageBrowser
from site_visitors import signed_in

from broker_assets.filters.schema import TABLES

pytestmark = pytest.mark.database
BAD = "selected:\n  objects.diaObjectId, flux2mg(objects.g_psfFlux) AS m\ntables: objects\n"


def test_errors_have_line_column_and_the_nearest_name(people: Any) -> None:
    part = people.ann.send("/filters/check/", text=BAD).text
    assert "<html" not in part
    assert 'data-line="2" data-column="24"' in part
    assert "there is no function flux2mg" in part
    assert "Did you mean flux2mag?" in part
    assert "✓" in people.ann.send("/filters/check/", text=BAD.replace("2mg", "2mag")).text


def test_without_scripts_a_button_checks_and_nothing_that_was_typed_is_lost(people: Any) -> None:
    for fields, code in (({"do": "check"}, 200), ({"do": "save"}, 422)):
        answer = people.ann.send("/filters/create/", text=BAD, name='"><script>x', **fields)
        assert answer.status_code == code
        assert "flux2mg(objects.g_psfFlux)" in answer.text
        assert "line 2, column 24" in answer.text
        assert "<script>x" not in answer.text
    good = BAD.replace("2mg", "2mag")
    assert "Accepted" in people.ann.send("/filters/create/", text=good, name="x", do="check").text
    path = people.ann.done("/filters/create/", text=good, name="x", do="save").partition("?")[0]
    assert "already has a filter" in people.ann.send("/filters/create/", text=good, name="X").text
    assert "line 2, column 24" in people.ann.send(f"{path}update/", text=BAD).text
    assert "flux2mag" in people.ann.text(f"{path}update/")
    assert "watchlist 99" in people.ann.send("/filters/check/", text="selected: ra\ntables: objects, watchlist:99").text


def test_the_editor_shows_every_table_and_column(people: Any) -> None:
    page = people.ann.text("/filters/create/")
    for table in TABLES.values():
        for column in table.columns.values():
            assert f'data-insert="{table.name}.{column.documented}"' in page
    assert people.guest.get("/filters/create/").status_code == 302


def test_an_account_has_a_quota_of_filters(people: Any) -> None:
    people.connection.execute(
        "INSERT INTO filters (owner, name, version) SELECT 'eve', 'f' || n, 1 FROM generate_series(1, 100) AS n"
    )
    answer = people.eve.send("/filters/create/", text="SELECT ra FROM objects", name="one more")
    assert answer.status_code == 422
    assert "you have 100 of 100 filters" in answer.text


def test_only_the_editor_may_write_styles_and_each_time_under_another_nonce(people: Any) -> None:
    policies = []
    for path in ("/filters/create/", "/filters/create/", "/filters/"):
        answer = people.ann.get(path)
        directives = answer.headers["content-security-policy"].split("; ")
        policies.append(next(one for one in directives if one.startswith("style-src")))
        assert "unsafe-inline" not in answer.headers["content-security-policy"]
        assert "script-src 'self'" in directives
    assert policies[2] == "style-src 'self'"
    assert policies[0] != policies[1]
    assert policies[0].startswith("style-src 'self' 'nonce-")


def test_problems_say_what_is_wrong_to_the_editor_too(people: Any) -> None:
    part = people.ann.send("/filters/check/", text=BAD.replace("flux2mg", 'flux2"<b>')).text
    assert "<b>" not in part.replace("</b>", "").replace("<b>Did", "")
    part = people.ann.send("/filters/check/", text=BAD).text
    assert 'data-message="there is no function flux2mg. Did you mean flux2mag?"' in part


@pytest.mark.browser
def test_the_editor_completes_marks_and_lets_tab_go(people: Any, page_browser: PageBrowser) -> None:
    browser = page_browser
    signed_in(browser, people.url, people.ann)
    for size, dark in ((PHONE, True), (DESK, False)):
        browser.go(f"{people.url}/filters/create/", size, dark=dark)
        browser.soon("document.querySelector('.cm-content') !== null && document.getElementById('text').hidden")
        assert browser.sideways() <= 0
        assert browser.inaccessible() == []
    browser.soon("document.querySelector('#problems').innerText.includes('Accepted')")
    assert browser.evaluate("getComputedStyle(document.querySelector('.cm-scroller')).display") == "flex"
    assert browser.evaluate("document.querySelectorAll('.cm-line span').length") > 5

    browser.evaluate("(f => { f.value = ''; f.dispatchEvent(new Event('input', {bubbles: true})) })(text)")
    browser.evaluate("document.querySelector('.cm-content').focus()")
    for letter in "SELECT objects.nDiaS":
        browser.key(letter)
    browser.soon("document.querySelector('.cm-tooltip-autocomplete [aria-selected=true]') !== null")
    offered = "[...document.querySelectorAll('.cm-completionLabel')].map(one => one.textContent)"
    assert "nDiaSources" in browser.evaluate(offered)
    assert browser.inaccessible() == []
    browser.soon(f"{offered}.includes('nDiaSources')")
    browser.key("Escape")
    browser.evaluate("(f => { f.value = 'SELECT diaObjectId,\\n nDiaSource FROM objects';"
                     " f.dispatchEvent(new Event('input', {bubbles: true})) })(text)")  # fmt: skip
    browser.soon("document.querySelector('.cm-lintRange-error')?.textContent === 'nDiaSource'")
    browser.evaluate("document.querySelector('.cm-content').focus()")
    browser.key("Tab")
    assert not browser.evaluate("document.activeElement.closest('.cm-editor')")
    assert browser.troubles == []
    assert browser.hosts <= {people.url.partition("//")[2]}


@pytest.mark.browser
def test_without_scripts_the_field_is_there(people: Any, page_browser: PageBrowser) -> None:
    try:
        signed_in(page_browser, people.url, people.ann)
        page_browser.go(f"{people.url}/filters/create/", scripts=False)
        page_browser.soon("!document.getElementById('text').hidden && document.querySelector('.cm-editor') === null")
    finally:
        page_browser.go("about:blank")

"""SQL in the browser: an editor that runs nothing by itself, and jobs that are found again by their account alone."""

from __future__ import annotations

import time
from typing import Any

import pytest
from site_visitors import signed_in, without_markup

from broker_assets.api.site.sql import judged

pytestmark = pytest.mark.database
QUERY = "SELECT table_name, POINT(10, -5) AS place\nFROM tap_schema.tables WHERE table_name = 'objects'"


def ended(visitor: Any, path: str) -> str:
    """The page of a query that has ended."""
    deadline = time.monotonic() + 60
    while True:
        text: str = visitor.text(path)
        if 'hx-trigger="every 2s"' not in text:
            return text
        assert time.monotonic() < deadline, text
        time.sleep(0.2)


def test_the_editor_runs_nothing_by_itself(people: Any) -> None:
    address = "/sql/?q=SELECT+ra+FROM+objects+WHERE+ra+%3C+3+--+%3Cscript%3E"
    for visitor in (people.guest, people.ann):
        page = visitor.text(address)
        assert "SELECT ra FROM objects WHERE ra &lt; 3 -- &lt;script&gt;</textarea>" in page
        assert "Objects in a cone" in page
        assert 'data-insert="objects.lastdiasourcemjdtai"' in page
    assert "Log in</a> to run queries here" in people.guest.text(address)
    assert "None yet: choose an example" in people.ann.text(address)
    assert people.guest.send("/sql/", text=QUERY).status_code == 401
    assert people.ann.send("/sql/", text=QUERY, forged=True).status_code == 403


def test_what_is_wrong_is_said_at_its_place(people: Any) -> None:
    [problem] = judged("SELECT ra\nFROM objecs").problems
    assert (problem.line, problem.column) == (2, 6)
    [problem] = judged("SELECT ra FROM objects\nWHERE ra >").problems
    assert (problem.line, problem.column) == (2, 10)
    assert judged("SELECT nothing FROM objects WHERE pg_sleep(3) = 1").problems[0].column == 35
    assert judged("SELECT ra FROM objects").reads == ("objects",)
    part = people.ann.send("/sql/check/", text="SELECT ra\nFROM objecs").text
    assert 'data-line="2" data-column="6"' in part
    assert "FROM objecs\n     ^" in part
    kept = people.ann.send("/sql/", text="SELECT ra\nFROM objecs")
    assert (kept.status_code, "FROM objecs</textarea>" in kept.text) == (422, True)


def test_a_query_is_left_and_found_again(people: Any) -> None:
    ann = people.ann
    path = ann.done("/sql/", text=QUERY, form="csv")
    page = ended(ann, path)
    words = without_markup(page)
    assert "✓ done" in words
    assert "1 row." in words
    assert "objects 10 -5" in words
    assert f'href="{path}"' in ann.text("/sql/")
    job = path.split("/")[2]
    file = ann.get(f"/api/vo/tap/async/{job}/results/result")
    assert (file.text, f"async/{job}/results/result" in page) == ('"table_name","place"\n"objects","10 -5"\n', True)
    assert "curl --data-urlencode" in page
    assert people.bob.get(path).status_code == people.bob.send(f"{path}delete/").status_code == 404
    assert people.guest.get(path).status_code == 302
    assert ann.done(f"{path}cancel/") == path  # it has ended before
    assert "✓ done" in ann.text(path)
    assert ann.done(f"{path}delete/") == "/sql/"
    assert ann.get(path).status_code == 404


def test_a_query_that_fails_says_where(people: Any) -> None:
    path = people.ann.done("/sql/", text="SELECT diaobjectid,\n  raa FROM objects", form="parquet")
    words = without_markup(ended(people.ann, path))
    assert "✗ failed" in words
    assert "line 2, column 3: The query cannot run: column &#34;raa&#34; does not exist" in words
    path = people.ann.done("/sql/", text="SELECT diaobjectid FROM objects WHERE ra > 400", form="nonsense")
    assert "No row fulfils the conditions." in ended(people.ann, path)
    path = people.ann.done("/sql/", text=QUERY, form="votable")
    assert "The rows are in the file" in ended(people.ann, path)


@pytest.mark.browser
def test_the_page_in_a_browser(people: Any, page_browser: Any) -> None:
    browser = page_browser
    signed_in(browser, people.url, people.ann)
    browser.go(f"{people.url}/sql/?q=SELECT+ra%0AFROM+objecs")
    browser.soon("document.getElementById('problems').innerText.includes('line 2, column 6')")
    browser.soon("document.querySelector('.cm-lintRange-error').textContent === 'objecs'")
    browser.evaluate("document.querySelector('[data-line]').click()")
    browser.evaluate("document.querySelector('[data-insert=\"objects.ra\"]').click()")
    assert browser.evaluate("document.getElementById('text').value") == "SELECT ra\nFROM objects.ra"
    assert browser.inaccessible() == []
    for width in (1280, 360, 320):
        browser.resize(width, 740)
        assert browser.sideways() <= 0
    assert browser.troubles == []
    assert browser.hosts == {people.url.partition("//")[2]}

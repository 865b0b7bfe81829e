"""Every page when there is nothing yet, and when the database is away: what to do is said at its place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
from every_route import every_route
from fastapi import FastAPI
from fastapi.testclient import TestClient
from site_visitors import without_markup

from broker_assets.api import create_app
from broker_assets.settings import DatabaseSettings, Settings

HTML: Final = {"Accept": "text/html,*/*"}
PROGRAMS: Final = ("/api/", "/static/", "/auth/", "/fastdb/", "/db/", "/health", "/metrics", "/ready", "/fragment")
"""Answers that are no pages."""
EMPTY: Final = {
    "/": "Nothing has been received",
    "/annotators/": "There is no annotator that you may see yet",
    "/calendar/": "Enter nights that you have been given",
    "/comres/": "None yet: the owner of a filter makes it public",
    "/filters/": "You have no filter yet. Write one",
    "/filters/trials/": "You have tried no filter yet: write one",
    "/mma_watchmaps/": "No notice of an event has arrived yet",
    "/nights/": "No alert has been received",
    "/spectra/": "No spectrum is wanted. Candidates are",
    "/spectra/files/": "You may see no spectrum yet. Add one",
    "/sql/": "None yet: choose an example above",
    "/sso/": "Detections of known asteroids and comets appear here as alerts with them arrive",
    "/status/costs/": "No run has recorded what it cost",
    "/status/quarantine/": "No message waits",
    "/targets/": "You have no target yet. Create one",
    "/targets/observations/": "No request is open. Ask for one",
    "/telemetry/": "No folder is watched: set BROKER_TELEMETRY__INCOMING",
    "/telemetry/products/": "Nothing of these",
    "/telemetry/publication/": "Nothing was delivered yet",
    "/watchlists/": "You have no watchlist yet. Upload a file",
    "/watchmaps/": "You have no area yet. Upload a MOC",
    "/elasticc/alertstreamhists": "Nothing is stored here yet",
    "/elasticc2/classifiers": "Nothing is stored here yet",
    "/elasticc2/contradictions": "compare_brokers does it every day",
    "/elasticc2/scorecards": "No message of a broker has been compared",
}
"""What pages say that have nothing to show."""


@pytest.fixture(scope="module")
def away(tmp_path_factory: Any) -> FastAPI:
    """The application whose database does not answer."""
    url = "postgresql+psycopg://nobody@127.0.0.1:1/nothing?connect_timeout=1"
    home = Path(tmp_path_factory.mktemp("home"))
    return create_app(Settings(home=home, database=DatabaseSettings(url=url), streams=[]))  # type: ignore[arg-type]


def pages(app: FastAPI) -> list[str]:
    """Addresses of pages without a parameter."""
    every = {path for method, path in every_route(app) if method == "GET" and "{" not in path}
    return sorted(path for path in every if not path.startswith(PROGRAMS) and path.endswith("/"))


def test_the_list_names_pages_that_there_are(away: FastAPI) -> None:
    assert set(EMPTY) <= {path for _, path in every_route(away)}


@pytest.mark.database
def test_a_page_with_nothing_says_what_to_do(people: Any) -> None:
    for path, says in EMPTY.items():
        text = people.root.text(path)
        main = text.split("<main", 1)[1].split("</main>")[0]
        assert says in without_markup(main), path
        assert re.search(r"<(a|form|code)[ >]", main), path
        assert text.count("<h1") == 1, path


def test_without_its_database_a_page_says_so(away: FastAPI) -> None:
    with TestClient(away, base_url="http://localhost", follow_redirects=True) as client:
        broken = 0
        for path in pages(away):
            answer = client.get(path, headers=HTML)
            assert answer.status_code in (200, 401, 403, 404, 405, 422, 503), (path, answer.status_code)
            if answer.status_code == 503:
                broken += 1
                assert re.search(r'role="alert">.*database.*', answer.text), path
                assert "Try again</a>; if it stays so" in answer.text, path
                assert re.search(r"Error 503, request [0-9a-f]{8}", answer.text), path
    assert broken > 8

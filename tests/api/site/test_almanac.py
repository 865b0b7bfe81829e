"""The pages to look things up, in a browser: nothing sideways, nothing from elsewhere, nothing that axe-core minds."""

from __future__ import annotations

from typing import Any

import pytest
from page_browser import DESK, PHONE, PageBrowser

from broker_assets.monitoring.recent_objects import rates

pytestmark = [pytest.mark.database, pytest.mark.browser]


@pytest.fixture(scope="module")
def night(filled_database_url: str) -> str:
    """The newest night."""
    from broker_assets.database import engine

    with engine.connect(filled_database_url) as connection:
        return str(rates(connection)[0].night)


@pytest.mark.parametrize("path", ["/nights/", "/nights/{night}/", "/help/", "/help/guide/front-and-search"])
def test_pages_hold_in_every_size(site: Any, page_browser: PageBrowser, night: str, path: str) -> None:
    for size, dark in ((DESK, False), (PHONE, True)):
        page_browser.go(f"{site.url}{path.format(night=night)}", size, dark=dark)
        assert page_browser.sideways() <= 0
        assert page_browser.inaccessible() == []
    assert page_browser.troubles == []
    assert page_browser.hosts <= {site.url.split("/")[2]}

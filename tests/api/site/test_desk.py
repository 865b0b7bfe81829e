"""The pages are in the application and its menu."""

from __future__ import annotations

from broker_assets.api import create_app
from broker_assets.api.site.frame import is_served, menu_of
from broker_assets.settings import Settings


def test_every_page_is_served() -> None:
    app = create_app(Settings())
    pages = ("/filters/", "/filters/create/", "/filters/trials/", "/filters/3/", "/watchlists/", "/watchlists/create/",
             "/watchmaps/3/", "/mma_watchmaps/", "/annotators/", "/annotators/fink/", "/comres/")  # fmt: skip
    assert [page for page in pages if not is_served(app, page)] == []
    assert ("/comres/", "Public") in menu_of(app)

"""The pages are in the application and its menu."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fastapi.routing import APIRoute

from broker_assets.api import create_app
from broker_assets.api.site.desk import ROUTERS
from broker_assets.api.site.frame import is_served, menu_of
from broker_assets.settings import Settings

NASTY = ("\0", "9" * 30, "nan", "<script>alert(1)</script>\r\nSet-Cookie: x=y")
FIELDS = (
    "name", "description", "radius", "lines", "text", "do", "how", "audience", "group", "kind", "format", "schedule",
    "url", "message", "which", "nights", "alerts", "quota", "ra", "dec", "size", "corners", "region", "order", "topic",
    "schema", "version", "said", "destination",
)  # fmt: skip
ASKED = ("said", "upload", "v", "tab", "form", "object", "ra", "dec", "field", "corners", "point.x", "point.y", "do")


@pytest.mark.database
def test_no_page_fails_whatever_it_is_sent(people: Any) -> None:
    """Every page and action, with what nobody should send: refused or escaped, never an error of the server."""
    list_ = people.ann.done("/watchlists/create/", name="list", radius="5", lines="1, 2").partition("?")[0]
    area = people.ann.done("/watchmaps/create/", name="area", region="CIRCLE ICRS 1 2 1", order="6").partition("?")[0]
    filter_ = people.ann.done("/filters/create/", name="filter", text="SELECT ra FROM objects").partition("?")[0]
    own = {"/watchlists/{number}/": list_, "/watchmaps/{number}/": area, "/filters/{number}/": filter_}
    failed, sent = [], 0
    for route in [one for router in ROUTERS for one in router.routes if isinstance(one, APIRoute)]:
        path = route.path
        if path.endswith(("/delete/", "/picture.png", "/moc/", "/activate/")):
            continue
        for pattern, known in own.items():
            path = path.replace(pattern, known)
        path = re.sub(r"\{level\}", "50", re.sub(r"\{(number|sink|upload)\}", "1", path.replace("{topic}", "fink")))
        for text in NASTY:
            if "POST" in (route.methods or ()):
                answer = people.ann.send(path, **dict.fromkeys(FIELDS, text))
            else:
                answer = people.ann.get(path, params=dict.fromkeys(ASKED, text))
            sent += 1
            if answer.status_code >= 500 or "<script>alert" in answer.text or "Set-Cookie: x" in str(answer.headers):
                failed.append((path, text, answer.status_code))
    assert failed == []
    assert sent > 150


def test_every_page_is_served() -> None:
    app = create_app(Settings())
    pages = ("/filters/", "/filters/create/", "/filters/trials/", "/filters/3/", "/watchlists/", "/watchlists/create/",
             "/watchmaps/3/", "/mma_watchmaps/", "/annotators/", "/annotators/fink/", "/comres/")  # fmt: skip
    assert [page for page in pages if not is_served(app, page)] == []
    assert ("/comres/", "Public resources") in menu_of(app)

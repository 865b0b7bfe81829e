"""Things of owners are shared and removed by the same routes, wholly or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from failing_writes import FAIL, failing_writes
from fastapi.routing import APIRoute
from site_visitors import Visitor, number_in

from broker_assets.api.site import areas, filters, owned_routes, spectra, target_page, watchlists

KINDS = {"watchlists": watchlists, "areas": areas, "filters": filters, "targets": target_page, "spectra": spectra}
FORMS: dict[str, tuple[str, dict[str, str]]] = {
    "watchlist": ("/watchlists/create/", {"radius": "5", "lines": "10, 20"}),
    "area": ("/watchmaps/create/", {"how": "region", "region": "CIRCLE ICRS 10 20 1"}),
    "filter": ("/filters/create/", {"text": "SELECT diaObjectId FROM objects"}),
    "target": ("/targets/create/", {"type": "SIDEREAL", "ra": "10", "dec": "20"}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_one_way_to_share_and_to_remove(kind: str) -> None:
    routes = [route for route in KINDS[kind].router.routes if isinstance(route, APIRoute)]
    ours = {(route.path.rsplit("}", 1)[1], *sorted(route.methods or ())): route.endpoint.__module__ for route in routes
            if route.path.endswith(("/share/", "/delete/"))}  # fmt: skip
    alike = {("/delete/", "GET"), ("/delete/", "POST"), *([] if kind == "spectra" else [("/share/", "POST")])}
    assert ours == dict.fromkeys(alike, owned_routes.__name__)


@pytest.mark.database
@pytest.mark.parametrize("kind", FORMS)
def test_what_cannot_be_recorded_is_not_removed(people: Any, module_database_url: str, kind: str) -> None:
    place, fields = FORMS[kind]
    path = people.ann.done(place, name=f"Mine {kind}", **fields).partition("?")[0]
    assert number_in(path)
    same = Visitor(people.url)  # the server closes the connection after an error
    same.client.cookies.update(people.ann.client.cookies)
    same.csrf = people.ann.csrf
    with failing_writes(module_database_url, "access.changes", FAIL):
        assert same.send(f"{path}delete/").status_code == 500
    same.close()
    assert f"Remove {kind} Mine {kind}" in people.ann.text(f"{path}delete/")
    for audience, code in (("public", 200), ("owner", 404)):
        people.ann.done(f"{path}share/", audience=audience)
        assert people.eve.get(path).status_code == code
    assert people.eve.send(f"{path}delete/").status_code == 404
    assert people.ann.done(f"{path}delete/").endswith("?said=removed")
    assert people.ann.get(path).status_code == 404
    changes = people.connection.execute(
        "SELECT action, subject, details FROM access.changes ORDER BY changeid DESC LIMIT 1"
    ).fetchone()
    assert changes == (f"{kind} removed", str(number_in(path)), f"Mine {kind}")

"""Things of owners are shared and removed by the same routes, wholly or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from failing_writes import REFUSE, failing_writes
from fastapi.routing import APIRoute
from site_visitors import number_in

from broker_assets.api.site import areas, filters, owned_routes, spectra, target_page, watchlists

KINDS = {"watchlists": watchlists, "areas": areas, "filters": filters, "targets": target_page, "spectra": spectra}


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_one_way_to_share_and_to_remove(kind: str) -> None:
    routes = [route for route in KINDS[kind].router.routes if isinstance(route, APIRoute)]
    ours = {(route.path.rsplit("}", 1)[1], *sorted(route.methods)): route.endpoint.__module__ for route in routes}
    alike = {("/delete/", "GET"), ("/delete/", "POST"), *([] if kind == "spectra" else [("/share/", "POST")])}
    found = {key for key, module in ours.items() if module == owned_routes.__name__}
    assert found == alike
    assert {key for key in ours if key[0] in ("/delete/", "/share/")} == alike


@pytest.mark.database
def test_what_cannot_be_recorded_is_not_removed(people: Any, module_database_url: str) -> None:
    path = people.ann.done("/watchlists/create/", name="Mine", radius="5", lines="10, 20").partition("?")[0]
    assert number_in(path)
    with failing_writes(module_database_url, "access.changes", REFUSE):
        assert people.ann.send(f"{path}delete/").status_code >= 500
    assert "Remove watchlist Mine" in people.ann.text(f"{path}delete/")
    people.ann.done(f"{path}delete/")
    assert people.ann.get(path).status_code == 404

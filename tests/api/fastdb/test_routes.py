"""Every function has both forms of its address."""

from __future__ import annotations

from fastapi.routing import APIRoute

from broker_assets.api.fastdb.routes import FUNCTIONS, application


def test_every_function_has_both_forms() -> None:
    paths = {route.path for route in application().routes if isinstance(route, APIRoute)}
    assert paths == {f"/{path}{end}" for path, _, _ in FUNCTIONS for end in ("", "/")}

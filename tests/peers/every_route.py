"""Every path that the application serves, and URLs with values for their parameters."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote


def every_route(app: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Method and path of each route, those of mounted applications too."""
    for route in app.routes:
        if hasattr(route, "effective_route_contexts"):
            found = list(route.effective_route_contexts())
        elif getattr(getattr(route, "app", None), "routes", None) and not getattr(route, "methods", None):
            yield from every_route(route.app, prefix + route.path)
            continue
        else:
            found = [route]
        for one in found:
            for method in sorted(getattr(one, "methods", None) or ()):
                yield method, prefix + one.path


def read_paths(app: Any) -> list[str]:
    """Paths of pages and answers, except those that only take long: pictures, descriptions, endless event streams."""
    every = [path for method, path in every_route(app) if method == "GET"]
    return [
        path
        for path in every
        if not path.endswith((".png", "openapi.json", "/events")) and not path.startswith("/static")
    ]


def filled(path: str, values: Mapping[str, Any], otherwise: Any = 1) -> str:
    """A path with a value for each parameter."""

    def value(match: re.Match[str]) -> str:
        name = match[1].partition(":")[0]
        return quote(str(values.get(name, otherwise)), safe="")

    return re.sub(r"\{([^}]+)\}", value, path)

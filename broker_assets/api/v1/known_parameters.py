"""Refuses parameters that an endpoint does not have, in the address and in bodies: a misspelt limit is none."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Final

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict

from broker_assets.api.v1.problems import Problem


class Body(BaseModel):
    """Body of a request, without other fields than its own."""

    model_config = ConfigDict(extra="forbid")


ANY: Final = frozenset({"/why/rows/{table}"})
"""Paths whose parameters are names of columns, which they check themselves."""


async def refuse_unknown(request: Request) -> None:
    """Dependency of every endpoint.

    Raises
    ------
    Problem
        If the address has a parameter that the endpoint does not have.
    """
    route = request.scope.get("route")
    if not request.query_params or not isinstance(route, APIRoute) or route.path in ANY:
        return
    known = tuple(dict.fromkeys(_own(route.dependant)))
    errors = [
        {"parameter": name[:100], "message": f"there is no such parameter{_meant(name, known)}"}
        for name in dict.fromkeys(request.query_params)
        if name not in known
    ]
    if errors:
        text = "; ".join(f"{error['parameter']}: {error['message']}" for error in errors[:10])
        advice = f"known are {', '.join(known)}" if known else "leave it out: this address has no parameters"
        raise Problem("bad-parameter", text, advice=advice, errors=errors[:10])


def _meant(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name[:100].lower(), known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _own(dependant: Dependant) -> Iterator[str]:
    yield from (field.alias for field in dependant.query_params)
    for part in dependant.dependencies:
        yield from _own(part)

"""Refuses parameters that an endpoint does not have, in the address and in bodies: a misspelt limit is none.

A parameter of one value that is given twice is refused, too: which of the two is meant is not known. So are numbers
that are written as nobody writes them, `1_0` or `nan`.
"""

from __future__ import annotations

import difflib
from typing import Any, Final, NoReturn, get_args, get_origin

from fastapi import Request
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, model_validator

from broker_assets.api.parameters import misread_fields, misread_parameters, query_fields
from broker_assets.api.v1.problems import Problem


class Body(BaseModel):
    """Body of a request, without other fields than its own."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, given: Any) -> Any:
        for name, problem in misread_fields(cls, given).items() if isinstance(given, dict) else ():
            raise ValueError(f"{name}: {problem}")
        return given


ANY: Final = frozenset({"/why/rows/{table}"})
"""Paths whose parameters are names of columns, which they check themselves."""


async def refuse_unknown(request: Request) -> None:
    """Dependency of every endpoint.

    Raises
    ------
    Problem
        If the address has a parameter that the endpoint does not have, or several values of one that has one.
    """
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return
    if wrong := misread_parameters(request):
        _refuse([{"parameter": name, "message": problem} for name, problem in wrong.items()])
    if not request.query_params or route.path in ANY:
        return
    own = list(query_fields(route.dependant))
    known = tuple(dict.fromkeys(field.alias for field in own))
    errors = [
        {"parameter": name[:100], "message": f"there is no such parameter{_meant(name, known)}"}
        for name in dict.fromkeys(request.query_params)
        if name not in known
    ]
    lists = {field.alias for field in own if _is_list(field.field_info.annotation)}
    errors += [
        {"parameter": name, "message": "it is given several times; give it once"}
        for name in known
        if name not in lists and len(request.query_params.getlist(name)) > 1
    ]
    if errors:
        _refuse(errors, f"known are {', '.join(known)}" if known else "leave it out: this address has no parameters")


def _refuse(errors: list[dict[str, str]], advice: str | None = None) -> NoReturn:
    text = "; ".join(f"{error['parameter']}: {error['message']}" for error in errors[:10])
    raise Problem("bad-parameter", text, advice=advice, errors=errors[:10])


def _meant(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name[:100].lower(), known, 1)
    return f"; did you mean {near[0]}?" if near else ""


def _is_list(annotation: Any) -> bool:
    return any(get_origin(one) is list for one in (annotation, *get_args(annotation)))

"""Parameters of a request, wherever they are: in the query, in a form, or in a JSON document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final, TypeVar, get_args

from fastapi import Depends, HTTPException, Request
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from pydantic import BaseModel, BeforeValidator, ValidationError

from broker_assets.numerals import real

LARGEST_BODY: Final = 8 * 1024**2
"""Largest body of a request, bytes."""
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")
_Model = TypeVar("_Model", bound=BaseModel)


class BadParametersError(ValueError):
    """Parameters are missing or wrong.

    Parameters
    ----------
    fields : mapping of str to list of str
        What is wrong with each.
    """

    def __init__(self, fields: Mapping[str, list[str]]) -> None:
        super().__init__("; ".join(f"{name}: {' '.join(texts)}" for name, texts in fields.items()))
        self.fields = dict(fields)


class BadRequestError(ValueError):
    """A request cannot be answered; the message says why."""


async def parameters(request: Request) -> dict[str, Any]:
    """All parameters of a request; those of its body come before those of the address.

    Raises
    ------
    BadRequestError
        If the body is too large, or is not what its content type says.
    """
    found: dict[str, Any] = dict(request.query_params)
    if request.method == "POST":
        found |= await _of_body(request)
    return found


async def _of_body(request: Request) -> dict[str, Any]:
    return {name: value for name, value in (await body_items(request)) if isinstance(value, str) or _is_json(request)}


def decoded(body: bytes) -> Any:
    """A JSON document of UTF-8.

    Raises
    ------
    ValueError
        If it is not one, or a text in it has half of a character, which no database takes.
    RecursionError
        If it is too deep.
    """
    found = json.loads(body.decode("utf-8"))
    if _SURROGATE.search(body) is not None:
        try:
            json.dumps(found, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(f"a text has half of a character, {error.object[error.start]!a}") from None
    return found


def _is_json(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == "application/json"


async def body_items(request: Request, *, most_files: int = 0) -> list[tuple[str, Any]]:
    """Parameters of the body of a request, in order; a name may come several times, and files are bytes.

    Parameters
    ----------
    request : Request
        With a form or a JSON document.
    most_files : int
        Most files in a form.

    Raises
    ------
    BadRequestError
        If the body is too large, or is not what its content type says.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            raise BadRequestError(f"the request is larger than {LARGEST_BODY // 1024**2} MiB: send it in parts")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind == "application/json":
        try:
            document = decoded(bytes(body))
        except (ValueError, RecursionError) as error:
            raise BadRequestError(f"the body is not JSON: {error}") from None
        if not isinstance(document, dict):
            raise BadRequestError("the body must be a JSON object with the parameters")
        return list(document.items())
    if kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        request._body = bytes(body)
        try:
            form = await request.form(max_files=most_files, max_fields=100)
        except Exception as error:  # noqa: BLE001
            raise BadRequestError(f"the form cannot be read: {error}") from None
        return [(name, value if isinstance(value, str) else await value.read()) for name, value in form.multi_items()]
    if body:
        raise BadRequestError("the content type must be application/x-www-form-urlencoded or application/json")
    return []


Parameters = Annotated[dict[str, Any], Depends(parameters)]


_WORDS: Final = {
    "true": True,
    "1": True,
    "on": True,
    "yes": True,
    "false": False,
    "0": False,
    "off": False,
    "no": False,
}


def _word(value: Any) -> Any:
    """Booleans as clients write them: Python's and JavaScript's words, digits, on and off."""
    return _WORDS.get(value.strip().lower(), value) if isinstance(value, str) else value


Flag = Annotated[bool, BeforeValidator(_word)]
"""A boolean of a form."""


def _written(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_written)]
"""A text; a number of a JSON document counts as its digits, so that a form and JSON say the same."""


def misread(annotation: Any, value: Any) -> str | None:
    """What is wrong with a text that is given for a number and would be read, but not as its user meant it.

    Pydantic reads `1_0` as 10, and `nan` and `inf` as numbers.

    Parameters
    ----------
    annotation : type
        Of the parameter.
    value : object
        What is given for it.

    Returns
    -------
    str or None
        Message; None if nothing is wrong, or if the parameter is not a number.

    Examples
    --------
    >>> misread(int | None, "1_0"), misread(float, "1e2"), misread(str, "1_0")
    ("'1_0' is not a number", None, None)
    """
    if not isinstance(value, str) or not value.strip():
        return None
    types = set(_types(annotation))
    if not types & {int, float} or str in types:
        return None
    try:
        real(value)
    except ValueError as error:
        problem = str(error)
    else:
        return None
    try:
        float(value)
    except ValueError:
        return None  # refused by its type, with the limits in the message
    return problem


def misread_fields(model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, str]:
    """Fields of a body that are `misread`, with what is wrong with each."""
    found = {name: misread(field.annotation, given.get(name)) for name, field in model.model_fields.items()}
    return {name: problem for name, problem in found.items() if problem is not None}


def misread_parameters(request: Request) -> dict[str, str]:
    """Parameters of the address of a request that are `misread`, with what is wrong with each."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute):
        return {}
    found = {
        field.alias: misread(field.field_info.annotation, request.path_params.get(field.alias))
        for part in _parts(route.dependant)
        for field in part.path_params
    }
    for field in query_fields(route.dependant) if request.query_params else ():
        for value in request.query_params.getlist(field.alias):
            found[field.alias] = found.get(field.alias) or misread(field.field_info.annotation, value)
    return {name: problem for name, problem in found.items() if problem is not None}


def query_fields(dependant: Dependant) -> Iterator[Any]:
    """Fields of the query of an endpoint, also those of its dependencies."""
    for part in _parts(dependant):
        yield from part.query_params


def _parts(dependant: Dependant) -> Iterator[Dependant]:
    """An endpoint and its dependencies."""
    yield dependant
    for part in dependant.dependencies:
        yield from _parts(part)


async def refuse_misread(request: Request) -> None:
    """Dependency of every endpoint with parameters in its address: refuse numbers that are written as nobody does.

    Raises
    ------
    HTTPException
        422 with their names.
    """
    if wrong := misread_parameters(request):
        raise HTTPException(422, "; ".join(f"{name}: {problem}" for name, problem in wrong.items()))


def _types(annotation: Any) -> Iterator[Any]:
    """The types of a union, a list, or an annotated type."""
    yield annotation
    for part in get_args(annotation):
        yield from _types(part)


def checked(model: type[_Model], given: Mapping[str, Any]) -> _Model:
    """The parameters as fields of a model; others are ignored.

    Raises
    ------
    BadParametersError
        If parameters are missing or wrong; it names each.
    """
    fields = {name: [problem] for name, problem in misread_fields(model, given).items()}
    try:
        found = model.model_validate(dict(given))
    except ValidationError as error:
        for item in error.errors(include_url=False, include_context=False):
            name = ".".join(str(part) for part in item["loc"]) or "request"
            text = "This field is required." if item["type"] == "missing" else str(item["msg"])
            fields.setdefault(name, []).append(text)
    else:
        if not fields:
            return found
    raise BadParametersError(fields)

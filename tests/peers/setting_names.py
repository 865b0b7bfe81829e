"""The environment variable of each setting, found by walking the tree of `broker_assets.settings`."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator

from pydantic import BaseModel

from broker_assets.settings import Settings


def setting_variables() -> list[str]:
    """Every variable, also those of a stream, a cluster and an entry of a dictionary called `one`."""
    return sorted(f"BROKER_{name.upper()}" for name in _names(Settings))


def _names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield name
        for kind in _models(field.annotation):
            for below in _names(kind):
                yield f"{name}__{below}"
        for kind in _entries(field.annotation):
            for below in _names(kind):
                yield f"{name}__one__{below}"


def _parts(annotation: typing.Any) -> Iterator[typing.Any]:
    """A type, or the members of a union."""
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            yield from _parts(part)
    else:
        yield annotation


def _models(annotation: typing.Any) -> Iterator[type[BaseModel]]:
    return (part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, BaseModel))


def _entries(annotation: typing.Any) -> Iterator[type[BaseModel]]:
    """Models that are values of a dictionary or entries of the streams."""
    for part in _parts(annotation):
        if typing.get_origin(part) in (dict, list, tuple):
            for argument in typing.get_args(part):
                yield from _models(argument)

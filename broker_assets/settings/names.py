"""Names of settings: which exist, which a wrong one is probably meant to be, and errors that say so.

The tree that they are part of is `settings`. Values of settings never appear in a message: they may be secrets. Nothing
here opens a connection.
"""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

PREFIX = "BROKER_"
DELIMITER = "__"
_ENTRY = "*"
"""Stands for the name that a dictionary gives an entry, or for its number in a list."""
# Kubernetes and Docker put the addresses of services into the environment under such names: those of a service called
# `broker-database` look like ours. The tests have variables of their own, too.
_OF_OTHERS = re.compile(r"^BROKER_TEST_|_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_\w+)?$")
_OWN = {f"{PREFIX}{name}" for name in ("SETTINGS", "DEBUG", "PG_USER", "PLATFORM", "SUPERVISOR", "IMAGE", "NAMESPACE")}
"""Variables that are not settings, of programs that read settings, too; listed to save the search for similar names."""
_ADDRESS = re.compile(r"(tcp|udp|sctp)://")
_ALIKE = 0.84
"""Ratio of equal characters from which a name without a section is taken for a misspelt setting; others may be those of
another program."""
_SIMILAR = 0.7
"""The same for what is suggested in place of a name that is certainly wrong."""


class WrongSettingsError(ValueError):
    """Settings that cannot be; the message names each by its variable or its place in the file."""


def unknown_variables(model: type[BaseModel], environment: Mapping[str, str | None]) -> list[str]:
    """Variables of an environment that seem to be settings and belong to none.

    Parameters
    ----------
    model : type of BaseModel
        The tree of settings.
    environment : mapping
        Variables with their values; names in any case.

    Returns
    -------
    list of str
        What follows the prefix, in lower case, in alphabetical order: each name with two underscores whose first part
        is not a section, and each name without that is nearly one of a setting. Names within a section are not judged:
        the section refuses them itself.
    """
    fields = set(model.model_fields)
    found = set()
    for variable, value in environment.items():
        name = variable.upper()
        if not name.startswith(PREFIX) or _OF_OTHERS.search(name) or _ADDRESS.match(value or ""):
            continue
        name = name.removeprefix(PREFIX).lower()
        section, delimiter, _ = name.partition(DELIMITER)
        if name in fields or (delimiter and section in fields and not _is_leaf(model, section)):
            continue
        if delimiter or (variable.upper() not in _OWN and _nearest(name, _paths(model), _ALIKE)):
            found.add(name)
    return sorted(found)


def sentences(
    model: type[BaseModel], error: ValidationError, environment: Mapping[str, str | None], file: Path
) -> list[str]:
    """Describe each wrong setting: where it is set, what is wrong with it, and which name was probably meant.

    Parameters
    ----------
    model : type of BaseModel
        The tree of settings.
    error : ValidationError
        What its validation found.
    environment : mapping
        Variables of the process; they are looked at in order to name the right place.
    file : Path
        The settings file.
    """
    names = {name.upper() for name in environment}
    found = []
    for problem in error.errors(include_url=False, include_context=False, include_input=False):
        location = [str(part) for part in problem["loc"]]
        place = _place(location, names, file)
        if problem["type"] != "extra_forbidden":
            found.append(f"{place}: {problem['msg'].removeprefix('Value error, ')}")
            continue
        by_variable = place.startswith(PREFIX)
        # A variable has the name of a stream where the error has its number.
        exact = by_variable and place in names
        meant = _meant(model, place.removeprefix(PREFIX).lower().split(DELIMITER) if exact else location)
        hint = "" if meant is None else f"; did you mean {_variable(meant) if by_variable else '.'.join(meant)}?"
        found.append(f"{place} is not a setting{hint}")
    return found


@lru_cache(maxsize=1)
def _paths(model: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """Every setting and every section as a path of names, by its squeezed name."""
    return {_squeezed(path): path for path in _walk(model)}


def _walk(model: type[BaseModel]) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        yield (name,)
        for section in _models(field.annotation):
            yield from ((name, *below) for below in _walk(section))
        for section in _entries(field.annotation):
            yield from ((name, _ENTRY, *below) for below in _walk(section))


def _parts(annotation: Any) -> Iterator[Any]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for part in typing.get_args(annotation):
            yield from _parts(part)
    elif typing.get_origin(annotation) is typing.Annotated:
        yield from _parts(typing.get_args(annotation)[0])
    else:
        yield annotation


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    return (part for part in _parts(annotation) if isinstance(part, type) and issubclass(part, BaseModel))


def _entries(annotation: Any) -> Iterator[type[BaseModel]]:
    for part in _parts(annotation):
        if typing.get_origin(part) in (dict, list, tuple):
            for argument in typing.get_args(part):
                yield from _models(argument)


def _is_leaf(model: type[BaseModel], name: str) -> bool:
    """Whether a setting of the first level has no parts."""
    annotation = model.model_fields[name].annotation
    composite = any(typing.get_origin(part) in (dict, list, tuple) for part in _parts(annotation))
    return not composite and next(_models(annotation), None) is None


def _squeezed(parts: Iterable[str]) -> str:
    """A name without what separates its parts, which is easily got wrong."""
    return re.sub(r"[^a-z0-9*]", "", "".join(parts).lower())


def _nearest(name: str, paths: Mapping[str, tuple[str, ...]], alike: float) -> tuple[str, ...] | None:
    squeezed = _squeezed([name])
    found = [squeezed] if squeezed in paths else difflib.get_close_matches(squeezed, paths, 1, alike)
    return paths[found[0]] if found else None


def _by_name(paths: Iterable[tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {_squeezed(path): path for path in paths}


def _meant(model: type[BaseModel], location: list[str]) -> tuple[str, ...] | None:
    """The setting or section that a wrong name is probably meant to be."""
    paths = list(_paths(model).values())
    whole = [part for name in location for part in name.split(DELIMITER)]
    # Names that dictionaries and lists give to their entries are left as they are.
    for depth in range(len(whole) - 1, 0, -1):
        beginning = tuple(whole[:depth])
        below = [path for path in paths if len(path) > depth and _same(path[:depth], beginning)]
        if below:
            rest = _nearest("".join(whole[depth:]), _by_name(path[depth:] for path in below), _SIMILAR)
            if rest is not None:
                return (*beginning, *rest)
    nearest = _nearest("".join(whole), _by_name(path for path in paths if _ENTRY not in path), _SIMILAR)
    if nearest is not None or len(whole) == 1:
        return nearest
    # The section alone, where what follows is the name of an entry.
    section = _nearest(whole[0], _by_name((name,) for name in model.model_fields), _SIMILAR)
    return (*section, *whole[1:]) if section is not None and section[0] != whole[0] else None


def _same(path: tuple[str, ...], names: tuple[str, ...]) -> bool:
    return all(own in (_ENTRY, name) for own, name in zip(path, names, strict=True))


def _variable(path: Iterable[str]) -> str:
    return PREFIX + DELIMITER.join(path).upper()


def _place(location: list[str], names: set[str], file: Path) -> str:
    """The variable that sets something, or else its place in the file."""
    for depth in range(len(location), 0, -1):
        variable = _variable(location[:depth])
        if variable in names:
            inside = ".".join(location[depth:])
            return f"{variable} ({inside})" if inside else variable
    # A variable of something within it, where the section itself is at fault, or that of a stream, which errors number.
    if location:
        begins, ends = _variable(location) + DELIMITER, DELIMITER + location[-1].upper()
        stream = _variable(location[:1]) + DELIMITER
        numbered = len(location) > 2 and location[1].isdigit()
        for name in sorted(names):
            if name.startswith(begins) or (numbered and name.startswith(stream) and name.endswith(ends)):
                return name
    place = ".".join(location) or "the settings"
    return f"{place} in {file}" if file.is_file() else place

"""Filters, watchlists and areas of an owner as files for version control, and back.

Each is one YAML file, named after it. Hits, matches, and whether a filter runs, are not in the file. Applying a folder
creates what is new, changes what differs, and leaves the rest as it is, without a new version number.
"""

from __future__ import annotations

import datetime
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg
import yaml

from broker_assets.instants import instant
from broker_assets.storage.yaml_files import read_yaml

Connection = psycopg.Connection[Any]
Kind = Literal["filter", "watchlist", "area"]
Action = Literal["new", "changed", "same", "removed", "kept"]

SUFFIX: Final = ".yaml"
_FIELDS: Final[dict[str, dict[str, type | tuple[type, ...]]]] = {
    "filter": {"name": str, "description": str, "public": bool, "definition": str},
    "watchlist": {
        "name": str, "description": str, "public": bool, "active": bool, "expires": (str, type(None)),
        "radius": (float, int), "cones": str,
    },
    "area": {
        "name": str, "description": str, "public": bool, "active": bool, "expires": (str, type(None)), "moc": str,
    },
}  # fmt: skip
_NEEDED: Final = {"filter": "definition", "watchlist": "cones", "area": "moc"}
_DEFAULTS: Final[dict[str, Any]] = {"description": "", "public": False, "active": True, "expires": None, "radius": 5.0}
REGION_ORDER: Final = 12
"""Order of the MOC that a region in a file becomes."""


class BadDefinitionFile(ValueError):
    """A file is not a valid definition; the message names it and says why."""


@dataclass(frozen=True)
class Step:
    """What is done, or would be, for one name."""

    name: str
    action: Action
    changed: tuple[str, ...] = ()
    """Fields that differ."""


def export(connection: Connection, owner: str, kind: Kind) -> dict[str, str]:
    """The definitions of one kind that an owner has: text by file name.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    owner : str
        Account.
    kind : str
        `filter`, `watchlist` or `area`.
    """
    files: dict[str, str] = {}
    for _, document in _stored(connection, owner, kind):
        name = file_name(document["name"], files)
        files[name] = write_file(document)
    return files


def file_name(name: str, taken: Mapping[str, Any]) -> str:
    """A file name for a name that a user gave; it ends in a number if it would be taken.

    Examples
    --------
    >>> file_name("My list / ä", {}), file_name("a", {"a.yaml": ""})
    ('My_list.yaml', 'a-2.yaml')
    """
    plain = re.sub(r"[^A-Za-z0-9.-]+", "_", name).strip("._-")[:100] or "unnamed"
    found, number = f"{plain}{SUFFIX}", 1
    while found.lower() in {one.lower() for one in taken}:
        number += 1
        found = f"{plain}-{number}{SUFFIX}"
    return found


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as blocks, so that differences are by line."""


def _text(dumper: yaml.SafeDumper, value: str) -> Any:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _text)


def write_file(document: Mapping[str, Any]) -> str:
    """The text of a file."""
    return yaml.dump(dict(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def read_file(kind: Kind, name: str, text: str) -> dict[str, Any]:
    """The content of a file, with every field.

    Raises
    ------
    BadDefinitionFile
        If a field is missing, unknown, or of another type.
    """
    try:
        found = read_yaml(text)
    except yaml.YAMLError as error:
        raise BadDefinitionFile(f"{name} is not YAML: {' '.join(str(error).split())}") from None
    fields = _FIELDS[kind]
    if not isinstance(found, dict):
        raise BadDefinitionFile(f"{name} must have the fields {', '.join(fields)}")
    if isinstance(found.get("expires"), datetime.date):
        found["expires"] = found["expires"].isoformat()
    for field, value in found.items():
        if field not in fields:
            raise BadDefinitionFile(f"{name}: {kind}s have no field {field!r}; they have {', '.join(fields)}")
        if not isinstance(value, fields[field]):
            raise BadDefinitionFile(f"{name}: {field} cannot be {value!r}")
    for field in ("name", _NEEDED[kind]):
        if not found.get(field):
            raise BadDefinitionFile(f"{name}: the field {field} is missing")
    return {field: found.get(field, _DEFAULTS.get(field)) for field in fields}


def apply(
    connection: Connection,
    owner: str,
    kind: Kind,
    files: Mapping[str, str],
    *,
    prune: bool = False,
    pretend: bool = False,
) -> list[Step]:
    """Create, change and, on request, remove definitions of an owner until they match the files, in one transaction.

    Parameters
    ----------
    connection : psycopg.Connection
        A transaction is opened in it.
    owner, kind : str
        Account, and the kind of all files.
    files : mapping of str to str
        Text by file name.
    prune : bool
        Whether definitions without a file are removed.
    pretend : bool
        Report the steps without changing anything.

    Returns
    -------
    list of Step
        One for each name: those with a file first, then the others, each sorted by name.

    Raises
    ------
    BadDefinitionFile
        If a file cannot be read, or two contain the same name.
    ValueError
        If a filter, cone or region in a file is wrong; nothing is changed then.
    """
    wanted: dict[str, dict[str, Any]] = {}
    for name, text in sorted(files.items()):
        document = read_file(kind, name, text)
        key = document["name"].strip().lower()
        if key in wanted:
            raise BadDefinitionFile(f"{name}: another file has the name {document['name']!r} too")
        wanted[key] = _canonical(kind, name, document)
    steps: list[Step] = []
    with connection.transaction():
        present = {
            document["name"].strip().lower(): (number, document)
            for number, document in _stored(connection, owner, kind)
        }
        for key, document in sorted(wanted.items()):
            if key not in present:
                steps.append(Step(document["name"], "new"))
                if not pretend:
                    _MAKE[kind](connection, owner, document)
                continue
            number, before = present[key]
            changed = tuple(field for field, value in document.items() if before[field] != value)
            steps.append(Step(document["name"], "changed" if changed else "same", changed))
            if changed and not pretend:
                _CHANGE[kind](connection, owner, number, document, changed)
        for key, (number, before) in sorted(present.items()):
            if key not in wanted:
                steps.append(Step(before["name"], "removed" if prune else "kept"))
                if prune and not pretend:
                    _remove(connection, owner, kind, number)
    return steps


def _canonical(kind: Kind, file: str, document: dict[str, Any]) -> dict[str, Any]:
    """The document as an export of it would be, whatever the form in which it was written."""
    found = dict(document)
    try:
        if kind == "filter":
            found["definition"] = _definition_text(found["definition"])
        elif kind == "watchlist":
            found["radius"] = float(found["radius"])
            found["cones"] = _cones_text(_cones(found["cones"]))
        else:
            found["moc"] = _moc_text(_moc(found["moc"]))
        if found.get("expires"):
            found["expires"] = _instant(found["expires"]).isoformat()
    except ValueError as error:
        raise BadDefinitionFile(f"{file}: {error}") from error
    return found


def _stored(connection: Connection, owner: str, kind: Kind) -> list[tuple[int, dict[str, Any]]]:
    if kind == "filter":
        from broker_assets.filters.registry import list_filters, version_of

        return [
            (
                one.filterid,
                {
                    "name": one.name,
                    "description": one.description,
                    "public": one.public,
                    "definition": _definition_text(version_of(connection, one.filterid).definition),
                },
            )
            for one in list_filters(connection, owner=owner)
        ]
    from broker_assets.sky.overview import area_moc, stored_cones, summaries

    found = []
    for one in summaries(connection, kind, owner=owner):
        document: dict[str, Any] = {
            "name": one.name,
            "description": one.description,
            "public": one.public,
            "active": one.state != "inactive",
            "expires": one.expires.isoformat() if one.expires is not None else None,
        }
        if one.kind == "watchlist":
            document |= {"radius": float(one.radius), "cones": _cones_text(stored_cones(connection, one.id))}
        else:
            document["moc"] = _moc_text(area_moc(connection, one.id))
        found.append((one.id, document))
    return found


def _definition_text(text: str) -> str:
    from broker_assets.filters.files import read_definition, write_definition

    definition = read_definition(text)
    definition.check()
    return write_definition(definition.form)


def _cones(text: str) -> Any:
    from broker_assets.sky.watchlists import read_watchlist

    return read_watchlist(text.encode(), refuse=True)


def _cones_text(cones: Any) -> str:
    from broker_assets.sky.watchlists import watchlist_lines

    return "".join(f"{line}\n" for line in watchlist_lines(cones))


def _moc(text: str) -> Any:
    from broker_assets.sky.area_files import read_area

    return read_area(text.encode(), region_order=REGION_ORDER)


def _moc_text(moc: Any) -> str:
    text = str(moc.to_string(format="ascii", fold=100))
    lines = [line.rstrip() for line in io.StringIO(text) if line.strip()]
    return "\n".join(lines) + "\n"


def _instant(text: str) -> datetime.datetime:
    return instant(text).astimezone(datetime.UTC)


def _make_filter(connection: Connection, owner: str, document: dict[str, Any]) -> None:
    from broker_assets.filters.files import read_definition
    from broker_assets.filters.store import create_filter

    form = read_definition(document["definition"]).form
    create_filter(
        connection, owner, document["name"], form, description=document["description"], public=document["public"]
    )


def _make_list(connection: Connection, owner: str, document: dict[str, Any]) -> None:
    from broker_assets.sky.lists import create_area, create_watchlist

    common = {
        "description": document["description"],
        "public": document["public"],
        "active": document["active"],
        "expire": _instant(document["expires"]) if document["expires"] else None,
    }
    if "cones" in document:
        cones = _cones(document["cones"])
        create_watchlist(connection, owner, document["name"], cones, radius=document["radius"], **common)
    else:
        create_area(connection, owner, document["name"], _moc(document["moc"]), **common)


def _change_filter(
    connection: Connection, owner: str, number: int, document: dict[str, Any], changed: tuple[str, ...]
) -> None:
    from broker_assets.filters.files import read_definition
    from broker_assets.filters.store import FilterChanges, change_filter, save_filter

    if "definition" in changed:
        save_filter(connection, owner, number, read_definition(document["definition"]).form)
    settings = {field: document[field] for field in changed if field != "definition"}
    change_filter(connection, owner, number, FilterChanges(**settings))


def _change_list(
    connection: Connection, owner: str, number: int, document: dict[str, Any], changed: tuple[str, ...]
) -> None:
    from broker_assets.sky.lists import ListSettings, change_list, replace_area, replace_cones

    if "cones" in changed:
        replace_cones(connection, owner, number, _cones(document["cones"]))
    if "moc" in changed:
        replace_area(connection, owner, number, _moc(document["moc"]))
    settings: dict[str, Any] = {field: document[field] for field in changed if field not in ("cones", "moc", "expires")}
    if "expires" in changed:
        settings["expire"] = _instant(document["expires"]) if document["expires"] else "never"
    change_list(connection, owner, "watchlist" if "cones" in document else "area", number, ListSettings(**settings))


def _remove(connection: Connection, owner: str, kind: Kind, number: int) -> None:
    from broker_assets.filters.store import remove_filter
    from broker_assets.sky.lists import delete_list

    if kind == "filter":
        remove_filter(connection, owner, number)
    else:
        delete_list(connection, owner, kind, number)


_MAKE: Final[dict[str, Callable[..., None]]] = {
    "filter": _make_filter, "watchlist": _make_list, "area": _make_list,
}  # fmt: skip
_CHANGE: Final[dict[str, Callable[..., None]]] = {
    "filter": _change_filter, "watchlist": _change_list, "area": _change_list,
}  # fmt: skip

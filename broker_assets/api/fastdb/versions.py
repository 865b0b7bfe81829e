"""Processing versions: their rows counted, their columns of objects, and searches in them."""

from __future__ import annotations

from typing import Any, Final

from fastapi import Request
from fastapi.responses import Response

from broker_assets.api.connections import Connections
from broker_assets.api.fastdb.answers import FastdbError, Given, Json, only
from broker_assets.api.fastdb.entrance import admitted
from broker_assets.api.fastdb.values import objects, real, several, version, yes
from broker_assets.tom.versions import definitions, searching
from broker_assets.tom.versions.definitions import DEFAULT, UnknownVersionError, VersionError
from broker_assets.tom.versions.objects import COLUMNS, known_objects

_NAMES: Final = {
    "rootid": ("root", "rootid", "rootobject", "rootdiaobject"),
    "diaobject": ("object", "diaobject"),
    "diasource": ("source", "diasource"),
    "diaforcedsource": ("forced", "forcedsource", "diaforcedsource"),
}
"""What can be counted, and its names."""
_SEARCHED: Final = (*searching.PLACE, *searching.STATISTICS)
_OLDER: Final = {
    # Names in the documentation of the original: magnitudes, whose minimum is the largest flux.
    **{
        f"{bound}t_{which}detection": (f"{which}det_mjd", bound, False)
        for which in ("first", "last", "max")
        for bound in ("min", "max")
    },
    **{
        f"{bound}mag_{which}detection": (f"{which}det_flux", "max" if bound == "min" else "min", True)
        for which in ("first", "last", "max")
        for bound in ("min", "max")
    },
    "min_numdetections": ("ndets", "min", False),
}
_ZERO_POINT: Final = 31.4


def names(request: Request) -> Response:
    """Names of all versions."""
    admitted(request)
    with _connections(request).use() as connection:
        return Json({"status": "ok", "procvers": definitions.names(connection)})


def one(request: Request, procver: str) -> Response:
    """A version with its base versions."""
    admitted(request)
    with _connections(request).use() as connection:
        found = version(connection, procver)
    bases: dict[str, list[list[Any]]] = {}
    for base in found.bases:
        bases.setdefault(base.kind, []).append([base.description, base.priority])
    return Json(
        {
            "status": "ok",
            "id": str(found.identifier),
            "description": found.description,
            "aliases": list(found.aliases),
            "base_procvers": bases,
        }
    )


def base(request: Request, procver: str, table: str | None = None) -> Response:
    """A base version, and the versions that it is part of."""
    admitted(request)
    with _connections(request).use() as connection:
        try:
            number, description, kind, versions = definitions.find_base(connection, procver, table)
        except (UnknownVersionError, VersionError) as error:
            raise FastdbError(str(error)) from None
    return Json({"status": "ok", "id": str(number), "description": description, "table": kind, "procvers": versions})


def count(request: Request, given: Given, which: str, procver: str = DEFAULT) -> Response:
    """How many rows of a kind a version has."""
    admitted(request)
    only(given, ["estimate"])
    what = next((name for name, forms in _NAMES.items() if which in forms), None)
    if what is None:
        raise FastdbError(f"Unknown thing to count: {which}")
    estimated = yes(given.get("estimate"), "estimate")
    with _connections(request).use() as connection:
        found = version(connection, procver)
        number = (searching.estimate if estimated else searching.count)(connection, found, what)
    return Json({"status": "ok", "table": what, "isestimate": estimated, "count": number})


def object_info(request: Request, given: Given, procver: str | None = None, objid: str | None = None) -> Response:
    """Columns of objects in a version."""
    admitted(request)
    only(
        given,
        [
            *("objectids", "processing_version", "position_processing_version", "columns", "base_procvers"),
            "return_diaobject_positions",
        ],
    )
    wanted: Any = objid
    if "objectids" in given:
        if objid is not None:
            raise FastdbError("Error, object id given in both URL and body.  Only do one.")
        wanted = given["objectids"]
    elif objid is None and procver is not None and "processing_version" not in given:
        # A single component of the path is an object, if it can be one, unless the body names objects or a version.
        wanted, procver = _object_or_version(procver)
    asked = given.get("processing_version")
    if asked is not None and procver is not None and asked != procver:
        raise FastdbError(
            f"Conflicting processing versions; {procver} specified in the URL, but {asked} passed in the body!"
        )
    if wanted is None:
        raise FastdbError("must pass either objids or objids_table")
    columns = given.get("columns")
    chosen = list(COLUMNS) if columns is None else several(columns)
    unknown = [name for name in chosen if name not in COLUMNS]
    if unknown:
        raise FastdbError(f"Unknown Columns: {{{', '.join(repr(name) for name in unknown)}}}")
    numbers = objects(wanted, "objectids")
    with _connections(request).use() as connection:
        found = version(connection, str(asked or procver or DEFAULT))
        place = given.get("position_processing_version")
        known = known_objects(
            connection, found, numbers, positions=None if place is None else version(connection, str(place))
        )
    return Json({name: known[name] for name in dict.fromkeys(["diaobjectid", *chosen])})


def _object_or_version(part: str) -> tuple[str | None, str | None]:
    try:
        objects(part)
    except FastdbError:
        return None, part
    return part, None


def search(request: Request, given: Given, procver: str = DEFAULT) -> Response:
    """Root objects by position and statistics of their detections."""
    admitted(request)
    conditions: dict[str, list[float | None]] = {}
    options = {"radius", "searchband", "statbands", "mjd_now", "just_objids", "noforced"}
    cone = None
    values = [real(given.get(name), name) for name in ("ra", "dec", "radius")]
    # A position without a radius would be compared digit by digit, and find nothing.
    if values != [None] * 3:
        if None in values:
            raise FastdbError("a cone needs ra, dec and radius")
        ra, dec, radius = (float(value) for value in values if value is not None)
        if not -90 <= dec <= 90 or radius < 0:
            raise FastdbError("dec must be between -90 and 90, and radius not negative")
        cone = (ra, dec, radius)
    for name, value in given.items():
        if name in options or name in ("ra", "dec"):
            continue
        _condition(conditions, name, real(value, name))
    bands = given.get("searchband", given.get("statbands"))
    chosen = None if bands is None else [str(band) for band in several(bands)]
    with _connections(request).use() as connection:
        used, until = version(connection, procver), real(given.get("mjd_now"), "mjd_now")
        bounds = {name: (least, most) for name, (least, most) in conditions.items()}
        try:
            found = searching.search(connection, used, bounds, cone=cone, bands=chosen, until=until)
        except searching.TooManyObjectsError as error:
            raise FastdbError(str(error)) from None
    if yes(given.get("just_objids"), "just_objids"):
        found = {"rootid": found["rootid"]}
    return Json(found)


def _condition(conditions: dict[str, list[float | None]], name: str, value: float | None) -> None:
    if value is None:
        return
    if name in _OLDER:
        column, bound, is_magnitude = _OLDER[name]
        value = 10 ** ((_ZERO_POINT - value) / 2.5) if is_magnitude else value
    else:
        column, _, bound = name.rpartition("_")
        if bound not in ("min", "max"):
            column, bound = name, ""
    if column not in _SEARCHED:
        raise FastdbError(f"Unknown search keyword {name}")
    bounds = conditions.setdefault(column, [None, None])
    for place, end in enumerate(("min", "max")):
        if bound in (end, ""):
            bounds[place] = value


def _connections(request: Request) -> Connections:
    connections: Connections = request.app.state.connections
    return connections

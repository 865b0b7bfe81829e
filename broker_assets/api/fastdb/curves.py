"""Light curves of root objects by version, recently detected objects, and what brokers say about detections.

Many light curves are read and written in groups: a failure before the first group is an error of the request.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import psycopg
from fastapi import Request
from fastapi.responses import Response, StreamingResponse

from broker_assets.api.connections import Connections
from broker_assets.api.fastdb import hot_rows
from broker_assets.api.fastdb.answers import FastdbError, Given, Json, only
from broker_assets.api.fastdb.entrance import admitted
from broker_assets.api.fastdb.values import objects, real, several, text, version, whole, yes
from broker_assets.api.tom.answers import json_of
from broker_assets.packets.timescales import now_tai
from broker_assets.tom.light_curves import DETECTIONS, FORCED, PATCH, WHICH
from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.curves import POSITION, RootCurves, Roots, find_roots, root_curves
from broker_assets.tom.versions.definitions import DEFAULT, REALTIME, Version
from broker_assets.tom.versions.hosts import likeliest_hosts
from broker_assets.tom.versions.hot import hot_roots
from broker_assets.tom.versions.objects import COLUMNS, known_objects, weighted_positions

TOGETHER: Final = 500
"""Root objects per group."""
DAYS: Final = 30.0
"""Default number of days before now within which a root object must have been detected."""
MOST_OF_PAGE: Final = 10_000
_SHOWN: Final = {
    *("include_base_procver", "include_source_positions", "use_weighted_source_positions"),
    *("always_use_weighted_source_positions", "include_object_positions", "position_processing_version", "mjd_now"),
}
_CHOSEN: Final = {
    *("bands", "which", "offset", "limit", "nonevalue", "return_object_info", "return_diaobject_positions"),
    "object_processing_version",
}
_HOT: Final = {
    *("detected_since_mjd", "detected_in_last_days", "source_patch", "processing_version", "return_format"),
    *("include_hostinfo", "include_object_position", "bands", "object_processing_version"),
}
_NO_OBJECTS: Final = "Must pass POST data as a json dict with at least objids as a key"
_RANDOM_TRIES: Final = 20


@dataclass(frozen=True)
class _Form:
    """Which light curves, and how they are written."""

    version: Version
    which: str
    bands: list[str] | None
    until: float | None
    bases: bool
    """With the names of base versions."""
    places: bool
    """With positions of detections."""
    info: bool
    """With what is known of the objects."""
    info_places: bool
    objects: Version
    positions: Version
    weighted: bool
    always_weighted: bool
    hosts: bool = False
    """With the likeliest host of each object."""


def _form(request: Request, given: Mapping[str, Any], name: str, *, which: str | None = None, info: bool) -> _Form:
    bands = given.get("bands")
    chosen = which or text(given, "which", PATCH) or PATCH
    if chosen not in WHICH:
        raise FastdbError(f"Error trying to get lightcurves: which must be detections, forced, or patch, not {chosen}")
    with _connections(request).use() as connection:
        used = version(connection, name)
        of_objects, of_positions = (
            None if given.get(key) is None else version(connection, str(given[key]))
            for key in ("object_processing_version", "position_processing_version")
        )
    always = yes(given.get("always_use_weighted_source_positions"), "always_use_weighted_source_positions")
    return _Form(
        used,
        chosen,
        None if bands is None else [str(band) for band in several(bands)],
        real(given.get("mjd_now"), "mjd_now"),
        yes(given.get("include_base_procver"), "include_base_procver"),
        yes(given.get("include_source_positions"), "include_source_positions"),
        info,
        yes(given.get("include_object_positions", True), "include_object_positions"),
        of_objects or used,
        of_positions or of_objects or used,
        always or yes(given.get("use_weighted_source_positions"), "use_weighted_source_positions"),
        always,
    )


def _connections(request: Request) -> Connections:
    connections: Connections = request.app.state.connections
    return connections


def many(request: Request, given: Given, procver: str = DEFAULT) -> Response:
    """Light curves of some objects, or of a page of all."""
    admitted(request)
    if "objids" not in given and "limit" not in given:
        raise FastdbError(_NO_OBJECTS)
    only(given, {"objids", *_SHOWN, *_CHOSEN})
    form = _form(request, given, procver, info=yes(given.get("return_object_info"), "return_object_info"))
    with _connections(request).use() as connection:
        if "objids" in given:
            roots = find_roots(connection, objects(given["objids"]))
        else:
            limit, offset = (whole(given.get(name, 0), name) for name in ("limit", "offset"))
            if not 0 < limit <= MOST_OF_PAGE or offset < 0:
                raise FastdbError(f"limit must be from 1 to {MOST_OF_PAGE}, and offset not negative")
            page = connection.execute("SELECT id FROM root_diaobject ORDER BY id LIMIT %s OFFSET %s", (limit, offset))
            roots = find_roots(connection, [row[0] for row in page])
    return _streamed(request, form, roots)


def single(request: Request, given: Given, procver: str, objid: str | None = None) -> Response:
    """The light curve of one object."""
    admitted(request)
    name, number = (DEFAULT, procver) if objid is None else (procver, objid)
    only(given, {*_SHOWN, *_CHOSEN})
    form = _form(request, given, name, info=yes(given.get("return_object_info"), "return_object_info"))
    with _connections(request).use() as connection:
        roots = find_roots(connection, objects([number]))
    return _of_one(request, form, roots, f"Could not find lightcurve for {number} in processing version {name}")


def random(request: Request, given: Given, procver: str = DEFAULT) -> Response:
    """The light curve of a random object that has one."""
    admitted(request)
    only(given, {*_SHOWN, *_CHOSEN})
    form = _form(request, given, procver, info=yes(given.get("return_object_info"), "return_object_info"))
    for _ in range(_RANDOM_TRIES):
        with _connections(request).use() as connection:
            row = connection.execute(
                "SELECT id FROM root_diaobject ORDER BY id < %(any)s, id LIMIT 1", {"any": uuid.uuid4()}
            ).fetchone()
            roots = find_roots(connection, [] if row is None else [row[0]])
            found = _read(connection, form, roots)
        if found.curves.identifiers:
            return _of_one(request, form, roots, "")
    raise FastdbError(f"Could not find a lightcurve in processing version {procver}")


def hot(request: Request, given: Given, procver: str | None = None) -> Response:
    """Recently detected root objects, with their light curves."""
    admitted(request)
    only(given, {*_SHOWN, *_HOT})
    layout = whole(given.get("return_format") or 0, "return_format")
    if layout not in (0, 1, 2):
        raise FastdbError(f"return_format must be 0, 1 or 2, not {layout}")
    if given.get("detected_since_mjd") is not None and given.get("detected_in_last_days") is not None:
        raise FastdbError("only give one of detected_since_mjd or detected_in_last_days")
    name = procver or text(given, "processing_version") or REALTIME
    asked = given.get("source_patch")
    patch = asked is None or yes(asked, "source_patch")
    if "include_object_position" in given:
        # The documentation of the original has this name for it.
        given = {**given, "include_object_positions": given["include_object_position"]}
    form = replace(
        _form(request, given, name, which=PATCH if patch else FORCED, info=True),
        hosts=yes(given.get("include_hostinfo"), "include_hostinfo"),
    )
    since = real(given.get("detected_since_mjd"), "detected_since_mjd")
    if since is None:
        days = real(given.get("detected_in_last_days"), "detected_in_last_days")
        now = now_tai() if form.until is None else form.until
        since = now - (DAYS if days is None else days)
    with _connections(request).use() as connection:
        roots = hot_roots(connection, form.version, since, form.until)
    if layout == 0:
        return _streamed(request, form, roots)
    parts = ((part.curves, part.info, part.hosts) for part in _parts(request, form, roots))
    return StreamingResponse(hot_rows.written(parts, columns=layout == 2), media_type="application/json")


@dataclass(frozen=True)
class _Part:
    curves: RootCurves
    info: dict[str, list[Any]]
    hosts: list[dict[str, Any]]
    """See `versions.hosts.likeliest_hosts`."""


def _read(connection: psycopg.Connection[Any], form: _Form, roots: Roots) -> _Part:
    curves = root_curves(
        connection, form.version, roots, which=form.which, bands=form.bands, until=form.until, positions=form.places
    )
    if not form.info:
        return _Part(curves, {}, [])
    info = known_objects(connection, form.objects, list(curves.identifiers), positions=form.positions)
    if form.weighted:
        seen = root_curves(
            connection, form.version, roots, which=DETECTIONS, bands=form.bands, until=form.until, positions=True
        )
        _weigh(info, weighted_positions(seen), always=form.always_weighted)
    if not form.info_places:
        info = {name: values for name, values in info.items() if name not in ("pos_base_procver", *POSITION)}
    hosts = likeliest_hosts(connection, form.version, info["diaobjectid"]) if form.hosts else []
    return _Part(curves, info, hosts)


def _weigh(info: dict[str, list[Any]], places: Mapping[uuid.UUID, tuple[float | None, ...]], *, always: bool) -> None:
    for row, root in enumerate(info["rootid"]):
        if always or info["ra"][row] is None:
            for name, value in zip(POSITION, places.get(root, (None,) * len(POSITION)), strict=True):
                info[name][row] = value
            info["pos_base_procver"][row] = None


def _rows(part: _Part, form: _Form) -> Iterator[bytes]:
    """The light curve of each root object."""
    curves = part.curves
    columns = {name: curves.columns[name] for name in _names(form)}
    if form.bases:
        for kind, column, reduction in (
            (definitions.DETECTIONS, "base_procver_s", "source_reduction"),
            (definitions.FORCED, "base_procver_f", "forced_reduction"),
        ):
            if reduction in curves.columns:
                called = {one.reduction: one.description for one in form.version.of(kind)}
                values = curves.columns[reduction].tolist()
                columns[column] = np.array([called.get(value) for value in values], object)
    plain = {name: hot_rows.plain(values) for name, values in columns.items()}
    for identifier, (begin, end) in zip(curves.identifiers, itertools.pairwise(curves.begins.tolist()), strict=True):
        yield json_of({"rootid": str(identifier), **{name: values[begin:end] for name, values in plain.items()}})


def _names(form: _Form) -> list[str]:
    forced = form.which != DETECTIONS
    names = ["mjd", "diasourceid", "diaforcedsourceid", "source_diaobjectid", "forced_diaobjectid"]
    names += ["visit", "band", "flux", "fluxerr", "isdet", "ispatch"]
    if form.places:
        names += [f"det_{name}" for name in POSITION]
    left_out = {"ispatch"} if form.which != PATCH else set()
    return [name for name in names if name not in left_out and (forced or "forced" not in name)]


def _parts(request: Request, form: _Form, roots: Roots) -> Iterator[_Part]:
    for begin in range(0, len(roots.identifiers), TOGETHER):
        some = roots.identifiers[begin : begin + TOGETHER]
        chosen = (roots.places >= begin) & (roots.places < begin + TOGETHER)
        part = Roots(some, roots.objects[chosen], roots.places[chosen] - begin)
        with _connections(request).use() as connection:
            found = _read(connection, form, part)
        yield found


def _streamed(request: Request, form: _Form, roots: Roots) -> Response:
    parts = _parts(request, form, roots)
    first = next(parts, None)
    every = itertools.chain([] if first is None else [first], parts)
    return StreamingResponse(_written(every, form), media_type="application/json")


def _written(parts: Iterator[_Part], form: _Form) -> Iterator[bytes]:
    info: dict[str, list[Any]] = {name: [] for name in _info_names(form)}
    hosts: list[dict[str, Any]] = []
    before = b'{"ltcvs":[' if form.info else b"["
    for part in parts:
        for row in _rows(part, form):
            yield before + row
            before = b","
        for name, values in part.info.items():
            info[name] += values
        hosts += part.hosts
    start = b"" if before == b"," else before
    yield start + b"]"
    if form.info:
        yield b',"objinfo":' + json_of(_texts(info))
        yield (b',"hostinfo":' + json_of(hot_rows.host_columns(hosts)) if form.hosts else b"") + b"}"


def _info_names(form: _Form) -> list[str]:
    return [name for name in COLUMNS if form.info_places or name not in ("pos_base_procver", *POSITION)]


def _texts(info: dict[str, list[Any]]) -> dict[str, list[Any]]:
    return {**info, "rootid": [str(one) for one in info["rootid"]]}


def _of_one(request: Request, form: _Form, roots: Roots, missing: str) -> Response:
    with _connections(request).use() as connection:
        part = _read(connection, form, roots)
    rows = list(_rows(part, form))
    if not rows:
        raise FastdbError(missing)
    if not form.info:
        return Json(rows[0])
    return Json(b'{"ltcv":' + rows[0] + b',"objinfo":' + json_of(_texts(part.info)) + b"}")


def broker_info(request: Request, given: Given, procver: str = REALTIME) -> Response:
    """What brokers say about some detections."""
    admitted(request)
    only(given, ["diasourceids", "brokername", "topic"])
    if "diasourceids" not in given:
        raise FastdbError("Post data dict must include key diasourceids with list of source ids.")
    sources = [whole(one, "diasourceids") for one in several(given["diasourceids"])]
    with _connections(request).use() as connection:
        bases = [base.identifier for base in version(connection, procver).of(definitions.DETECTIONS)]
        rows = connection.execute(
            "SELECT diasourceid, brokername, topic, info FROM diasource_brokerinfo"
            " WHERE diasourceid = ANY(%(sources)s::bigint[]) AND base_procver_id = ANY(%(bases)s)"
            " AND (%(broker)s::text IS NULL OR brokername = %(broker)s)"
            " AND (%(topic)s::text IS NULL OR topic = %(topic)s) ORDER BY 1, 2, 3, msgtime",
            {
                "sources": sources, "bases": bases, "broker": text(given, "brokername"), "topic": text(given, "topic"),
            },
        ).fetchall()  # fmt: skip
    found: dict[str, list[dict[str, Any]]] = {}
    for source, broker, topic, info in rows:
        found.setdefault(str(source), []).append({"brokername": broker, "topic": topic, "info": info})
    return Json(found)

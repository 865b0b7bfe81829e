"""Light curves of one object or many, as they were known at any time, in any format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Final

import numpy as np
import orjson
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from fastapi import APIRouter, Query, Request
from fastapi.responses import Response
from pydantic import Field

from broker_assets.api.documents import EXACT, plain
from broker_assets.api.v1.answers import Format, chosen_form, described, document, json_stream, table
from broker_assets.api.v1.known_parameters import Body
from broker_assets.api.v1.names import meant, resolve, unknown
from broker_assets.api.v1.objects import ObjectId
from broker_assets.api.v1.problems import Problem
from broker_assets.api.v1.viewers import Anybody, Database
from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.definitions import Version

router = APIRouter(tags=["light curves"])

MOST: Final = 10_000
"""Most light curves in an answer."""
_PARTS: Final = {"detection": "diaSources", "forced": "diaForcedSources", "limit": "diaNondetectionLimits"}
_OF_PART: Final = {
    "detection": ("diaSourceId", ("midpointMjdTai", "band", "psfFlux", "psfFluxErr", "reliability")),
    "forced": ("diaForcedSourceId", ("midpointMjdTai", "band", "psfFlux", "psfFluxErr")),
    "limit": (None, ("midpointMjdTai", "band", "diaNoise")),
}
_POINT: Final = {
    "diaSourceId": "313853499600420865",
    "midpointMjdTai": 60980.1,
    "band": "r",
    "psfFlux": 5120.5,
    "psfFluxErr": 120.25,
    "reliability": 0.93,
}
_LIMIT: Final = {"midpointMjdTai": 60979.1, "band": "g", "diaNoise": 310.5}
EXAMPLE: Final = {
    "diaObjectId": "313853499600420864",
    "survey": "rubin",
    "asOf": None,
    "diaSources": [_POINT],
    "diaForcedSources": [],
    "diaNondetectionLimits": [_LIMIT],
}

Parts = Annotated[
    str,
    Query(
        description="Which points: detections, forced, limits; separated by commas",
        pattern=r"^(detections|forced|limits)(,(detections|forced|limits)){0,2}$",
    ),
]
AsOf = Annotated[
    float | None,
    Query(
        ge=0,
        le=200_000,
        description="MJD TAI: points that packets of exposures up to this time had, without those withdrawn by then",
        examples=[60980.5],
    ),
]
Since = Annotated[float | None, Query(ge=0, le=200_000, description="Points at or after this time, MJD TAI")]
Until = Annotated[float | None, Query(ge=0, le=200_000, description="Points before this time, MJD TAI")]
ALL: Final = "detections,forced,limits"
ProcessingVersion = Annotated[
    str | None,
    Query(
        description="Version of the processing: of several reductions of a visit, that of the highest priority counts."
        " Default: what alerts say",
        max_length=200,
        examples=["realtime"],
    ),
]


Root = Annotated[
    bool,
    Query(
        description="With the other objects of its root object: identifiers that the survey gave to the same thing,"
        " a data release for instance"
    ),
]


def reductions_of(version: Version | None) -> dict[str, Mapping[int, int]] | None:
    """Reductions of each kind of points in a version; None for the points of alerts."""
    if version is None or all(base.reduction == 0 for base in version.bases):
        return None
    forced = version.reductions(definitions.FORCED)
    return {"detections": version.reductions(definitions.DETECTIONS), "forced": forced, "limits": forced}


def version_of(connection: psycopg.Connection[Any], name: str | None) -> Version | None:
    """The version with a name; None without a name.

    Raises
    ------
    Problem
        If there is none.
    """
    if name is None:
        return None
    try:
        return definitions.find(connection, name)
    except definitions.UnknownVersionError as error:
        raise Problem("bad-parameter", f"processing_version: {error}") from None


def features_in(request: Request, connection: psycopg.Connection[Any], identifier: int, version: Version) -> pa.Table:
    """Features of the light curve of an object in a version, with the points of all objects of its root object.

    See `lightcurves.version_features.version_features`.
    """
    from broker_assets.lightcurves.curve_tables import known_objects
    from broker_assets.lightcurves.version_features import version_features
    from broker_assets.tom.versions.curves import find_roots

    survey = known_objects(connection, [identifier])[identifier]
    members = dict.fromkeys((identifier, *find_roots(connection, [identifier]).objects.tolist()), survey)
    return version_features(connection, identifier, members, reductions_of(version), request.app.state.features)


class Wanted(Body):
    """Light curves in a request."""

    ids: list[int | str] = Field(
        description="diaObjectIds or names", min_length=1, max_length=MOST, examples=[["313853499600420864"]]
    )
    parts: list[str] = Field(default=ALL.split(","), description="Which points", max_length=3)
    as_of: float | None = Field(default=None, ge=0, le=200_000, description="MJD TAI, as in the other question")
    since: float | None = Field(default=None, ge=0, le=200_000, description="MJD TAI")
    until: float | None = Field(default=None, ge=0, le=200_000, description="MJD TAI")
    joint: bool = Field(default=False, description="With the objects of other surveys that are linked to them")
    root: bool = Field(default=False, description="With the other objects of their root objects")
    processing_version: str | None = Field(default=None, max_length=200, description="As in the other question")


@router.get("/objects/{id}/lightcurve", responses=described(EXAMPLE, tabular=True))
def lightcurve(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: ObjectId,  # noqa: A002
    parts: Parts = ALL,
    as_of: AsOf = None,
    since: Since = None,
    until: Until = None,
    joint: Annotated[bool, Query(description="With the objects of other surveys that are linked to it")] = False,
    root: Root = False,
    processing_version: ProcessingVersion = None,
    form: Format = None,
) -> Response:
    """The light curve of an object: detections, forced photometry and limits, by time. Fluxes are nJy (AB)."""
    from broker_assets.lightcurves.curve_tables import curve_table, known_objects

    chosen = chosen_form(request, form)
    identifier = meant(connection, id)
    survey = known_objects(connection, [identifier])
    if not survey:
        raise unknown(id)
    if joint:
        survey = _linked(connection, [identifier])
    if root:
        survey = _of_roots(connection, survey)
    reductions = reductions_of(version_of(connection, processing_version))
    found = curve_table(
        connection, survey, kinds=parts.split(","), as_of=as_of, since=since, until=until, reductions=reductions
    )
    if chosen != "json":
        return table(found.combine_chunks().to_batches(), found.schema, chosen, f"lightcurve_{identifier}")
    curves = {one["diaObjectId"]: one for one in documents(found, survey, parts.split(","), as_of)}
    content = curves.pop(identifier)
    if joint or root:
        content["linked"] = list(curves.values())
    return document(request, content)


@router.get("/lightcurves", responses=described({"lightcurves": [EXAMPLE], "unknown": []}, tabular=True))
def some_lightcurves(
    request: Request,
    connection: Database,
    viewer: Anybody,
    ids: Annotated[
        str, Query(description="diaObjectIds or names, separated by commas", max_length=40_000, examples=["7,8"])
    ],
    parts: Parts = ALL,
    as_of: AsOf = None,
    since: Since = None,
    until: Until = None,
    joint: Annotated[bool, Query(description="With the objects of other surveys that are linked to them")] = False,
    root: Root = False,
    processing_version: ProcessingVersion = None,
    form: Format = None,
) -> Response:
    """Light curves of some objects; with POST there may be more."""
    texts: list[int | str] = [one.strip() for one in ids.split(",") if one.strip()]
    if not 0 < len(texts) <= MOST:
        raise Problem("bad-parameter", f"ids: {len(texts)} objects are asked for; 1 to {MOST} at once")
    wanted = Wanted(
        ids=texts, parts=parts.split(","), as_of=as_of, since=since, until=until, joint=joint, root=root,
        processing_version=processing_version,
    )  # fmt: skip
    return many_lightcurves(request, connection, viewer, wanted, form)


@router.post("/lightcurves", responses=described({"lightcurves": [EXAMPLE], "unknown": ["12"]}, tabular=True))
def many_lightcurves(
    request: Request, connection: Database, viewer: Anybody, wanted: Wanted, form: Format = None
) -> Response:
    """Light curves of many objects at once, sent while they are read: one table, or one document for each."""
    from broker_assets.lightcurves.curve_tables import KINDS, SCHEMA, curve_tables, known_objects

    chosen = chosen_form(request, form)
    unknown_part = [one for one in wanted.parts if one not in KINDS]
    if unknown_part or not wanted.parts:
        raise Problem("bad-parameter", f"parts: there are {', '.join(KINDS)}")
    identifiers, unknown = resolve(connection, [str(one) for one in wanted.ids])
    survey = _linked(connection, identifiers) if wanted.joint else known_objects(connection, identifiers)
    if wanted.root:
        survey = _of_roots(connection, survey)
    options: dict[str, Any] = {
        "kinds": wanted.parts,
        "as_of": wanted.as_of,
        "since": wanted.since,
        "until": wanted.until,
        "reductions": reductions_of(version_of(connection, wanted.processing_version)),
    }
    connections = request.app.state.connections

    def batches() -> Iterator[pa.RecordBatch]:
        with connections.use() as own:
            for part in curve_tables(own, survey, **options):
                yield from part.combine_chunks().to_batches()

    if chosen != "json":
        return table(batches(), SCHEMA, chosen, "lightcurves", unknown=unknown)

    def pieces() -> Iterator[bytes]:
        yield b'{"lightcurves":['
        first = True
        ordered = sorted(survey)
        with connections.use() as own:
            for begin, part in enumerate(curve_tables(own, survey, **options)):
                chosen_ones = ordered[begin * 500 : (begin + 1) * 500]
                of_part = {one: survey[one] for one in chosen_ones}
                texts = [
                    _written(one | {"diaObjectId": plain(one["diaObjectId"])})
                    for one in documents(part, of_part, wanted.parts, wanted.as_of)
                ]
                yield (b"" if first else b",") + b",".join(texts)
                first = False
        yield b'],"unknown":' + _written(unknown) + b"}"

    return json_stream(pieces())


def documents(
    found: pa.Table, survey: dict[int, int], parts: list[str], as_of: float | None
) -> Iterator[dict[str, Any]]:
    """Light curves of objects for JSON, by identifier."""
    from broker_assets.database.tables import SURVEYS

    names = {code: name for name, code in SURVEYS.items()}
    asked = {"detections": "detection", "forced": "forced", "limits": "limit"}
    points: dict[str, dict[int, list[dict[str, Any]]]] = {}
    for kind in (asked[part] for part in asked if part in parts):
        named, columns = _OF_PART[kind]
        own = found.filter(pc.equal(found["kind"], kind))
        values = [_exact(own["id"])] if named is not None else []
        values += [_finite(own[column]) for column in columns]
        keys = [named, *columns] if named is not None else list(columns)
        rows = [dict(zip(keys, row, strict=True)) for row in zip(*values, strict=True)]
        objects, counts = np.unique(own["diaObjectId"].to_numpy(), return_counts=True)
        ends = np.cumsum(counts)
        points[_PARTS[kind]] = {
            one: rows[begin:end]
            for one, begin, end in zip(objects.tolist(), (ends - counts).tolist(), ends.tolist(), strict=True)
        }
    for identifier in sorted(survey):
        known = {"diaObjectId": identifier, "survey": names.get(survey[identifier]), "asOf": as_of}
        yield known | {part: of_object.get(identifier, []) for part, of_object in points.items()}


def _exact(numbers: pa.ChunkedArray) -> list[int | str | None]:
    """Identifiers, as texts where JSON readers would round them."""
    values: list[int | None] = numbers.to_pylist()
    return [str(one) if one is not None and not -EXACT <= one <= EXACT else one for one in values]


def _finite(column: pa.ChunkedArray) -> list[Any]:
    """Values, with the fewest digits that identify 32-bit floats; None where they are not finite."""
    if pa.types.is_floating(column.type):
        column = pc.if_else(pc.is_finite(column), column, None)
    if pa.types.is_float32(column.type):
        column = column.cast(pa.string()).cast(pa.float64())
    values: list[Any] = column.to_pylist()
    return values


def _written(content: Any) -> bytes:
    return orjson.dumps(content)


def _linked(connection: psycopg.Connection[Any], identifiers: list[int]) -> dict[int, int]:
    """Survey code of objects and of those that are linked to them."""
    from broker_assets.sky.object_links import members

    return {one.diaobjectid: one.survey for identifier in identifiers for one in members(connection, identifier)}


def _of_roots(connection: psycopg.Connection[Any], survey: Mapping[int, int]) -> dict[int, int]:
    """Survey code of objects and of the other objects of their root objects."""
    rows = connection.execute(
        "SELECT DISTINCT member.diaobjectid, root.survey FROM diaobject AS own JOIN diaobject AS member USING (rootid)"
        " JOIN root_diaobject AS root ON root.id = own.rootid WHERE own.diaobjectid = ANY(%s)",
        (list(survey),),
    )
    return {int(number): int(code) for number, code in rows} | dict(survey)

"""Citable snapshots: the answer to a query, frozen under an identifier with a hash, the same bytes for ever."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Final

import psycopg
from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from psycopg import sql
from pydantic import Field, model_validator

from broker_assets.api.v1.answers import Cursor, Format, Limit, binary, described, document, immutable, listing
from broker_assets.api.v1.known_parameters import Body
from broker_assets.api.v1.lightcurves import ALL, reductions_of, version_of
from broker_assets.api.v1.names import resolve
from broker_assets.api.v1.problems import Problem
from broker_assets.api.v1.viewers import Anybody, Database, Writer, changing
from broker_assets.tom.versions.definitions import REALTIME

router = APIRouter(tags=["snapshots"])

MOST: Final = 1000
"""Most objects in a snapshot."""
Identifier = Annotated[
    str, Path(description="Identifier of a snapshot", pattern=r"^s[0-9a-f]{16}$", examples=["s0123456789abcdef"])
]
_EXAMPLE: Final = {
    "snapshotId": "s0123456789abcdef",
    "sha256": "0123456789abcdef…",
    "bytes": 51200,
    "title": "Light curves of figure 3",
    "question": {"ids": ["313853499600420864"], "as_of": 61000.5},
    "versions": {"package": "0.1.0", "revision": 12, "code": {"object_features": "3"}},
    "contents": [{"name": "lightcurves.parquet", "rows": 40, "sha256": "…"}],
}


class Cone(Body):
    """A cone."""

    ra: float = Field(ge=0, le=360, description="Right ascension, degrees, ICRS")
    dec: float = Field(ge=-90, le=90, description="Declination, degrees, ICRS")
    radius: float = Field(gt=0, le=36_000, description="Radius, arcsec")


class Question(Body):
    """What is frozen: objects by identifier or in a cone, with their light curves and features."""

    ids: list[int | str] | None = Field(
        default=None,
        min_length=1,
        max_length=MOST,
        description="diaObjectIds or names",
        examples=[["313853499600420864"]],
    )
    cone: Cone | None = Field(default=None, description="Objects in a cone, in place of `ids`")
    parts: list[str] = Field(default=ALL.split(","), max_length=3, description="Points: detections, forced, limits")
    as_of: float | None = Field(default=None, ge=0, le=200_000, description="Points as of this time, MJD TAI")
    features: bool = Field(default=True, description="Whether features of the alerts are in it")
    processing_version: str | None = Field(
        default=None, max_length=200, description="Version of the processing; default: realtime, what alerts say"
    )
    title: str = Field(default="", max_length=500, description="What it is, for people; no part of the hash")

    @model_validator(mode="after")
    def _one_of_both(self) -> Question:
        if (self.ids is None) == (self.cone is None):
            raise ValueError("give either `ids` or `cone`")
        return self


@router.post("/snapshots", status_code=201, responses=described(_EXAMPLE, "It is frozen", status=201))
def freeze(request: Request, connection: Database, writer: Writer, question: Question) -> Response:
    """Freeze the answer to a query. The same answer from the same versions has the same identifier."""
    from upath import UPath

    from broker_assets.database.documented_rows import documented_rows
    from broker_assets.database.object_tables import object_columns, object_table
    from broker_assets.database.tables import object_features, objects
    from broker_assets.lightcurves.curve_tables import KINDS, curve_table, known_objects
    from broker_assets.provenance.snapshots import keep, versions_in_force

    if not question.parts or any(part not in KINDS for part in question.parts):
        raise Problem("bad-parameter", f"parts: there are {', '.join(KINDS)}")
    version = version_of(connection, question.processing_version or REALTIME)
    identifiers = sorted(_objects(connection, question))
    survey = known_objects(connection, identifiers)
    names = object_columns([column.name for column in objects.columns if column.name not in ("ingestid", "timestamp")])
    tables = {
        "objects": object_table(connection, names, identifiers),
        "lightcurves": curve_table(
            connection, survey, kinds=question.parts, as_of=question.as_of, reductions=reductions_of(version)
        ),
    }
    if question.features:
        tables["features"] = documented_rows(
            connection, object_features, "diaobjectid", identifiers, order=("diaobjectid", "diasourceid"),
            without=("ingestid",),
        )  # fmt: skip
    # By its own name, not by an alias, which may later refer to another version.
    versions = {
        **versions_in_force(connection, identifiers),
        "processing": version
        and {
            "version": version.description,
            "id": str(version.identifier),
            "bases": [[base.kind, base.description, base.priority] for base in version.bases],
        },
    }
    asked = question.model_dump(exclude={"title"}, exclude_none=True)
    if question.ids is not None:  # in whatever form they were written
        asked["ids"] = [str(one) for one in identifiers]
    try:
        with changing(request, writer, "snapshot made") as noted:
            found = keep(
                noted.connection, UPath(request.app.state.settings.archive), tables, question=asked,
                versions=versions, title=question.title,
            )  # fmt: skip
            noted.subject = found.snapshotid
    except OSError as error:
        raise Problem("unavailable", "the snapshot cannot be written to the archive at the moment") from error
    return document(request, _shown(found), 201, headers={"Location": f"/api/v1/snapshots/{found.snapshotid}"})


@router.get("/snapshots", responses=described({"snapshots": [_EXAMPLE], "next": None}))
def snapshots(
    request: Request,
    connection: Database,
    viewer: Anybody,
    limit: Limit = 100,
    cursor: Cursor = None,
    form: Format = None,
) -> Response:
    """All snapshots, the newest first."""
    import pyarrow as pa

    schema = pa.schema([(name, pa.string()) for name in ("created", "snapshotId", "sha256", "title")])
    query = sql.SQL(
        'SELECT created_at::text AS created, snapshotid AS "snapshotId", sha256, bytes, title FROM snapshots'
    )
    return listing(
        request, connection, query, {}, schema, name="snapshots", keys=("created", "snapshotId"), limit=limit,
        cursor=cursor, form=form, most=viewer.rows, descending=True,
    )  # fmt: skip


@router.get("/snapshots/{id}", responses=described(_EXAMPLE))
def snapshot(request: Request, connection: Database, viewer: Anybody, id: Identifier) -> Response:  # noqa: A002
    """Description of a snapshot: query, versions, contents and hashes."""
    from broker_assets.provenance.snapshots import find

    return document(request, _shown(find(connection, id)))


@router.get(
    "/snapshots/{id}/content",
    response_class=Response,
    responses={
        **binary("application/zip", "A ZIP: tables as Parquet, `question.json`, `versions.json`, `SHA256SUMS`"),
        410: {"description": "The file is gone or damaged; `detail` says which version that was"},
    },
)
def content(request: Request, connection: Database, viewer: Anybody, id: Identifier) -> Response:  # noqa: A002
    """The bytes of a snapshot, exactly as they were frozen; their hash is checked each time."""
    from upath import UPath

    from broker_assets.provenance.snapshots import SnapshotGone, content_of, find

    found = find(connection, id)
    headers = {
        "Content-Disposition": f'attachment; filename="{id}.zip"',
        "Cache-Control": "public, max-age=31536000, immutable",
        "Repr-Digest": f"sha-256=:{_base64(found.sha256)}:",
    }

    def read() -> Response:
        try:
            return Response(content_of(UPath(request.app.state.settings.archive), found), media_type="application/zip")
        except SnapshotGone as error:
            advice = "freeze the question of /api/v1/snapshots/{id} again; the versions of both can be compared"
            raise Problem("gone", str(error), advice=advice) from error

    return immutable(request, found.sha256, headers, read)


def _base64(hexadecimal: str) -> str:
    import base64

    return base64.b64encode(bytes.fromhex(hexadecimal)).decode()


def _objects(connection: psycopg.Connection[Any], question: Question) -> list[int]:
    if question.ids is not None:
        identifiers, unknown = resolve(connection, [str(one) for one in question.ids])
        if unknown:
            raise Problem("not-found", f"objects {', '.join(unknown[:10])} are unknown")
        return identifiers
    from broker_assets.sky.cone_search import objects_near

    if question.cone is None:
        return []
    near = objects_near(connection, question.cone.ra, question.cone.dec, question.cone.radius)
    if len(near) > MOST:
        raise Problem("too-large", f"the cone has {len(near)} objects; a snapshot at most {MOST}")
    return [int(one) for one in near.diaobjectid]


def _shown(found: Any) -> dict[str, Any]:
    content = dataclasses.asdict(found)
    del content["path"]
    return {("snapshotId" if name == "snapshotid" else name): value for name, value in content.items()}

"""Objects: by identifier or name, many at once, in a cone, and all of them page by page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final

import psycopg
import pyarrow as pa
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from broker_assets.api.v1.answers import Cursor, Format, Limit, chosen_form, described, document, most_rows, table
from broker_assets.api.v1.known_parameters import Body
from broker_assets.api.v1.names import one_of, resolve
from broker_assets.api.v1.problems import Problem
from broker_assets.api.v1.viewers import Anybody, Database
from broker_assets.database.paging import page
from broker_assets.database.tables import SURVEYS

router = APIRouter(tags=["objects"])

MOST: Final = 1000
"""Most objects in a request."""
ObjectId = Annotated[
    str,
    Path(
        description="diaObjectId, name of a ZTF object, or name at TNS (with or without AT or SN)",
        max_length=40,
        examples=["313853499600420864"],
    ),
]
Ids = Annotated[
    str | None,
    Query(
        description=f"diaObjectIds or names, separated by commas; at most {MOST}",
        max_length=40 * MOST,
        examples=["7,8"],
    ),
]
Columns = Annotated[
    str | None,
    Query(description="Columns of `objects`, separated by commas; default: those of the example", max_length=4096),
]
USUAL: Final = (
    *("diaobjectid", "survey", "ra", "decl", "firstdiasourcemjdtai", "lastdiasourcemjdtai", "ndiasources"),
    *("latestr", "medianr", "glat", "ebv", "tns_name"),
)
"""Default columns, where the table has them."""
EXAMPLE: Final = {
    "diaObjectId": "313853499600420864",
    "survey": "rubin",
    "ra": 150.1,
    "decl": 2.2,
    "firstDiaSourceMjdTai": 60980.1,
    "lastDiaSourceMjdTai": 61001.2,
    "nDiaSources": 12,
}


class Wanted(Body):
    """Objects in a request."""

    ids: list[int | str] = Field(
        description="diaObjectIds or names",
        min_length=1,
        max_length=MOST,
        examples=[["313853499600420864", "ZTF18abcdefg"]],
    )
    columns: list[str] | None = Field(default=None, description="Columns of `objects`", max_length=500)


@router.get("/objects", responses=described({"objects": [EXAMPLE], "next": None}, tabular=True))
def list_objects(
    request: Request,
    connection: Database,
    viewer: Anybody,
    ids: Ids = None,
    columns: Columns = None,
    survey: Annotated[str | None, Query(description=f"One of {', '.join(SURVEYS)}", max_length=20)] = None,
    since: Annotated[float | None, Query(ge=0, le=200_000, description="Last detected at or after, MJD TAI")] = None,
    least: Annotated[int, Query(ge=0, le=1_000_000, description="Detections, at least")] = 0,
    limit: Limit = 100,
    cursor: Cursor = None,
    form: Format = None,
) -> Response:
    """Objects by identifier, page by page; with `ids`, the named objects and the names that are unknown.

    In table formats all pages are sent at once, up to `limit` if it is given and the row limit of the account, which is
    in the header `X-Row-Limit`.
    """
    from broker_assets.database.object_tables import (
        documented_row,
        object_batches,
        object_columns,
        object_schema,
        objects_of,
    )

    chosen = chosen_form(request, form)
    names = object_columns(columns.split(",") if columns else USUAL, lenient=columns is None)
    if ids is not None:
        return _many(request, connection, [one for one in ids.split(",") if one.strip()], names, chosen)
    code = _survey(survey)
    if chosen != "json":
        connections, most = request.app.state.connections, most_rows(request, limit, cursor, viewer.rows)
        batches = object_batches(connections.use, names, survey=code, since=since, least=least, limit=most + 1)
        return table(batches, object_schema(names), chosen, "objects", most=most)
    query, values = objects_of(names, survey=code, since=since, least=least)
    found = page(connection, query, values, keys=("diaobjectid",), limit=limit, place=cursor)
    return document(request, {"objects": [documented_row(row) for row in found.rows], "next": found.following})


@router.post("/objects/search", responses=described({"objects": [EXAMPLE], "unknown": ["12"]}, tabular=True))
def search_objects(
    request: Request, connection: Database, viewer: Anybody, wanted: Wanted, form: Format = None
) -> Response:
    """Many objects at once: the known ones, and the names of unknown ones."""
    from broker_assets.database.object_tables import object_columns

    names = object_columns(wanted.columns or USUAL, lenient=wanted.columns is None)
    return _many(request, connection, [str(one) for one in wanted.ids], names, chosen_form(request, form))


@router.get("/objects/{id}", responses=described({"object": EXAMPLE, "classifications": [], "context": None}))
def about_object(request: Request, connection: Database, viewer: Anybody, id: ObjectId) -> Response:  # noqa: A002
    """All that is known of an object as of its newest alert, with its classes, context and annotations."""
    from broker_assets.api.objects import about_object as known
    from broker_assets.api.v1.details import seen_annotations

    identifier = one_of(connection, id)
    content = json.loads(bytes(known(connection, str(identifier)).body))
    content["annotations"] = seen_annotations(connection, viewer, identifier)
    return document(request, content)


@router.get("/cone", responses=described({"objects": [EXAMPLE | {"separationArcsec": 0.7}], "count": 1}, tabular=True))
def cone(
    request: Request,
    connection: Database,
    viewer: Anybody,
    ra: Annotated[float, Query(ge=0, le=360, description="Right ascension, degrees, ICRS", examples=[150.1])],
    dec: Annotated[float, Query(ge=-90, le=90, description="Declination, degrees, ICRS", examples=[2.2])],
    radius: Annotated[float, Query(ge=0, le=36_000, description="Radius, arcsec", examples=[5.0])] = 5.0,
    limit: Limit = 1000,
    columns: Columns = None,
    form: Format = None,
) -> Response:
    """Objects whose newest position lies in a cone, the nearest first; `count` includes those beyond the limit."""
    from broker_assets.database.object_tables import object_columns, object_table
    from broker_assets.sky.cone_search import objects_near

    chosen = chosen_form(request, form)
    names = object_columns(columns.split(",") if columns else USUAL, lenient=columns is None)
    near = objects_near(connection, ra, dec, radius)
    wanted = near.diaobjectid[: min(limit, viewer.rows)].tolist()
    found = object_table(connection, names, wanted)
    distance = dict(zip(near.diaobjectid.tolist(), near.arcsec.tolist(), strict=True))
    of_row = pa.array([distance[one] for one in found["diaObjectId"].to_pylist()], pa.float64())
    found = found.append_column(
        pa.field("separationArcsec", pa.float64(), metadata={"unit": "arcsec", "ucd": "pos.angDistance"}), of_row
    )
    if chosen != "json":
        return table(
            found.to_batches(), found.schema, chosen, "cone", overflows=lambda: len(near) > found.num_rows,
            most=min(limit, viewer.rows),
        )  # fmt: skip
    return document(request, {"objects": json_rows(found), "count": len(near)})


def _many(
    request: Request, connection: psycopg.Connection[Any], texts: Sequence[str], names: tuple[str, ...], form: str
) -> Response:
    from broker_assets.database.object_tables import object_table

    if len(texts) > MOST:
        raise Problem("too-large", f"{len(texts)} objects are asked for; at most {MOST} at once")
    identifiers, unknown = resolve(connection, texts)
    found = object_table(connection, names, identifiers)
    if form != "json":
        return table(found.to_batches(), found.schema, form, "objects", unknown=unknown)
    return document(request, {"objects": json_rows(found), "unknown": unknown})


def _survey(name: str | None) -> int | None:
    if name is None:
        return None
    if name not in SURVEYS:
        raise Problem("bad-parameter", f"survey: there is no survey {name!r}; surveys are {', '.join(SURVEYS)}")
    return SURVEYS[name]


def json_rows(found: pa.Table) -> list[dict[str, Any]]:
    """Rows of a table of objects or points for JSON."""
    from broker_assets.api.documents import records

    return records(found)

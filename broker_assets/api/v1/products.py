"""Telemetry products by time, kind, level and version; their files, whole or in ranges; publications."""

from __future__ import annotations

import datetime
from pathlib import Path as FilePath
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from psycopg import sql

from broker_assets.api.v1.answers import Cursor, Format, Limit, binary, described, document, file, listing
from broker_assets.api.v1.problems import Problem
from broker_assets.api.v1.viewers import Anybody, Database

router = APIRouter(tags=["telemetry"])

Number = Annotated[int, Path(ge=1, lt=2**63, description="Number of the version of the file", examples=[12])]
_PRODUCT: Final = {
    "productFileId": 12,
    "name": "solo_L1_stix-ql-lightcurve_20231101_V02.fits",
    "level": "L1",
    "family": "quicklook",
    "kind": "ql-lightcurve",
    "version": 2,
    "day": "2023-11-01",
    "size": 1234560,
}
_PUBLICATION: Final = {"publicationId": 4, "target": "archive", "name": "a.fits", "status": "delivered", "sha256": "…"}
_MEDIA_TYPES: Final = {".fits": "application/fits", ".png": "image/png", ".json": "application/json"}


@router.get("/products", responses=described({"products": [_PRODUCT], "next": None}, tabular=True))
def products(
    request: Request,
    connection: Database,
    viewer: Anybody,
    level: Annotated[str | None, Query(max_length=10, description="LB, L0, L1, L2, CAL, ANC, LL01 or LL03")] = None,
    family: Annotated[str | None, Query(max_length=20, description="quicklook, housekeeping, science, …")] = None,
    kind: Annotated[str | None, Query(max_length=60, description="Kind, as in file names: ql-lightcurve")] = None,
    version: Annotated[int | None, Query(ge=0, le=10_000, description="Processing version")] = None,
    first: Annotated[datetime.date | None, Query(description="Observation day, the first")] = None,
    last: Annotated[datetime.date | None, Query(description="Observation day, the last")] = None,
    request_id: Annotated[int | None, Query(ge=0, lt=2**63, description="Request that it answers")] = None,
    name: Annotated[str | None, Query(max_length=200, description="Text in the name")] = None,
    current: Annotated[bool, Query(description="Only files as they are now; else also what they were")] = True,
    limit: Limit = 100,
    cursor: Cursor = None,
    form: Format = None,
) -> Response:
    """Product files by observation day."""
    from broker_assets.telemetry.product_search import KEYS, SCHEMA, Search, search_query

    search = Search(level, family, kind, version, first, last, request_id, name, current)
    query, values = search_query(search)
    return listing(
        request, connection, query, values, SCHEMA, name="products", keys=KEYS, limit=limit, cursor=cursor, form=form,
        most=viewer.rows,
    )  # fmt: skip


@router.get("/products/kinds", responses=described({"kinds": [{"level": "L1", "kind": "ql-lightcurve", "files": 31}]}))
def product_kinds(request: Request, connection: Database, viewer: Anybody) -> Response:
    """Kinds of products, with the number of files and the first and last day of each."""
    from broker_assets.telemetry.product_search import kinds

    return document(request, {"kinds": kinds(connection)})


@router.get("/products/{id}", responses=described({**_PRODUCT, "inputs": [{"kind": "parent", "name": "a.fits"}]}))
def one_product(request: Request, connection: Database, viewer: Anybody, id: Number) -> Response:  # noqa: A002
    """A version of a product file with what it was made from."""
    from broker_assets.telemetry.product_search import inputs_of, product

    return document(request, product(connection, id) | {"inputs": inputs_of(connection, id)})


@router.get(
    "/products/{id}/file",
    response_class=Response,
    responses={
        **binary("application/fits", "The file"),
        206: {"description": "The part of the file that the header `Range` asks for"},
    },
)
def product_file(request: Request, connection: Database, viewer: Anybody, id: Number) -> Response:  # noqa: A002
    """The file of a version, or a range of it; 410 if another version has replaced it."""
    from broker_assets.telemetry.product_search import ProductGone, file_of, product

    found = product(connection, id)
    try:
        path = file_of(request.app.state.settings.telemetry_folder / "products", found)
        size, changed = path.stat().st_size, path.stat().st_mtime_ns
    except (ProductGone, FileNotFoundError) as error:
        raise Problem(
            "gone", str(error), advice="/api/v1/products with `name` finds the version that is kept now"
        ) from error
    media_type = _MEDIA_TYPES.get(FilePath(found["name"]).suffix, "application/octet-stream")
    tag = f"{found['digest'][:24]}-{size:x}-{changed:x}"
    return file(request, path, tag=tag, media_type=media_type, name=found["name"])


_PUBLICATIONS: Final = (
    'SELECT publicationid AS "publicationId", target, name, archive_name AS "archiveName", version, status, settled,'
    ' reason, delivered_name AS "deliveredName", supplement, sha256, size, digest, decided_at::text AS decided,'
    " delivered_at::text AS delivered FROM publication WHERE (%(target)s::text IS NULL OR target = %(target)s)"
    " AND (%(status)s::text IS NULL OR status = %(status)s)"
    " AND (%(name)s::text IS NULL OR strpos(name, %(name)s) > 0 OR strpos(delivered_name, %(name)s) > 0)"
)


@router.get("/publications", responses=described({"publications": [_PUBLICATION], "next": None}, tabular=True))
def publications(
    request: Request,
    connection: Database,
    viewer: Anybody,
    target: Annotated[str | None, Query(max_length=200, description="Archive, as named in the settings")] = None,
    status: Annotated[str | None, Query(max_length=20, description="delivered, held, error, …")] = None,
    name: Annotated[str | None, Query(max_length=200, description="Text in the name here or there")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    form: Format = None,
) -> Response:
    """Files that were delivered to archives, or held back and why; the newest decision first."""
    values: dict[str, Any] = {"target": target, "status": status, "name": name}
    return listing(
        request, connection, sql.SQL(_PUBLICATIONS), values, _publication_schema(), name="publications",
        keys=("publicationId",), limit=limit, cursor=cursor, form=form, most=viewer.rows, descending=True,
    )  # fmt: skip


def _publication_schema() -> Any:
    import pyarrow as pa

    from broker_assets.database.table_formats import field

    texts = (
        "target",
        "name",
        "archiveName",
        "status",
        "reason",
        "deliveredName",
        "sha256",
        "digest",
        "decided",
        "delivered",
    )
    numbers = ("publicationId", "version", "supplement", "size")
    order = ("publicationId", *texts[:3], "version", *texts[3:6], "supplement", *texts[6:8], "size", *texts[8:])
    return pa.schema([field(name, pa.int64() if name in numbers else pa.string()) for name in order])

"""The origin of rows, products, messages and assets ("why"), and the state of the platform."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response

from broker_assets.api import sources as earlier
from broker_assets.api.disclosure import Disclosure
from broker_assets.api.v1.answers import described, document
from broker_assets.api.v1.problems import Problem
from broker_assets.api.v1.viewers import Account, Anybody, Database

router = APIRouter(tags=["provenance"])

EXPLAINED: Final = (*earlier.EXPLAINED, "associations", "object_features", "class_scores", "object_classes")
_ORIGIN: Final = {
    "table": "diasources",
    "row": {"diaobjectid": "7", "diasourceid": "8"},
    "packet": {"topic": "rubin-alerts", "partition": 3, "offset": 1204},
    "batch": {"code_version": "12"},
}


@router.get("/why/rows/{table}", responses=described([_ORIGIN]))
def why_rows(
    request: Request,
    connection: Database,
    viewer: Anybody,
    table: Annotated[str, Path(description=f"One of {', '.join(EXPLAINED)}", max_length=40, examples=["diasources"])],
) -> Response:
    """Where rows of a table come from: packet, message, file, lists, batch and code.

    Further parameters are columns that identify the rows: `/why/rows/diasources?diasourceid=8`.
    """
    from broker_assets.packets.kafka_place import kafka_place
    from broker_assets.provenance.origins import key_columns
    from broker_assets.provenance.why import why

    if table not in EXPLAINED:
        raise Problem("not-found", f"no table {table!r}: available are {', '.join(EXPLAINED)}")
    where = {name.lower(): value for name, value in request.query_params.items()}
    allowed = (*key_columns(table), *earlier.EXPLAINED.get(table, ()))
    if not where or not set(where) <= set(allowed):
        raise Problem("bad-parameter", f"rows of {table} are found by {', '.join(allowed)}")
    found = why(connection, table, where, kafka_place)
    if not found:
        raise Problem("not-found", f"{table} has no row with " + ", ".join(f"{k} {v}" for k, v in where.items()))
    disclosure: Disclosure = request.app.state.disclosure
    return document(request, [disclosure.shown(request, item) for item in found])


@router.get(
    "/why/products/{name}",
    responses=described([{"level": "L1", "digest": "…", "used": [{"kind": "parent", "name": "a.fits"}]}]),
)
def why_product(
    request: Request,
    connection: Database,
    viewer: Anybody,
    name: Annotated[str, Path(description="Name of a product file", max_length=200, examples=["a.fits"])],
) -> Response:
    """Where a product file comes from: inputs and parents with checksums, telemetry files, code; every version."""
    from broker_assets.provenance.product_files import why

    found = why(connection, name)
    if not found:
        raise Problem("not-found", f"no product file is named {name}")
    disclosure: Disclosure = request.app.state.disclosure
    return document(request, [disclosure.shown(request, item) for item in found])


@router.get(
    "/why/deliveries/{id}",
    responses=described({"path": [{"what": "message", "is": "12 to kafka"}, {"what": "filter", "is": "3, version 2"}]}),
)
def why_delivery(
    request: Request,
    connection: Database,
    account: Account,
    id: Annotated[int, Path(ge=1, lt=2**63, description="Number of a message of a filter", examples=[12])],  # noqa: A002
) -> Response:
    """The path of a message of your filter: packet, catalogues, lists, filter and receipt."""
    from broker_assets.monitoring.notification_path import notification_path
    from broker_assets.packets.kafka_place import kafka_place

    row = connection.execute(
        "SELECT owner FROM deliveries JOIN filter_sinks USING (sinkid) WHERE deliveryid = %s", (id,)
    ).fetchone()
    if row is None or (row[0] != account.name and not account.sees_all):
        raise Problem("not-found", f"there is no message {id}, or it is of another account's filter")
    lines = notification_path(connection, id, kafka_place)
    return document(request, {"path": [{"what": what, "is": text} for what, text in lines]})


@router.get(
    "/why/assets/{asset}",
    responses=described({"asset": "sources", "partition": "2026-01-02", "data_version": "…", "code_version": "4"}),
)
def why_asset(
    request: Request,
    connection: Database,
    viewer: Anybody,
    asset: Annotated[str, Path(description="Asset", max_length=100, examples=["sources"])],
    partition: Annotated[str, Query(max_length=100, description="Its partition: a night, day, list or filter")] = "",
) -> Response:
    """The version of an asset, or of one of its partitions, and what it was made from."""
    from broker_assets.provenance import versions

    found = versions.current(connection, asset, partition)
    if found is None:
        raise Problem("not-found", f"asset {asset} has no version" + (f" of {partition}" if partition else ""))
    disclosure: Disclosure = request.app.state.disclosure
    return document(request, disclosure.shown(request, found))


@router.get(
    "/status", tags=["platform"], responses=described({"healthy": True, "streams": [], "problems": [], "alerts": []})
)
def status(request: Request, viewer: Anybody) -> Response:
    """Services, lag, open alerts, latest batches, quarantine and what is stale."""
    disclosure: Disclosure = request.app.state.disclosure
    found: Any = disclosure.shown(request, request.app.state.observer.status())
    return document(request, found, headers={"Cache-Control": "no-store"})


@router.get("/status/telemetry", tags=["platform"], responses=described({"healthy": True, "folders": [], "levels": []}))
def telemetry_status(request: Request, viewer: Anybody) -> Response:
    """Incoming files, packets, products, kernels, publications, and what needs attention."""
    disclosure: Disclosure = request.app.state.disclosure
    found: Any = disclosure.shown(request, request.app.state.observer.telemetry())
    return document(request, found, headers={"Cache-Control": "no-store"})

"""Filters: their list, checking a definition, present and past results, versions, and destinations."""

from __future__ import annotations

import dataclasses
import datetime
from typing import Annotated, Any, Final

import psycopg
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from broker_assets.api.v1.answers import Cursor, Format, Limit, described, document, listing
from broker_assets.api.v1.known_parameters import Body
from broker_assets.api.v1.problems import Problem
from broker_assets.api.v1.viewers import Account, Anybody, Database, Viewer, Writer, changing

router = APIRouter(tags=["filters"])

FilterId = Annotated[int, Path(ge=1, lt=2**63, description="Number of the filter", examples=[3])]
Night = Annotated[datetime.date | None, Query(description="Night, YYYY-MM-DD", examples=["2026-01-02"])]
_FILTER: Final = {"filterId": 3, "owner": "ann", "name": "bright", "public": True, "state": "active", "version": 2}
_TEXT: Final = "SELECT diaObjectId, ra, decl FROM objects WHERE nDiaSources > 5"


class Text(Body):
    """The definition of a filter."""

    definition: str = Field(
        max_length=20_000,
        description="One SELECT, or the sections `selected:`, `tables:` and `conditions:`",
        examples=[_TEXT],
    )


class Trial(Text):
    """A filter to be tried."""

    limit: int = Field(default=100, ge=1, le=10_000, description="Rows, at most")
    objects: list[int] | None = Field(default=None, max_length=10_000, description="Only these objects")


class NewFilter(Text):
    """A filter to be created."""

    name: str = Field(min_length=1, max_length=256, description="Unique for the owner", examples=["bright"])
    description: str = Field(default="", max_length=10_000, description="What it is for")
    public: bool = Field(default=False, description="Whether everybody may see it")


class Changes(Body):
    """What can be changed about a filter besides its definition; omitted fields stay as they are."""

    name: str | None = Field(default=None, max_length=256, description="Unique for the owner")
    description: str | None = Field(default=None, max_length=10_000, description="What it is for")
    public: bool | None = Field(default=None, description="Whether everybody may see it")
    active: bool | None = Field(default=None, description="Whether it runs")
    on_alerts: bool | None = Field(default=None, description="Whether alerts trigger it")
    on_annotations: bool | None = Field(default=None, description="Whether annotations trigger it")


@router.get("/filters", responses=described({"filters": [_FILTER]}))
def filters(
    request: Request,
    connection: Database,
    viewer: Anybody,
    owner: Annotated[str | None, Query(max_length=150, description="Only those of this account")] = None,
    active: Annotated[bool | None, Query(description="Only those that run, or do not")] = None,
) -> Response:
    """Filters that are public, shared with the account, or its own."""
    from broker_assets.filters.registry import list_filters

    found = viewer.visible("filter", list_filters(connection, owner=owner, active=active), lambda one: one.filterid)
    return document(request, {"filters": [_shown(one) for one in found]})


@router.get("/filters/{id}", responses=described({**_FILTER, "definition": _TEXT}))
def one_filter(request: Request, connection: Database, viewer: Anybody, id: FilterId) -> Response:  # noqa: A002
    """A filter with its newest definition."""
    from broker_assets.filters.files import write_definition
    from broker_assets.filters.registry import version_of

    found = _visible(connection, viewer, id)
    return document(request, _shown(found) | {"definition": write_definition(version_of(connection, id).form)})


@router.get(
    "/filters/{id}/versions",
    responses=described({"versions": [{"version": 2, "saved_by": "ann", "text": _TEXT, "changed": []}]}),
)
def versions(request: Request, connection: Database, viewer: Anybody, id: FilterId) -> Response:  # noqa: A002
    """All versions of a filter, the newest first, with what changed from the one before."""
    from broker_assets.filters.history import versions as saved

    _visible(connection, viewer, id)
    return document(request, {"versions": [dataclasses.asdict(one) for one in saved(connection, id)]})


@router.get(
    "/filters/{id}/results",
    responses=described(
        {
            "results": [{"night": "2026-01-02", "diaObjectId": 7, "diaSourceId": 8, "version": 2, "rows": 1}],
            "next": None,
        },
        tabular=True,
    ),
)
def results(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: FilterId,  # noqa: A002
    first: Night = None,
    last: Night = None,
    limit: Limit = 1000,
    cursor: Cursor = None,
    form: Format = None,
) -> Response:
    """Alerts that passed the filter when they arrived, by night; `selected` has the columns that it selects."""
    from broker_assets.filters.match_queries import MATCH_KEYS, MATCH_SCHEMA, MATCHES

    _visible(connection, viewer, id)
    return listing(
        request, connection, MATCHES, {"filter": id, "first": first, "last": last}, MATCH_SCHEMA, name="results",
        keys=MATCH_KEYS, limit=limit, cursor=cursor, form=form, most=viewer.rows,
    )  # fmt: skip


@router.get(
    "/filters/{id}/yields",
    responses=described({"yields": [{"night": "2026-01-02", "matches": 12, "over": 0, "problems": 0}]}),
)
def yields(
    request: Request,
    connection: Database,
    viewer: Anybody,
    id: FilterId,  # noqa: A002
    nights: Annotated[int, Query(ge=1, le=1000, description="Last nights, at most")] = 30,
) -> Response:
    """Number of alerts that passed the filter in each of its last nights."""
    from broker_assets.filters.yields import recent_nights

    _visible(connection, viewer, id)
    return document(request, {"yields": [dataclasses.asdict(one) for one in recent_nights(connection, id, nights)]})


@router.post(
    "/filters/check",
    responses=described({"columns": ["diaObjectId", "ra"], "tables": ["objects"], "postgres": "SELECT …"}),
)
def check(request: Request, connection: Database, viewer: Anybody, text: Text) -> Response:
    """Check a filter: what it reads and returns; mistakes are reported as a problem with line and column."""
    from broker_assets.filters.registry import unreadable

    query = _checked(text.definition)
    content = {
        "columns": list(query.output),
        "tables": sorted(query.tables),
        "watchlists": sorted(query.watchlists),
        "areas": sorted(query.areas),
        "annotators": sorted(query.annotators),
        "unreadable": unreadable(connection, viewer.name, query),
        "postgres": query.postgres(),
        "duckdb": query.duckdb(),
    }
    return document(request, content)


@router.post(
    "/filters/try",
    responses=described({"columns": ["ra"], "rows": [{"ra": 150.1}], "more": False, "seconds": 0.1}),
)
def try_now(request: Request, connection: Database, account: Account, trial: Trial) -> Response:
    """Run a filter over all objects as they are now, or some of them; nothing is stored."""
    from broker_assets.filters.interactive import run
    from broker_assets.filters.registry import unreadable

    query = _checked(trial.definition)
    hidden = unreadable(connection, account.name, query)
    if hidden:
        raise Problem("not-found", f"{', '.join(hidden)}: there is none, or it is neither public nor yours")
    found = run(
        connection,
        query,
        limit=min(trial.limit, account.rows),
        seconds=request.app.state.interactive_seconds,
        among=trial.objects,
        viewer=account.name,
    )
    content = {"columns": found.columns, "rows": found.rows, "more": found.more, "seconds": round(found.seconds, 3)}
    return document(request, content | {"diaObjectIds": found.objects})


@router.post("/filters", status_code=201, responses=described(_FILTER, "It is made", status=201))
def make(request: Request, writer: Writer, new: NewFilter) -> Response:
    """Create a filter; it does not run until it is active."""
    from broker_assets.access.quotas import require_room
    from broker_assets.filters.expiry import renewed
    from broker_assets.filters.files import read_definition
    from broker_assets.filters.registry import get_filter
    from broker_assets.filters.store import create_filter

    with changing(request, writer, "filter made") as noted:
        own = noted.connection
        require_room(own, _user(writer), request.app.state.access, "filters")
        made = create_filter(
            own, writer.name, new.name, read_definition(new.definition).form, description=new.description,
            public=new.public, expire=renewed(request.app.state.filters.expire_days),
        )  # fmt: skip
        noted.subject = str(made)
        found = _shown(get_filter(own, made))
    return document(request, found, 201, headers={"Location": f"/api/v1/filters/{made}"})


@router.put("/filters/{id}/definition", responses=described({"version": 3}))
def save(request: Request, writer: Writer, id: FilterId, text: Text) -> Response:  # noqa: A002
    """Save a definition as the next version; an unchanged definition creates none."""
    from broker_assets.filters.expiry import renewed
    from broker_assets.filters.files import read_definition
    from broker_assets.filters.store import save_filter

    form, until = read_definition(text.definition).form, renewed(request.app.state.filters.expire_days)
    with changing(request, writer, "filter saved", id) as noted:
        return document(request, {"version": save_filter(noted.connection, writer.name, id, form, expire=until)})


@router.patch("/filters/{id}", responses=described(_FILTER))
def change(request: Request, writer: Writer, id: FilterId, changes: Changes) -> Response:  # noqa: A002
    """Change the name of a filter, who may see it, and its triggers.

    Activation begins with a trial on the newest nights: the answer is 202 with the trial, whose address is in
    `Location`. A filter that passes more than its quota is not activated.
    """
    from broker_assets.api.v1.trials import begun
    from broker_assets.filters.registry import get_filter, version_of
    from broker_assets.filters.store import FilterChanges, change_filter, lock

    settings = changes.model_dump()
    activates = bool(settings["active"])
    if activates:
        settings["active"] = None
    with changing(request, writer, "filter changed", id) as noted:
        own = noted.connection
        present = lock(own, id, writer.name)
        change_filter(own, writer.name, id, FilterChanges(**settings))
        if not activates or present.active:
            return document(request, _shown(get_filter(own, id)))
        version = version_of(own, id)
    nights = request.app.state.filters.reference_nights
    return begun(request, writer, version.form, nights=nights, filterid=id, version=version.version, activates=True)


@router.delete(
    "/filters/{id}", status_code=204, response_class=Response, responses={204: {"description": "It is removed"}}
)
def remove(request: Request, writer: Writer, id: FilterId) -> Response:  # noqa: A002
    """Remove a filter; its versions, and when they ran, are kept."""
    from broker_assets.filters.store import remove_filter

    with changing(request, writer, "filter removed", id) as noted:
        remove_filter(noted.connection, writer.name, id)
    return Response(status_code=204)


@router.get(
    "/filters/{id}/sinks",
    responses=described(
        {"sinks": [{"sinkid": 1, "kind": "kafka", "target": "ann.bright", "counts": {"delivered": 9}}]}
    ),
)
def sinks(request: Request, connection: Database, account: Account, id: FilterId) -> Response:  # noqa: A002
    """Where the matches of a filter of the account are sent, with the number of messages by state."""
    from broker_assets.delivery.receipts import counts
    from broker_assets.delivery.sinks import listed

    _own(connection, account, id)
    number = counts(connection, id)
    found = [
        dataclasses.asdict(one) | {"counts": number.get(one.sinkid, {})} for one in listed(connection, filterid=id)
    ]
    return document(request, {"sinks": found})


@router.get(
    "/filters/{id}/deliveries",
    responses=described(
        {"deliveries": [{"deliveryId": 12, "sinkId": 1, "kind": "kafka", "state": "delivered"}], "next": None},
        tabular=True,
    ),
)
def deliveries(
    request: Request,
    connection: Database,
    account: Account,
    id: FilterId,  # noqa: A002
    state: Annotated[str | None, Query(max_length=20, description="pending, sending, delivered, dead, …")] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
    form: Format = None,
) -> Response:
    """Messages of a filter of the account with their receipts, the newest first."""
    from broker_assets.filters.match_queries import DELIVERIES, DELIVERY_SCHEMA

    _own(connection, account, id)
    return listing(
        request, connection, DELIVERIES, {"filter": id, "state": state}, DELIVERY_SCHEMA, name="deliveries",
        keys=("deliveryId",), limit=limit, cursor=cursor, form=form, most=account.rows, descending=True,
    )  # fmt: skip


def _visible(connection: psycopg.Connection[Any], viewer: Viewer, identifier: int) -> Any:
    from broker_assets.filters.registry import get_filter

    found = get_filter(connection, identifier)
    if not viewer.sees("filter", identifier, found):
        raise Problem("not-found", f"there is no filter {identifier}")
    return found


def _own(connection: psycopg.Connection[Any], account: Viewer, identifier: int) -> None:
    """Require the owner of a filter or an administrator: addresses of recipients are not for others."""
    found = _visible(connection, account, identifier)
    if found.owner != account.name and not account.sees_all:
        raise Problem(
            "not-allowed", f"filter {identifier} belongs to {found.owner}; only its owner sees where it is sent"
        )


def _checked(definition: str) -> Any:
    from broker_assets.filters.files import read_definition

    return read_definition(definition).check()


def _shown(found: Any) -> dict[str, Any]:
    content = {("filterId" if name == "filterid" else name): value for name, value in vars(found).items()}
    return content | {"state": found.state}


def _user(writer: Viewer) -> Any:
    return writer.user

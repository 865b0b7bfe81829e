"""Observations: facilities, requests for observations, what became of them, and their files."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from broker_assets.api.authentication import accounts_of
from broker_assets.api.v1.answers import Limit, binary, described, document
from broker_assets.api.v1.known_parameters import Body
from broker_assets.api.v1.problems import Problem
from broker_assets.api.v1.targets import TargetId, reader_of
from broker_assets.api.v1.viewers import Account, Anybody, Writer, changing

router = APIRouter(tags=["targets"])

Number = Annotated[int, Path(ge=1, lt=2**63, description="Number of the request", examples=[8])]
_REQUEST: Final = {
    "observationid": 8, "owner": "ann", "targetid": 12, "facility": "LCO", "state": "placed", "remote": "3141592",
    "remote_state": "PENDING", "begins": None, "ends": None, "failure": "", "parameters": {"exposure_time": 60.0},
}  # fmt: skip
_FILE: Final = {"productid": 5, "name": "a.fits.fz", "state": "stored", "bytes": 8, "sha256": "9f86d081…"}


class NewRequest(Body):
    """A request for an observation."""

    facility: str = Field(min_length=1, max_length=200, description="Its name", examples=["LCO"])
    key: str = Field(
        min_length=1, max_length=200, description="Your own text for this request: sent again, it is made once"
    )
    parameters: dict[str, str | float] = Field(description="Values of the fields of the facility")


@router.get(
    "/facilities",
    responses=described({"facilities": [{"name": "LCO", "may_ask": True, "fields": [{"name": "exposure_time"}]}]}),
)
def facilities(request: Request, account: Account) -> Response:
    """Facilities that accept requests for observations, with their fields, and whether the account may use them."""
    from broker_assets.tom.observations.store import may_ask

    found = []
    with accounts_of(request) as connection:
        for name, one in request.app.state.facilities.items():
            allowed = account.user is not None and may_ask(connection, account.user, one)
            fields = [vars(field) for field in one.form()]
            found.append({"name": name, "may_ask": allowed, "by_letter": one.by_letter, "fields": fields})
    return document(request, {"facilities": found})


@router.get("/observations", responses=described({"observations": [_REQUEST]}))
def observations(
    request: Request,
    viewer: Anybody,
    target: Annotated[int | None, Query(ge=1, lt=2**63, description="Only those of this target")] = None,
    open: Annotated[bool, Query(description="Only those that something will still become of")] = False,  # noqa: A002
    limit: Limit = 1000,
) -> Response:
    """Requests of the account, and those of targets that it may see, the newest first."""
    from broker_assets.tom.observations.store import search

    with accounts_of(request) as connection:
        found = search(connection, reader_of(viewer), targetid=target, only_open=open, limit=limit)
    return document(request, {"observations": [vars(one) for one in found]})


@router.get("/observations/{id}", responses=described(_REQUEST | {"files": [_FILE]}))
def observation(request: Request, viewer: Anybody, id: Number) -> Response:  # noqa: A002
    """A request with its files."""
    from broker_assets.tom.observations.store import get, products

    with accounts_of(request) as connection:
        found = vars(get(connection, reader_of(viewer), id)).copy()
        files = [vars(one).copy() for one in products(connection, [id])]
    for one in files:
        del one["path"]
    return document(request, found | {"files": files})


@router.get(
    "/observations/{id}/files/{file}",
    response_class=Response,
    responses=binary("application/octet-stream", "The file as the archive had it"),
)
def observation_file(
    request: Request,
    viewer: Anybody,
    id: Number,  # noqa: A002
    file: Annotated[int, Path(ge=1, lt=2**63, description="Number of the file", examples=[5])],
) -> Response:
    """A file of a request."""
    from broker_assets.api.site.observations import stored_file
    from broker_assets.tom.observations.store import get, products

    with accounts_of(request) as connection:
        get(connection, reader_of(viewer), id)
        for found in products(connection, [id]):
            if found.productid == file:
                return stored_file(request, found)
    raise Problem("not-found", f"request {id} has no file {file}")


@router.post(
    "/targets/{id}/observations", status_code=201, responses=described(_REQUEST, "It is asked for", status=201)
)
def ask(request: Request, writer: Writer, id: TargetId, new: NewRequest) -> Response:  # noqa: A002
    """Request an observation of a target from a facility; repeating a key makes no second request."""
    from broker_assets.tom.observations.store import ask as store_ask
    from broker_assets.tom.observations.store import get

    facility = request.app.state.facilities.get(new.facility)
    if facility is None:
        raise Problem("not-found", f"there is no facility {new.facility!r}", advice="GET /api/v1/facilities lists them")
    user: Any = writer.user
    with changing(request, writer, "observation asked for") as change:
        made = store_ask(change.connection, user, facility, id, new.parameters, new.key)
        change.subject = str(made)
        found = vars(get(change.connection, reader_of(writer), made))
    return document(request, found, 201, headers={"Location": f"/api/v1/observations/{made}"})


@router.delete("/observations/{id}", responses=described({"state": "cancelling"}))
def cancel(request: Request, writer: Writer, id: Number) -> Response:  # noqa: A002
    """Cancel a request of the account: at once if it was not sent yet, else the facility is asked."""
    from broker_assets.tom.observations.store import cancel as store_cancel

    user: Any = writer.user
    with changing(request, writer, "observation cancelled", id) as change:
        state = store_cancel(change.connection, user, id)
    return document(request, {"state": state})

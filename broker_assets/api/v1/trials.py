"""Trials of filters on past nights: requested, followed while they run, and cancelled."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Request
from fastapi.responses import Response
from pydantic import Field

from broker_assets.api.authentication import accounts_of
from broker_assets.api.v1.answers import described, document
from broker_assets.api.v1.known_parameters import Body
from broker_assets.api.v1.problems import Problem
from broker_assets.api.v1.viewers import Account, Writer

router = APIRouter(tags=["filters"])

TrialId = Annotated[int, Path(ge=1, lt=2**63, description="Number of the trial", examples=[5])]
_EXAMPLE: Final = {
    "trialId": 5,
    "state": "done",
    "nights": 2,
    "result": {"nights": [{"night": "2026-01-02", "alerts": 1200, "matches": 7, "bytes": 5120}], "quota": 10000},
}


class Trial(Body):
    """The trial that is requested."""

    definition: str = Field(
        max_length=20_000,
        description="One SELECT, or the sections `selected:`, `tables:` and `conditions:`",
        examples=["SELECT objects.ra FROM objects WHERE objects.nDiaSources > 5"],
    )
    nights: int = Field(default=1, ge=1, le=30, description="The newest nights of the archive")
    most_alerts: int | None = Field(default=None, ge=1, description="Alerts of a night that are read, about")
    lists_now: bool = Field(default=False, description="Whether lists are applied as they are now")


@router.post("/trials", status_code=202, responses=described(_EXAMPLE, "It waits", status=202))
def ask(request: Request, writer: Writer, wanted: Trial) -> Response:
    """Try a filter on past nights: what it would have passed; nothing is stored. `Location` is the address of the
    trial."""
    from broker_assets.filters.files import read_definition

    definition = read_definition(wanted.definition)
    definition.check()
    return begun(
        request, writer, definition.form, nights=wanted.nights, most_alerts=wanted.most_alerts,
        lists_now=wanted.lists_now,
    )  # fmt: skip


@router.get("/trials", responses=described({"trials": [_EXAMPLE]}))
def listed(request: Request, account: Account) -> Response:
    """Trials of the account, the newest first."""
    from broker_assets.filters import trials

    with accounts_of(request) as own:
        found = trials.of_account(own, _user(account), limit=trials.KEPT)
    return document(request, {"trials": [shown(one) for one in found]})


@router.get("/trials/{id}", responses=described(_EXAMPLE))
def one(request: Request, account: Account, id: TrialId) -> Response:  # noqa: A002
    """A trial: its progress, or its result."""
    from broker_assets.filters import trials

    with accounts_of(request) as own:
        return document(request, shown(trials.get(own, _user(account), id)))


@router.delete("/trials/{id}", status_code=204, response_class=Response, responses={204: {"description": "Cancelled"}})
def cancel(request: Request, writer: Writer, id: TrialId) -> Response:  # noqa: A002
    """Cancel a trial that waits or runs."""
    from broker_assets.filters import trials

    with accounts_of(request) as own:
        if not trials.cancel(own, _user(writer), id):
            raise Problem("conflict", f"there is no trial {id} of yours that waits or runs")
    return Response(status_code=204)


def begun(request: Request, writer: Writer, form: Any, **options: Any) -> Response:
    """Request a trial, and start the process that runs it."""
    from broker_assets.filters import trials

    with accounts_of(request) as own:
        number = trials.ask(own, _user(writer), form, **options)
        found = shown(trials.get(own, _user(writer), number))
    request.app.state.trial_process.wake()
    return document(request, found, 202, headers={"Location": f"/api/v1/trials/{number}"})


def shown(trial: Any) -> dict[str, Any]:
    """A trial as it is sent."""
    content = dataclasses.asdict(trial)
    del content["userid"]
    return {("trialId" if name == "trialid" else name): value for name, value in content.items()}


def _user(account: Account) -> Any:
    return account.user

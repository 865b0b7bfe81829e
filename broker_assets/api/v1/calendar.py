"""The calendar of an account: events and scheduled observations, and nights of observatories."""

from __future__ import annotations

import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import Response
from pydantic import Field

from broker_assets.api.authentication import accounts_of
from broker_assets.api.v1.answers import described, document
from broker_assets.api.v1.known_parameters import Body
from broker_assets.api.v1.problems import Problem
from broker_assets.api.v1.viewers import Account, Writer, changing

router = APIRouter(tags=["targets"])

_EVENT: Final = {
    "kind": "event", "number": 4, "owner": "ann", "name": "FORS2, 61.B-0001", "facility": "Paranal",
    "begins": "2026-12-01T00:30:00+00:00", "ends": "2026-12-01T08:10:00+00:00",
}  # fmt: skip
_NIGHT: Final = {"evening": "2026-11-30", "begins": "2026-12-01T00:50:00+00:00", "ends": "2026-12-01T08:10:00+00:00"}
MOST_DAYS: Final = 400
"""Most days in an answer."""


class NewEvent(Body):
    """An event."""

    name: str = Field(min_length=1, max_length=200, description="What it is called")
    begins: datetime.datetime = Field(description="When it begins; without a time zone UTC")
    ends: datetime.datetime = Field(description="When it ends")
    facility: str = Field(default="", max_length=200, description="Group that sees it too")
    description: str = Field(default="", max_length=5000, description="Remark")


@router.get("/calendar", responses=described({"events": [_EVENT], "nights": [_NIGHT]}))
def calendar(
    request: Request,
    account: Account,
    begin: Annotated[datetime.date, Query(description="First day, UTC", examples=["2026-12-01"])],
    days: Annotated[int, Query(ge=1, le=MOST_DAYS, description="How many days")] = 31,
    observatory: Annotated[str, Query(max_length=100, description="Whose nights are added")] = "",
) -> Response:
    """Events and scheduled observations that the account may see, and the nights of an observatory."""
    from broker_assets.tom.calendars.events import between
    from broker_assets.tom.calendars.nights import nights_of, observatory_named
    from broker_assets.tom.spectra.visibility import OBSERVATORIES
    from broker_assets.tom.targets.readers import Reader

    if not 1901 <= begin.year <= 2098:
        raise Problem("bad-parameter", f"begin: {begin} is not from 1901 to 2098")
    place = observatory_named(observatory)
    if observatory and place is None:
        known = ", ".join(one.name for one in OBSERVATORIES)
        raise Problem("not-found", f"there is no observatory {observatory!r}", advice=f"there are {known}")
    first = datetime.datetime.combine(begin, datetime.time(), datetime.UTC)
    with accounts_of(request) as connection:
        reader = Reader.of(account.user)
        found = between(connection, reader, first, first + datetime.timedelta(days=days))
    nights = nights_of(place, begin, days) if place is not None else []
    return document(request, {"events": [vars(one) for one in found], "nights": [vars(one) for one in nights]})


@router.post("/calendar/events", status_code=201, responses=described({"number": 4}, "It is entered", status=201))
def enter(request: Request, writer: Writer, new: NewEvent) -> Response:
    """Enter an event."""
    return _enter(request, writer, new, None, 201)


@router.put("/calendar/events/{id}", responses=described({"number": 4}))
def change(
    request: Request,
    writer: Writer,
    id: Annotated[int, Path(ge=1, lt=2**63, description="Number of the event", examples=[4])],  # noqa: A002
    new: NewEvent,
) -> Response:
    """Change an event of the account."""
    return _enter(request, writer, new, id, 200)


@router.delete(
    "/calendar/events/{id}", status_code=204, response_class=Response, responses={204: {"description": "It is removed"}}
)
def remove(
    request: Request,
    writer: Writer,
    id: Annotated[int, Path(ge=1, lt=2**63, description="Number of the event", examples=[4])],  # noqa: A002
) -> Response:
    """Remove an event of the account."""
    from broker_assets.tom.calendars import events

    user: Any = writer.user
    with accounts_of(request) as connection:
        events.remove(connection, user, id)
    return Response(status_code=204)


def _enter(request: Request, writer: Any, new: NewEvent, number: int | None, code: int) -> Response:
    from broker_assets.tom.calendars import events

    with changing(request, writer, "event entered") as noted:
        made = events.enter(
            noted.connection, writer.user, new.name, new.begins, new.ends, facility=new.facility,
            description=new.description, number=number,
        )  # fmt: skip
        noted.subject = str(made)
    return document(request, {"number": made}, code)

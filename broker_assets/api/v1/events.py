"""Server-sent events: new matches of filters, and the progress of trials and asynchronous queries.

Connections are limited in number, and each queries the database every two seconds. At each query the listener is
authenticated and its permissions are read again: revoking a token, or making a filter private, ends the connection.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Final, Literal

import anyio
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from broker_assets.api.authentication import NotAuthenticatedError, accounts_of, address_of, recognised
from broker_assets.api.documents import plain
from broker_assets.api.patience import ENDLESS
from broker_assets.api.v1.problems import Problem
from broker_assets.api.v1.viewers import Anybody, Viewer
from broker_assets.database.engine import DatabaseUnavailableError

router = APIRouter(tags=["filters"])

MOST: Final = 100
"""Most listeners of a server process."""
MOST_EACH: Final = 5
"""Most listeners of an account, or of a network address without an account."""
MOST_FILTERS: Final = 100
LOOK_SECONDS: Final = 2.0
QUIET_SECONDS: Final = 15.0
"""After this time without an event a comment is sent, so that no proxy closes the connection."""
LONGEST_SECONDS: Final = 3600.0
"""After this time the connection is closed; the client reconnects and continues where it was."""
Kind = Literal["matches", "progress"]


class EventStream(StreamingResponse):
    """A response that ends after a time, whether or not its client reads it."""

    media_type = "text/event-stream"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        if ENDLESS in scope:  # set by our server
            scope[ENDLESS].set()
        with anyio.move_on_after(LONGEST_SECONDS):
            await super().__call__(scope, receive, send)


class Listeners:
    """The listeners of this process: limited in number, in total and for each account."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._each: Counter[str] = Counter()
        self.closing = False

    def take(self, who: str) -> None:
        """Take a place.

        Raises
        ------
        Problem
            If no place is free.
        """
        with self._lock:
            if self._each[who] >= MOST_EACH or self._each.total() >= MOST:
                raise Problem(
                    "too-many-requests",
                    f"you listen {self._each[who]} times already, or the server cannot take more",
                    headers={"Retry-After": "60"},
                )
            self._each[who] += 1

    def give_back(self, who: str) -> None:
        """Give a place back."""
        with self._lock:
            self._each[who] -= 1
            if not self._each[who]:
                del self._each[who]


@dataclass
class _Listening:
    """A listener."""

    filters: tuple[int, ...]
    kinds: frozenset[str]
    place: Any
    states: dict[str, str] = field(default_factory=dict)
    """Last state sent for each trial and query."""


@router.get(
    "/events",
    response_class=EventStream,
    responses={
        200: {
            "description": "Events `match` (with an identifier), `trial` and `query`; their data are JSON",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'id: 12-7-8-3\nevent: match\ndata: {"filterId":3,"diaObjectId":7,"diaSourceId":8}\n\n',
                }
            },
        }
    },
)
def events(
    request: Request,
    viewer: Anybody,
    filter_ids: Annotated[
        list[int] | None,
        Query(alias="filter", max_length=MOST_FILTERS, description="Filters; without any those of the account"),
    ] = None,
    follow: Annotated[
        list[Kind] | None, Query(description="matches, progress (of trials and queries of the account), or both")
    ] = None,
    last: Annotated[
        str | None,
        Header(alias="Last-Event-ID", max_length=100, description="Identifier of the last event that was received"),
    ] = None,
) -> EventStream:
    """Listen to new matches of filters, and to the progress of the user's trials and queries.

    With `Last-Event-ID` nothing between two connections is missed: the stream begins with an identifier without an
    event, so that this holds before the first match, too. The connection is closed after an hour; clients
    connect again by themselves.
    """
    from broker_assets.filters.events import BadPlace, read_place

    try:
        place = read_place(last) if last else None
    except BadPlace as error:
        raise Problem("bad-parameter", f"Last-Event-ID: {error}") from None
    if any(not 0 < one < 2**63 for one in filter_ids or ()):
        raise Problem("bad-parameter", "filter: numbers of filters are positive")
    listening = _Listening(tuple(filter_ids or ()), frozenset(follow or ("matches", "progress")), place)
    if viewer.user is None and not listening.filters:
        raise Problem("bad-request", "name public filters, as filter=3, or log in to listen to your own")
    missing = set(listening.filters) - set(_readable(request, viewer, listening))
    if missing:
        raise Problem("not-found", f"there is no filter {min(missing)}")
    who = f"user {viewer.user.userid}" if viewer.user is not None else f"address {address_of(request)}"
    listeners: Listeners = request.app.state.listeners
    listeners.take(who)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventStream(_stream(request, listening, who), headers=headers)


async def _stream(request: Request, listening: _Listening, who: str) -> AsyncIterator[str]:
    listeners: Listeners = request.app.state.listeners
    quiet = time.monotonic()
    try:
        yield "retry: 3000\n\n"
        while not listeners.closing:
            try:
                sent = await anyio.to_thread.run_sync(_look, request, listening)
            except (NotAuthenticatedError, Problem) as error:
                yield _event("end", {"detail": str(error)})
                return
            except DatabaseUnavailableError:
                sent = []
            for text in sent:
                yield text
            if sent:
                quiet = time.monotonic()
            elif time.monotonic() - quiet > QUIET_SECONDS:
                quiet = time.monotonic()
                yield ": nothing new\n\n"
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        listeners.give_back(who)


def _look(request: Request, listening: _Listening) -> list[str]:
    """Events since the last call, with the listener's present permissions."""
    viewer = _who(request)
    found: list[str] = []
    if "matches" in listening.kinds:
        found += _matches(request, listening, viewer)
    if "progress" in listening.kinds and viewer.user is not None and not viewer.user.is_guest:
        for name, number, content in _progress(request, viewer.user):
            text = _event(name, content)
            if listening.states.get(f"{name} {number}") != text:
                listening.states[f"{name} {number}"] = text
                found.append(text)
    return found


def _who(request: Request) -> Viewer:
    """The listener, authenticated again without counting a request."""
    given = request.headers.get("authorization", "").strip() or request.cookies.get("sessionid")
    if not given:
        return Viewer(None, 0)
    return Viewer(recognised(request)[0], 0, request)


def _readable(request: Request, viewer: Viewer, listening: _Listening) -> list[int]:
    """Requested filters that may be read; by default those of the account."""
    from broker_assets.filters.registry import filters_of_numbers, list_filters

    with request.app.state.connections.use() as connection:
        if listening.filters:
            found = filters_of_numbers(connection, listening.filters)
        else:
            found = list_filters(connection, owner=viewer.name) if viewer.user is not None else []
    return [one.filterid for one in viewer.visible("filter", found, lambda one: one.filterid)]


def _matches(request: Request, listening: _Listening, viewer: Viewer) -> list[str]:
    from broker_assets.filters.events import after_batch, identifier_of, matches

    filters = _readable(request, viewer, listening)
    if len(filters) < len(listening.filters):
        raise Problem("not-found", "a filter was removed, or you may no longer read it")
    with _tide(request) as (connection, upto):
        if upto is None:
            return []
        if listening.place is None:
            listening.place = after_batch(upto)
            return [f"id: {identifier_of(listening.place)}\n\n"]
        found = matches(connection, filters, listening.place, upto)
    if found:
        listening.place = found[-1].place
    return [_event("match", one.content, one.identifier) for one in found]


@contextmanager
def _tide(request: Request) -> Iterator[tuple[Any, int | None]]:
    """A connection, and the batch up to which it sees everything."""
    state = request.app.state
    with state.connections.use() as connection:
        with state.tide_lock:
            upto = state.tide.look(connection)
        yield connection, upto


def _progress(request: Request, user: Any) -> Iterator[tuple[str, str, dict[str, Any]]]:
    from broker_assets.filters import tap_jobs, trials

    with accounts_of(request) as own:
        for trial in trials.of_account(own, user, limit=5):
            content = {"trialId": trial.trialid, "filterId": trial.filterid, "state": trial.state, "said": trial.said}
            yield "trial", str(trial.trialid), content | {"night": trial.night, "alerts": trial.alerts}
        for job in tap_jobs.listed(own, user.userid, last=5):
            yield "query", job.jobid, {"jobId": job.jobid, "phase": job.phase, "said": job.said, "bytes": job.bytes}


def _event(name: str, content: dict[str, Any], identifier: str | None = None) -> str:
    # JSON has no line breaks: no text of a user can begin a new field.
    data = json.dumps(plain(content), ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    head = f"id: {identifier}\n" if identifier is not None else ""
    return f"{head}event: {name}\ndata: {data}\n\n"

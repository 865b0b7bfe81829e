"""Asynchronous queries of TAP as resources (IVOA UWS 1.1): made, run, watched, aborted, deleted."""

from __future__ import annotations

import datetime
import time as clock
from collections.abc import Iterator
from typing import Annotated, Any, Final

import anyio
from fastapi import APIRouter, Depends, Path, Request
from fastapi.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse

from broker_assets.api.authentication import ReadOnlyTokenError, accounts_of, address_of, recognised
from broker_assets.api.v1.viewers import Anybody, Viewer
from broker_assets.api.vo import uws
from broker_assets.api.vo.parameters import PATH, VOTABLE, VoError, base_of
from broker_assets.api.vo.tap_questions import GivenParameters
from broker_assets.database.table_formats import votable_error
from broker_assets.filters import tap_jobs
from broker_assets.filters.tap_jobs import Job, Owner
from broker_assets.numerals import real, whole

router = APIRouter(tags=["VO"], prefix="/tap/async")

SECONDS: Final = 600
"""Default time limit of a query."""
LONGEST_SECONDS: Final = 3600
LONGEST_OF_GUESTS: Final = 600
"""Longest time limit of a query, for an account and for a guest."""
LONGEST_WAIT: Final = 25.0
"""Longest WAIT for an answer, seconds: less than the time limits of proxies."""
_LOOK: Final = 0.25
_LONGEST_LOOK: Final = 2.0
"""Seconds between two checks of a job that a client waits for; the pauses increase from the first to the second
value."""
Identifier = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$", description="Identifier of the job")]


def _own(viewer: Viewer) -> int | None:
    """The account of a request; None for a guest."""
    return None if viewer.user is None or viewer.user.is_guest else viewer.user.userid


def longest(viewer: Viewer) -> int:
    """Longest time limit of a viewer's query, seconds."""
    return LONGEST_OF_GUESTS if _own(viewer) is None else LONGEST_SECONDS


def _changing(request: Request, viewer: Anybody) -> Viewer:
    """Who creates or changes a job: the session of a browser must repeat its CSRF token, as for every other change."""
    if _own(viewer) is not None and not request.headers.get("authorization"):
        _, may, why_not = recognised(request)
        if not may:
            raise ReadOnlyTokenError(why_not)
    return viewer


Changing = Annotated[Viewer, Depends(_changing)]
"""Who creates or changes a job; a read-only token is enough, since it can reach only its own jobs."""


def _job(request: Request, viewer: Anybody, jobid: Identifier) -> Job:
    with accounts_of(request) as own:
        return tap_jobs.get(own, _own(viewer), jobid)


def _own_job(job: Annotated[Job, Depends(_job)], viewer: Changing) -> Job:
    return job


AJob = Annotated[Job, Depends(_job)]
"""The job of a path, if the viewer may see it."""
OwnJob = Annotated[Job, Depends(_own_job)]
"""The same for a change."""


@router.get("", response_class=Response)
def listed(request: Request, viewer: Anybody) -> Response:
    """Jobs of the account, selected by PHASE, AFTER and LAST; jobs of guests are not listed."""
    after, last = request.query_params.get("AFTER"), request.query_params.get("LAST", "")
    try:
        since = None if after is None else uws.read_time(after)
        most = whole(last) if last else None
    except ValueError:
        raise VoError("AFTER is a time, 2026-01-02T03:04:05Z, and LAST a whole number") from None
    if most is not None and not 0 < most < 10_000:
        raise VoError("LAST is a positive whole number")
    phases = [one.upper() for one in request.query_params.getlist("PHASE")]
    found = []
    if (userid := _own(viewer)) is not None:
        with accounts_of(request) as own:
            found = tap_jobs.listed(own, userid, phases=phases, after=since, last=most)
    return _xml(uws.jobs(found, _address(request)))


@router.post("", response_class=Response, status_code=303)
def make(request: Request, viewer: Changing, given: GivenParameters) -> Response:
    """Create a job; with PHASE=RUN it runs at once. `Location` is its address."""
    values = dict(given.values)
    runs = values.pop("PHASE", "").upper() == "RUN"
    owner = Owner(_own(viewer), address_of(request))
    with accounts_of(request) as own, own.transaction():
        made = tap_jobs.make(
            own, owner, values, uploads=given.uploads, most_rows=viewer.rows, duration=SECONDS, server=base_of(request)
        )
        if runs:
            tap_jobs.queue(own, made)
    if runs:
        request.app.state.tap_worker.wake()
    return _to(request, made)


@router.get("/{jobid}", response_class=Response)
async def one(request: Request, viewer: Anybody, jobid: Identifier) -> Response:
    """A job; if it has not ended, the answer waits up to WAIT seconds until its phase changes (from PHASE)."""
    job = await anyio.to_thread.run_sync(_job, request, viewer, jobid)
    wait, phase = _wait(request), request.query_params.get("PHASE", job.phase).upper()
    if job.phase in ("QUEUED", "EXECUTING"):
        request.app.state.tap_worker.wake()  # it may be a job that another process has left
    deadline, pause = clock.monotonic() + wait, _LOOK
    while not job.ended and job.phase == phase and clock.monotonic() < deadline:
        await anyio.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_LOOK)
        if await request.is_disconnected():
            break
        job = await anyio.to_thread.run_sync(_job, request, viewer, jobid)
    return _xml(uws.job(job, f"{_address(request)}/{jobid}"))


@router.post("/{jobid}", response_class=Response, status_code=303)
def change(request: Request, job: OwnJob, given: GivenParameters) -> Response:
    """Delete the job (ACTION=DELETE), or change its parameters while it is PENDING."""
    if given.values.get("ACTION", "").upper() == "DELETE":
        return destroy(request, job)
    return set_parameters(request, job, given)


@router.delete("/{jobid}", response_class=Response, status_code=303)
def destroy(request: Request, job: OwnJob) -> Response:
    """Abort and delete the job with its result."""
    with accounts_of(request) as own:
        tap_jobs.destroy(own, job.jobid)
    request.app.state.tap_worker.look()
    return RedirectResponse(_address(request), 303)


@router.get("/{jobid}/parameters", response_class=Response)
def parameters(job: AJob) -> Response:
    """Parameters of the job."""
    return _xml(uws.parameters(job))


@router.post("/{jobid}/parameters", response_class=Response, status_code=303)
def set_parameters(request: Request, job: OwnJob, given: GivenParameters) -> Response:
    """Change parameters of a job that is PENDING."""
    if given.uploads:
        raise VoError("tables are uploaded when the job is created")
    with accounts_of(request) as own:
        tap_jobs.change(own, job.jobid, parameters=job.parameters | given.values)
    return _to(request, job.jobid)


@router.get("/{jobid}/phase", response_class=PlainTextResponse)
def phase(job: AJob) -> Response:
    """Phase of the job."""
    return PlainTextResponse(job.phase)


@router.post("/{jobid}/phase", response_class=Response, status_code=303)
def set_phase(request: Request, job: OwnJob, given: GivenParameters) -> Response:
    """Run or abort the job (PHASE=RUN or PHASE=ABORT)."""
    wanted = given.values.get("PHASE", "").upper()
    with accounts_of(request) as own:
        if wanted == "RUN":
            tap_jobs.queue(own, job.jobid)
        elif wanted == "ABORT":
            tap_jobs.abort(own, job.jobid)
        else:
            raise VoError("PHASE must be RUN or ABORT")
    worker = request.app.state.tap_worker
    worker.wake() if wanted == "RUN" else worker.look()
    return _to(request, job.jobid)


@router.get("/{jobid}/executionduration", response_class=PlainTextResponse)
def duration(job: AJob) -> Response:
    """Seconds that the query may take."""
    return PlainTextResponse(str(job.duration))


@router.post("/{jobid}/executionduration", response_class=Response, status_code=303)
def set_duration(request: Request, viewer: Anybody, job: OwnJob, given: GivenParameters) -> Response:
    """Change the seconds that the query may take, up to the limit of the account."""
    text = given.values.get("EXECUTIONDURATION", "").strip()
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise VoError(f"EXECUTIONDURATION is a whole number of seconds, not {text[:40]!r}")
    most = longest(viewer)
    with accounts_of(request) as own:
        tap_jobs.change(own, job.jobid, duration=min(int(text) or most, most))  # 0 asks for as long as possible
    return _to(request, job.jobid)


@router.get("/{jobid}/destruction", response_class=PlainTextResponse)
def destruction(job: AJob) -> Response:
    """When the job is deleted."""
    return PlainTextResponse(uws.time(job.destruction))


@router.post("/{jobid}/destruction", response_class=Response, status_code=303)
def set_destruction(request: Request, job: OwnJob, given: GivenParameters) -> Response:
    """Change when the job is deleted, at most two weeks after it was made."""
    text = given.values.get("DESTRUCTION", "")
    try:
        wanted = uws.read_time(text)
    except ValueError:
        raise VoError(f"DESTRUCTION is a time, 2026-01-02T03:04:05Z, not {text[:40]!r}") from None
    with accounts_of(request) as own:
        tap_jobs.change(own, job.jobid, destruction=max(wanted, datetime.datetime.now(datetime.UTC)))
    return _to(request, job.jobid)


@router.get("/{jobid}/quote", response_class=PlainTextResponse)
def quote(job: AJob) -> Response:
    """When it will have ended: unknown."""
    return PlainTextResponse("")


@router.get("/{jobid}/owner", response_class=PlainTextResponse)
def owner(job: AJob) -> Response:
    """Account that owns the job."""
    return PlainTextResponse(job.username)


@router.get("/{jobid}/error", response_class=Response)
def error(job: AJob) -> Response:
    """Why the job failed."""
    if job.phase != "ERROR":
        raise VoError(f"the job is {job.phase}: there is no error", 404)
    return Response(votable_error(job.said), media_type=VOTABLE)


@router.get("/{jobid}/results", response_class=Response)
def results(request: Request, job: AJob) -> Response:
    """Results of the job: one, named `result`."""
    return _xml(uws.results(job, f"{_address(request)}/{job.jobid}"))


@router.get("/{jobid}/results/result", response_class=Response)
def result(request: Request, job: AJob) -> Response:
    """The table."""
    if job.phase != "COMPLETED":
        raise VoError(f"the job is {job.phase}: there is no result{f'; {job.said}' if job.said else ''}", 404)

    def pieces() -> Iterator[bytes]:
        with accounts_of(request) as own:
            yield from tap_jobs.result(own, job.jobid)

    headers = {"Content-Length": str(job.bytes), "Cache-Control": "private, max-age=60"}
    return StreamingResponse(pieces(), media_type=job.media_type, headers=headers)


def _wait(request: Request) -> float:
    text = request.query_params.get("WAIT", "0")
    try:
        seconds = real(text)
    except ValueError:
        raise VoError(f"WAIT is a number of seconds, not {text[:40]!r}") from None
    return LONGEST_WAIT if seconds < 0 else min(seconds, LONGEST_WAIT)


def _address(request: Request) -> str:
    return f"{base_of(request)}{PATH}/tap/async"


def _to(request: Request, jobid: str) -> Response:
    return RedirectResponse(f"{_address(request)}/{jobid}", 303)


def _xml(content: Any) -> Response:
    return Response(content, media_type="text/xml", headers={"Cache-Control": "no-store"})

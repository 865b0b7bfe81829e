"""SQL: an editor for ADQL over the published tables; queries are TAP jobs that users can leave and return to."""

from __future__ import annotations

import csv
import io
import re
import secrets
import shlex
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from broker_assets.api.authentication import accounts_of
from broker_assets.api.site.filter_editing import Verdict
from broker_assets.api.site.forms import Sent, SentForm, acting, logged_in, missing, see, wants_part
from broker_assets.api.site.frame import page, viewer_of
from broker_assets.api.v1.viewers import Anybody
from broker_assets.api.vo.parameters import base_of
from broker_assets.api.vo.tap import EXAMPLES
from broker_assets.api.vo.tap_jobs import SECONDS, Identifier, longest
from broker_assets.filters import tap_jobs
from broker_assets.filters.errors import Problem
from broker_assets.filters.tap_jobs import Job, JobEnded, Owner, ParametersTooLong, TooManyJobs, UnknownJob
from broker_assets.sentences import sentence

router = APIRouter(prefix="/sql", include_in_schema=False)

FORMS: Final = {"csv": "CSV", "votable": "VOTable", "parquet": "Parquet"}
"""Formats of a result; the rows on the page are read from CSV."""
KEYWORDS: Final = (
    "select distinct top from join left right inner outer on where and or not in is null like between group by having"
    " order asc desc union except intersect all with as case when then else end exists cast offset"
)
_SHOWN: Final = 200
"""Most rows of a result on the page."""
_READ: Final = 262_144
"""Bytes of a result that are read for these rows."""
_NAMED: Final = re.compile(r"(?:table|function|column|relation) \"?([A-Za-z_][\w.]*)\"?")


@router.get("/")
def editor(request: Request, viewer: Anybody, q: Annotated[str, Query(max_length=20_000)] = "") -> Response:
    """The editor with the query in the address, which is not run, and the queries of the account."""
    return _editor(request, q)


@router.post("/check/")
def check(request: Request, form: Sent) -> Response:
    """What is wrong with a query, as a part of the page."""
    acting(request, form)
    return page(request, "sql_verdict.html", verdict=judged(form.text("text")))


@router.post("/")
def run(request: Request, viewer: Anybody, form: Sent) -> Response:
    """Run a query: a job of TAP, whose page is shown."""
    user = acting(request, form)
    text = form.text("text")
    verdict = judged(text)
    if form.text("do") == "check" or verdict.problems:
        return _editor(request, text, 200 if form.text("do") == "check" else 422, verdict=verdict)
    form_of_result = form.text("form", "csv")
    parameters = {
        "LANG": "ADQL", "QUERY": text, "RESPONSEFORMAT": form_of_result if form_of_result in FORMS else "csv",
    }  # fmt: skip
    try:
        with accounts_of(request) as connection, connection.transaction():
            made = tap_jobs.make(
                connection, Owner(user.userid, ""), parameters, uploads={}, most_rows=viewer.rows,
                duration=min(SECONDS, longest(viewer)), server=base_of(request),
            )  # fmt: skip
            tap_jobs.queue(connection, made)
    except (TooManyJobs, ParametersTooLong) as error:
        return _editor(request, text, 422, verdict=verdict, trouble=sentence(error))
    request.app.state.tap_worker.wake()
    return see(f"/sql/{made}/")


@router.get("/{jobid}/")
def one(request: Request, jobid: Identifier) -> Response:
    """A query: its progress, its result, or why it failed."""
    user = logged_in(request)
    if isinstance(user, Response):
        return user
    job, rows = _of(request, user.userid, jobid), []
    if job.phase in ("QUEUED", "EXECUTING"):
        request.app.state.tap_worker.wake()
    if job.phase == "COMPLETED" and job.media_type.startswith("text/csv"):
        rows = _rows(request, job)
    text = job.parameters.get("QUERY", "")
    lines = tuple(text.splitlines())
    problem = _located(job.said, text) if job.phase == "ERROR" else None
    values: dict[str, Any] = {
        "job": job, "text": text, "head": rows[0] if rows else [], "rows": rows[1 : _SHOWN + 1],
        "path": f"/sql/{jobid}/", "curl": _command(text, f"{base_of(request)}/api/vo/tap/sync"),
        "form": job.parameters.get("RESPONSEFORMAT", "votable"),
        "shown": _SHOWN, "marked": Verdict((), lines).line_of(problem) if problem and problem.column else "",
        "problem": problem,
    }  # fmt: skip
    return page(request, "sql_state.html" if wants_part(request) else "sql_job.html", **values)


@router.post("/{jobid}/cancel/")
def cancel(request: Request, jobid: Identifier, form: Sent) -> Response:
    """End a query that waits or runs."""
    return _change(request, jobid, form, "cancelled")


@router.post("/{jobid}/delete/")
def delete(request: Request, jobid: Identifier, form: Sent) -> Response:
    """Remove a query with its result."""
    return _change(request, jobid, form, "removed")


def _change(request: Request, jobid: str, form: SentForm, what: str) -> Response:
    user = acting(request, form)
    job = _of(request, user.userid, jobid)
    with accounts_of(request) as connection:
        try:
            if what == "removed":
                tap_jobs.destroy(connection, job.jobid)
            else:
                tap_jobs.abort(connection, job.jobid)
        except JobEnded:
            pass  # it has ended meanwhile, and the page shows how
    request.app.state.tap_worker.look()
    return see("/sql/") if what == "removed" else see(f"/sql/{jobid}/")


def judged(text: str) -> Verdict:
    """Check a query without running it."""
    from broker_assets.filters.adql import translate
    from broker_assets.filters.adql_polygons import AdqlError

    lines = tuple(text.splitlines())
    try:
        query = translate(text, limit=1)
    except AdqlError as error:
        return Verdict((_located(str(error), text, error.line, error.column),), lines)
    return Verdict((), lines, reads=tuple(sorted(query.tables)))


def _located(message: str, text: str, line: int = 0, column: int = 0) -> Problem:
    """A problem at its position, else where the name in the message occurs in the query; column 0: unknown."""
    named = _NAMED.search(message)
    if not line and named:
        place = re.search(rf"(?<!\w){re.escape(named[1])}(?!\w)", text, re.IGNORECASE)
        if place:
            before = text[: place.start()]
            line, column = before.count("\n") + 1, place.start() - (before.rfind("\n") + 1) + 1
    return Problem(sentence(message), line or 1, column)


def _command(text: str, address: str) -> str:
    """A command line for the same query."""
    return f"curl --data-urlencode {shlex.quote(f'QUERY={text}')} -d LANG=ADQL -d RESPONSEFORMAT=csv {address}"


def _of(request: Request, userid: int, jobid: str) -> Job:
    with accounts_of(request) as connection:
        try:
            return tap_jobs.get(connection, userid, jobid)
        except UnknownJob:
            missing("query", jobid)


def _rows(request: Request, job: Job) -> list[list[str]]:
    """The first rows of a result, and the names of its columns before them."""
    content = b""
    with accounts_of(request) as connection:
        for piece in tap_jobs.result(connection, job.jobid):
            content += piece
            if len(content) >= _READ:
                break
    text = content[:_READ].decode("utf-8", "ignore")
    if len(content) < job.bytes:
        text = text[: text.rfind("\n") + 1]  # the last row may be cut
    return list(csv.reader(io.StringIO(text)))[: _SHOWN + 1]


def _editor(
    request: Request, text: str, code: int = 200, *, verdict: Verdict | None = None, trouble: str = ""
) -> Response:
    nonce = secrets.token_urlsafe(16)
    user = viewer_of(request).user
    jobs: list[Job] = []
    if user is not None:
        with accounts_of(request) as connection:
            jobs = tap_jobs.listed(connection, user.userid)
    return page(
        request, "sql.html", code, text=text, verdict=verdict, trouble=trouble, jobs=jobs, examples=EXAMPLES,
        forms=FORMS, tables=_tables(), keywords=KEYWORDS, nonce=nonce,
        allow={"style-src": (f"'nonce-{nonce}'",)},  # of CodeMirror, which writes a style element
    )  # fmt: skip


def _tables() -> list[dict[str, Any]]:
    """Tables that a query may read, with their columns, as TAP_SCHEMA has them."""
    from broker_assets.filters.tap_schema import tap_schema

    columns: dict[str, list[dict[str, Any]]] = {}
    for row in tap_schema("columns"):
        columns.setdefault(row["table_name"], []).append(row)
    own = [one for one in tap_schema("tables") if one["schema_name"] != "tap_schema"]
    return [one | {"columns": columns.get(one["table_name"], [])} for one in own]

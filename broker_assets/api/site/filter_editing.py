"""The editor of filters: a text, its errors with their positions, and every table and column that it may name."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from broker_assets.access import quotas
from broker_assets.api.authentication import accounts_of
from broker_assets.api.site import owned
from broker_assets.api.site.filters import TROUBLE, own
from broker_assets.api.site.forms import Number, Sent, acting, logged_in, see
from broker_assets.api.site.frame import page
from broker_assets.filters import store
from broker_assets.filters.errors import FilterError, Problem
from broker_assets.filters.files import read_definition, write_definition
from broker_assets.filters.functions import FUNCTIONS
from broker_assets.filters.registry import unreadable, version_of
from broker_assets.filters.schema import TABLES
from broker_assets.sentences import sentence

router = APIRouter(prefix="/filters", include_in_schema=False)

EXAMPLE: Final = """\
selected:
  objects.diaObjectId, flux2mag(objects.g_psfFlux) AS gmag
tables: objects, sherlock_classifications
conditions:
  sherlock_classifications.classification = 'SN'
  AND objects.nDiaSources > 3
"""
"""The text of a new filter."""


@dataclass(frozen=True)
class Verdict:
    """The result of checking a text."""

    problems: tuple[Problem, ...]
    lines: tuple[str, ...]
    """Lines of the text."""
    output: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    """Lists and annotators that it names but the account may not read."""

    def line_of(self, problem: Problem) -> str:
        """The line with a problem, and a mark below it."""
        if not 0 < problem.line <= len(self.lines):
            return ""
        before = max(0, problem.column - 60)
        shown = self.lines[problem.line - 1].replace("\t", " ")[before : before + 110]
        return f"{shown}\n{' ' * (problem.column - 1 - before)}^"


def judged(request: Request, username: str, text: str) -> Verdict:
    """Check a text as an account would save it."""
    lines = tuple(text.splitlines())
    try:
        query = read_definition(text).check()
    except FilterError as error:
        return Verdict(error.problems, lines)
    with accounts_of(request) as connection:
        hidden = unreadable(connection, username, query)
    return Verdict((), lines, query.output, tuple(sorted(query.tables)), tuple(hidden))


@router.post("/check/")
def check(request: Request, form: Sent) -> Response:
    """What is wrong with a text, as a part of the page."""
    user = acting(request, form)
    return page(request, "filter_verdict.html", verdict=judged(request, user.username, form.text("text")))


@router.get("/create/")
def new(request: Request) -> Response:
    """The editor of a new filter."""
    user = logged_in(request)
    return user if isinstance(user, Response) else _editor(request, EXAMPLE)


@router.post("/create/")
def create(request: Request, form: Sent) -> Response:
    """Save a new filter, which does not run yet, or only check its text."""
    user = acting(request, form)
    text = form.text("text")
    verdict = judged(request, user.username, text)
    if form.text("do") == "check" or verdict.problems or verdict.hidden:
        code = 200 if form.text("do") == "check" else 422
        return _editor(request, text, code, verdict=verdict, name=form.text("name"), about=form.text("description"))
    with accounts_of(request) as connection:
        try:
            with connection.transaction():
                quotas.require_room(connection, user, request.app.state.access, "filters")
                number = store.create_filter(
                    connection, user.username, form.text("name"), read_definition(text).form,
                    description=form.text("description")[:4096], expire=owned.renewed_until(request),
                )  # fmt: skip
        except TROUBLE as error:
            return _editor(
                request, text, 422, verdict=verdict, name=form.text("name"), about=form.text("description"),
                trouble=str(error),
            )  # fmt: skip
        owned.note(connection, user, "filter made", number, form.text("name"))
    return see(f"/filters/{number}/", said="made")


@router.get("/{number}/update/")
def edit(request: Request, number: Number) -> Response:
    """The editor of a filter."""
    user = logged_in(request)
    if isinstance(user, Response):
        return user
    with accounts_of(request) as connection:
        entry = own(connection, user, number)
        text = write_definition(version_of(connection, number).form)
    return _editor(request, text, number=number, name=entry.name, active=entry.active)


@router.post("/{number}/update/")
def save(request: Request, number: Number, form: Sent) -> Response:
    """Save the next version, which runs from now on if the filter is active, or only check its text."""
    user = acting(request, form)
    text = form.text("text")
    with accounts_of(request) as connection:
        entry = own(connection, user, number)
        verdict = judged(request, user.username, text)
        if form.text("do") == "check" or verdict.problems or verdict.hidden:
            code = 200 if form.text("do") == "check" else 422
            return _editor(request, text, code, verdict=verdict, number=number, name=entry.name, active=entry.active)
        try:
            until = owned.renewed_until(request)
            version = store.save_filter(connection, entry.owner, number, read_definition(text).form, expire=until)
            owned.note(connection, user, "filter saved", number, f"version {version}")
        except TROUBLE as error:
            raise HTTPException(422, sentence(error)) from None
    return see(f"/filters/{number}/", said="saved", tab="versions")


def _editor(
    request: Request,
    text: str,
    code: int = 200,
    *,
    verdict: Verdict | None = None,
    number: int | None = None,
    name: str = "",
    about: str = "",
    active: bool = False,
    trouble: str = "",
) -> Response:
    nonce = secrets.token_urlsafe(16)
    path = "/filters/create/" if number is None else f"/filters/{number}/update/"
    return page(
        request, "filter_editor.html", code, text=text, verdict=verdict, number=number, name=name, about=about,
        active=active, trouble=trouble, path=path, tables=TABLES.values(), functions=FUNCTIONS.values(), nonce=nonce,
        allow={"style-src": (f"'nonce-{nonce}'",)},  # of CodeMirror, which writes a style element
    )  # fmt: skip

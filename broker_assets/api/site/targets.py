"""Targets: a list with filters, new ones by hand, from objects and from files, exports, and lists of targets."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode

import psycopg
from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from broker_assets.access import quotas, visibility
from broker_assets.access.accounts import User
from broker_assets.access.quotas import OverQuota
from broker_assets.access.refusals import NameTaken, NotTheOwner
from broker_assets.access.sharing import CannotShare
from broker_assets.api.authentication import accounts_of
from broker_assets.api.site import owned
from broker_assets.api.site.forms import (
    BadField,
    Number,
    Sent,
    SentForm,
    acting,
    attachment,
    logged_in,
    missing,
    see,
)
from broker_assets.api.site.frame import page, viewer_of
from broker_assets.sentences import sentence
from broker_assets.sky.angles import parse_angle
from broker_assets.tom.targets import lists
from broker_assets.tom.targets.csv_files import BadFile, write_targets
from broker_assets.tom.targets.fields import ELEMENTS, POSITION, SCHEMES, BadTarget, checked
from broker_assets.tom.targets.importing import import_targets
from broker_assets.tom.targets.readers import Reader
from broker_assets.tom.targets.store import Choice, UnknownTarget, make, of_object, search, tags_of

router = APIRouter(prefix="/targets", include_in_schema=False)

PAGE: Final = 100
"""Targets on a page."""
MOST: Final = 100_000
"""Most targets in a file."""
EXAMPLE: Final = """\
name,type,ra,dec,name2,redshift
SN 2024ggi,SIDEREAL,169.592,-32.8376,ATLAS24fsk,0.0024
M 1,SIDEREAL,83.633083,22.014500,NGC 1952,"""
"""Example in the form for files."""
TROUBLE: Final = (BadField, BadTarget, NameTaken, OverQuota, CannotShare, BadFile)
"""Errors that a form can cause."""
Text = Annotated[str, Query(max_length=256)]


def reader_of(request: Request) -> Reader:
    """The visitor of a page."""
    return Reader.of(viewer_of(request).user)


def choice_of(
    text: Text = "",
    tag: Text = "",
    type: Text = "",  # noqa: A002
    whose: Text = "",
    list: Annotated[str, Query(max_length=20)] = "",  # noqa: A002
    near: Text = "",
) -> dict[str, str]:
    """The choice in the address of the list, as text."""
    return {"text": text, "tag": tag, "type": type, "whose": whose, "list": list, "near": near}


def chosen(asked: dict[str, str], user: User | None) -> Choice:
    """The targets that an address asks for.

    Raises
    ------
    BadField
        If a position or a number cannot be read.
    """
    near = None
    if asked["near"].strip():
        ra, dec, radius = _near(asked["near"])
        near = (ra, dec, radius)
    number = asked["list"]
    if number and not (number.isascii() and number.isdigit() and int(number) < 2**63):
        raise BadField(f"List: {number!r} is not a number")
    return Choice(
        text=asked["text"].strip(),
        tag=asked["tag"].strip(),
        type=asked["type"] if asked["type"] in ("SIDEREAL", "NON_SIDEREAL") else "",
        owner=user.username if user is not None and asked["whose"] == "mine" else "",
        listid=int(number) if number else None,
        near=near,
    )


def _near(text: str) -> tuple[float, float, float]:
    """Position and radius as the search box takes them, degrees."""
    from broker_assets.search.reading import read

    for reading in read(text):
        if reading.kind == "position":
            return reading.ra, reading.dec, reading.radius / 3600
    raise BadField(f"Near: {text[:60]!r} is not a position; write RA, Dec and a radius, such as 10.68 41.27 5'")


@router.get("/")
def every(request: Request, said: str | None = None, after: Annotated[int, Query(ge=0, lt=2**63)] = 0) -> Response:
    """The targets that the user may see."""
    viewer, reader = viewer_of(request), reader_of(request)
    asked = choice_of(**{name: request.query_params.get(name, "")[:256] for name in choice_of()})
    trouble = ""
    try:
        choice = chosen(asked, viewer.user)
    except BadField as error:
        trouble, choice = sentence(error), Choice(numbers=[0])
    with accounts_of(request) as connection:
        found = search(connection, reader, choice, limit=PAGE + 1, after=after)
        own = quotas.of_account(connection, viewer.user, request.app.state.access) if viewer.user else []
        known = lists.search(connection, reader)
        tags = tags_of(connection, reader)
    query = {name: value for name, value in asked.items() if value}
    return page(
        request, "targets/every.html", 422 if trouble else 200, found=found[:PAGE], asked=asked, tags=tags, lists=known,
        said=owned.said(said), trouble=trouble, use=[one for one in own if one.what == "targets"],
        more=f"?{urlencode(query | {'after': found[PAGE - 1].targetid})}" if len(found) > PAGE else "",
        file=f"/targets/targets.csv?{urlencode(query)}" if query else "/targets/targets.csv",
    )  # fmt: skip


@router.get("/targets.csv")
def written(request: Request) -> Response:
    """The targets of an address, in the columns of TOM Toolkit."""
    asked = choice_of(**{name: request.query_params.get(name, "")[:256] for name in choice_of()})
    try:
        choice = chosen(asked, viewer_of(request).user)
    except BadField as error:
        raise HTTPException(422, sentence(error)) from None
    with accounts_of(request) as connection:
        found = search(connection, reader_of(request), choice, limit=MOST)
    return attachment("".join(write_targets(found)), "text/csv", "targets.csv")


@router.get("/create/")
def new(request: Request, moving: bool = False) -> Response:
    """The form for a new target."""
    user = logged_in(request)
    if isinstance(user, Response):
        return user
    return form_page(request, SentForm({"type": "NON_SIDEREAL" if moving else "SIDEREAL"}))


@router.post("/create/")
def create(request: Request, form: Sent) -> Response:
    """Create a target by hand."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        try:
            draft = checked(given_by(form))
            with connection.transaction():
                quotas.require_room(connection, user, request.app.state.access, "targets")
                number = make(connection, user.username, draft)
        except TROUBLE as error:
            return form_page(request, form, sentence(error), 422)
        owned.note(connection, user, "target made", number, form.text("name"))
    return see(f"/targets/{number}/", said="made")


@router.post("/of-object/")
def take(request: Request, form: Sent) -> Response:
    """Create the target of an object of the broker, or go to the existing one."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        try:
            identifier = form.whole("diaobjectid", least=1, most=2**63 - 1, what="Object")
            with connection.transaction():
                quotas.require_room(connection, user, request.app.state.access, "targets")
                number = of_object(connection, user.username, identifier, name=form.text("name"))
        except UnknownTarget as error:
            raise HTTPException(404, sentence(error)) from None
        except TROUBLE as error:
            raise HTTPException(422, sentence(error)) from None
    return see(f"/targets/{number}/")


@router.get("/import/")
def import_form(request: Request) -> Response:
    """The form for a file."""
    user = logged_in(request)
    if isinstance(user, Response):
        return user
    return _import_page(request, user, SentForm({}))


@router.post("/import/")
def import_file(request: Request, form: Sent) -> Response:
    """Create targets from a file or from pasted lines, and show which rows were refused, and why."""
    user = acting(request, form)
    content = form.file or form.text("lines").encode()
    with accounts_of(request) as connection:
        try:
            number = form.whole("list", least=1, most=2**63 - 1, what="List") if form.text("list") else None
            use = next(
                one for one in quotas.of_account(connection, user, request.app.state.access) if one.what == "targets"
            )
            found = import_targets(connection, user, content, most=max(use.most - use.used, 0), listid=number)
        except (lists.UnknownList, NotTheOwner, *TROUBLE) as error:
            return _import_page(request, user, form, sentence(error), 422)
        owned.note(connection, user, "targets imported", len(found.made), form.file_name or "pasted lines")
    return _import_page(request, user, form, imported=found)


def _import_page(
    request: Request, user: User, form: SentForm, trouble: str = "", code: int = 200, imported: Any = None
) -> Response:
    with accounts_of(request) as connection:
        mine = [one for one in lists.search(connection, Reader.of(user)) if one.owner == user.username]
    return page(
        request, "targets/import.html", code, form=form, trouble=trouble, imported=imported, example=EXAMPLE,
        mine=mine,
    )  # fmt: skip


@router.post("/lists/")
def make_list(request: Request, form: Sent) -> Response:
    """Create a list."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        try:
            number = lists.make(connection, user.username, form.text("name"), form.text("description"))
        except TROUBLE as error:
            raise HTTPException(422, sentence(error)) from None
        owned.note(connection, user, "list of targets made", number, form.text("name"))
    return see(f"/targets/lists/{number}/", said="made")


def found_list(connection: psycopg.Connection[Any], reader: Reader, number: int) -> lists.TargetList:
    """A list that the reader may see; else HTTP 404."""
    try:
        return lists.get(connection, reader, number)
    except lists.UnknownList:
        missing("list of targets", number)


@router.get("/lists/{number}/")
def one_list(request: Request, number: Number, said: str | None = None) -> Response:
    """A list, its settings and its targets."""
    user, reader = viewer_of(request).user, reader_of(request)
    with accounts_of(request) as connection:
        entry = found_list(connection, reader, number)
        found = search(connection, reader, Choice(listid=number), limit=1000)
        mine = visibility.may_change(user, entry)
        share = owned.share_choices(connection, user, "target_list", number, entry) if user and mine else None
        seen = visibility.of_thing(connection, "target_list", number, entry)
    return page(
        request, "targets/list.html", entry=entry, found=found, mine=mine, share=share, seen=seen,
        said=owned.said(said), path=f"/targets/lists/{number}/",
    )  # fmt: skip


@router.post("/lists/{number}/{what}/")
def change_list(request: Request, number: Number, what: str, form: Sent) -> Response:
    """Change a list: `update`, `share`, `add` and `drop` targets, `delete`."""
    user = acting(request, form)
    reader = Reader.of(user)
    with accounts_of(request) as connection:
        entry = found_list(connection, reader, number)
        try:
            if what == "update":
                text = form.text("description")
                lists.change(connection, reader, number, name=form.text("name"), description=text)
            elif what == "share":
                with connection.transaction():
                    public = owned.share(connection, user, "target_list", number, form)
                    lists.change(
                        connection, reader, number, name=entry.name, description=entry.description, public=public
                    )
            elif what in ("add", "drop"):
                targets = [form.whole("target", least=1, most=2**63 - 1, what="Target")]
                (lists.add if what == "add" else lists.drop)(connection, reader, number, targets)
            elif what == "delete":
                lists.remove(connection, reader, number)
            else:
                raise HTTPException(404, "Not Found")
        except NotTheOwner as error:
            raise HTTPException(403, sentence(error)) from None
        except TROUBLE as error:
            raise HTTPException(422, sentence(error)) from None
        owned.note(connection, user, "list of targets changed", number, what)
    if what == "delete":
        return see("/targets/", said="removed")
    back = form.text("back")
    return see(back if back.startswith("/targets/") else f"/targets/lists/{number}/", said="saved")


def form_page(request: Request, form: SentForm, trouble: str = "", code: int = 200, target: Any = None) -> Response:
    """The form of a target, new or stored."""
    return page(
        request, "targets/form.html", code, form=form, trouble=trouble, target=target, position=POSITION,
        elements=ELEMENTS, schemes=SCHEMES,
    )  # fmt: skip


def given_by(form: SentForm) -> dict[str, Any]:
    """The fields of a target in a form; angles may be sexagesimal.

    Raises
    ------
    BadField
        If an angle or a further field cannot be read.
    """
    given: dict[str, Any] = {name: form.text(name) for name in ("name", "type", "scheme", *POSITION, *ELEMENTS)}
    for name, what, hours in (("ra", "Right ascension", True), ("dec", "Declination", False)):
        if given[name]:
            try:
                given[name] = parse_angle(given[name], hours=hours)
            except ValueError as error:
                raise BadField(f"{what}: {error}") from None
    given["aliases"] = form.text("aliases").split("\n")
    given["tags"] = form.text("tags").replace(",", "\n").split("\n")
    extras: dict[str, str] = {}
    for line in form.text("extras").split("\n"):
        name, sign, value = line.partition(":")
        if line.strip() and not sign:
            raise BadField(f"Further fields: write {line.strip()[:40]!r} as name: value")
        extras |= {name.strip(): value.strip()} if name.strip() else {}
    return given | {"extras": extras}

"""Annotators: the list of them, requests to become one, and the decisions of administrators."""

from __future__ import annotations

from typing import Annotated, Any, Final

import psycopg
from fastapi import APIRouter, HTTPException, Path, Request
from fastapi.responses import Response

from broker_assets.access import visibility
from broker_assets.access.accounts import User
from broker_assets.annotations import annotators, requests
from broker_assets.annotations.annotators import Annotator, AnnotatorChange, BadAnnotator
from broker_assets.annotations.content import UnknownAnnotator
from broker_assets.annotations.overview import annotated_objects, counts
from broker_assets.annotations.requests import UnknownRequest
from broker_assets.annotations.schemas import BadSchema
from broker_assets.api.authentication import accounts_of
from broker_assets.api.connections import Connections
from broker_assets.api.site import owned
from broker_assets.api.site.forms import Number, Sent, SentForm, acting, missing, see
from broker_assets.api.site.frame import page, viewer_of
from broker_assets.api.site.owned_routes import Shared
from broker_assets.sentences import sentence

router = APIRouter(prefix="/annotators", include_in_schema=False)

Topic = Annotated[str, Path(max_length=64, pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
MOST: Final = 1000
"""Most objects that a page shows."""


def found(connection: psycopg.Connection[Any], user: User | None, topic: str) -> Annotator:
    """The annotator of a topic, if the account may see it; else HTTP 404."""
    try:
        entry = annotators.get(connection, topic)
    except UnknownAnnotator:
        missing("annotator", topic)
    if not visibility.may_read(connection, user, "annotator", topic, entry):
        missing("annotator", topic)
    return entry


def own(connection: psycopg.Connection[Any], user: User, topic: str) -> Annotator:
    """The same, if the account may change it."""
    entry = found(connection, user, topic)
    if not visibility.may_change(user, entry):
        raise HTTPException(403, f"The annotator {topic} belongs to {entry.owner}.")
    return entry


@router.get("/")
def every(request: Request, said: str | None = None) -> Response:
    """The annotators that the user may see, the user's requests, and for administrators all open requests."""
    return _list(request, said=owned.said(said))


@router.post("/ask/")
def ask(request: Request, form: Sent) -> Response:
    """Request to become an annotator."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        try:
            requests.ask(connection, user, form.text("topic"), form.text("description"), form.text("url") or None)
        except BadAnnotator as error:
            trouble = str(error)
        else:
            return see("/annotators/", said="asked")
    return _list(request, form=form, trouble=trouble, code=422)


@router.post("/requests/{number}/")
def answer(request: Request, number: Number, form: Sent) -> Response:
    """Accept or refuse a request; for administrators."""
    user = acting(request, form)
    if not user.administers:
        missing("request", number)
    with accounts_of(request) as connection:
        try:
            requests.answer(
                connection, user, number, accepted=form.text("do") == "accept", said=form.text("said")[:1000]
            )
        except UnknownRequest:
            missing("request", number)
        except BadAnnotator as error:
            raise HTTPException(422, sentence(error)) from None
    return see("/annotators/", said="answered")


@router.get("/{topic}/")
def one(request: Request, topic: Topic, said: str | None = None) -> Response:
    """An annotator, and the objects that it annotated last."""
    user = viewer_of(request).user
    with accounts_of(request) as connection:
        entry = found(connection, user, topic)
        seen = visibility.of_thing(connection, "annotator", topic, entry)
        mine = visibility.may_change(user, entry)
        share = owned.share_choices(connection, user, "annotator", topic, entry) if user is not None and mine else None
    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        objects = annotated_objects(connection, topic, limit=MOST)
    return page(
        request, "annotator.html", entry=entry, seen=seen, mine=mine, share=share, objects=objects, most=MOST,
        said=owned.said(said), path=f"/annotators/{topic}/",
    )  # fmt: skip


@router.post("/{topic}/update/")
def update(request: Request, topic: Topic, form: Sent) -> Response:
    """Change its description, page, schema, and whether it may annotate."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        own(connection, user, topic)
        change = AnnotatorChange(
            description=form.text("description")[:4096], url=form.text("url"), schema=form.text("schema"),
            active=form.ticked("active"), version=form.text("version"),
        )  # fmt: skip
        try:
            annotators.change_annotator(connection, topic, change, owner=user.username)
            owned.note(connection, user, "annotator changed", topic)
        except (BadAnnotator, BadSchema) as error:
            raise HTTPException(422, sentence(error)) from None
    return see(f"/annotators/{topic}/", said="saved")


@router.post("/{topic}/share/")
def share(request: Request, topic: Topic, form: Sent) -> Response:
    """Change who may see it."""
    return _SHARED.share(request, topic, form)


def _publish(connection: psycopg.Connection[Any], user: User, topic: str, entry: Annotator, public: bool) -> None:
    annotators.change_annotator(connection, topic, AnnotatorChange(public=public), owner=user.username)


_SHARED: Final = Shared("annotator", "/annotators/", own, _publish)


def _list(
    request: Request, *, form: SentForm | None = None, said: str = "", trouble: str = "", code: int = 200
) -> Response:
    user = viewer_of(request).user
    with accounts_of(request) as connection:
        known = [(entry.topic, entry) for entry in annotators.listing(connection)]
        shown = owned.readable(connection, user, "annotator", known)
        mine = requests.listed(connection, user=user) if user is not None else []
        waiting = requests.listed(connection, unanswered=True) if user is not None and user.administers else []
    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        number = counts(connection)
    return page(
        request, "annotators.html", code, entries=shown, counts=number, mine=mine, waiting=waiting,
        form=form or SentForm({}), said=said, trouble=trouble,
    )  # fmt: skip

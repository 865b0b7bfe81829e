"""Requests for observations: made on the page of a target, listed, cancelled, answered, and their files."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any

import psycopg
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import FileResponse, Response
from upath import UPath

from broker_assets.access.accounts import User
from broker_assets.api.authentication import accounts_of
from broker_assets.api.site import owned
from broker_assets.api.site.forms import Number, Sent, acting, attachment, missing, see
from broker_assets.api.site.frame import page, viewer_of
from broker_assets.sentences import sentence
from broker_assets.storage.objects import local_path
from broker_assets.tom.observations import store
from broker_assets.tom.observations.facility import BadRequest, Facility
from broker_assets.tom.observations.store import NotAllowed, Observation, Product, UnknownObservation
from broker_assets.tom.observations.working import FOLDER
from broker_assets.tom.targets.readers import Reader
from broker_assets.tom.targets.store import UnknownTarget

router = APIRouter(prefix="/targets", include_in_schema=False)
_FIELD = "f-"
"""Prefix of the fields of a facility in forms."""


def facilities_of(request: Request) -> Mapping[str, Facility]:
    """The facilities of the settings, by name."""
    found: Mapping[str, Facility] = request.app.state.facilities
    return found


def forms_for(request: Request, connection: psycopg.Connection[Any], user: User | None) -> list[dict[str, Any]]:
    """The forms of the facilities that an account may use, each with a key of its own, so that it counts only once."""
    if user is None:
        return []
    return [
        {"facility": name, "fields": one.form(), "key": secrets.token_hex(16), "by_letter": one.by_letter}
        for name, one in facilities_of(request).items()
        if store.may_ask(connection, user, one)
    ]


def stored_file(request: Request, product: Product) -> Response:
    """A file of an observation, to be saved; HTTP 404 if it is not in the store."""
    place = UPath(request.app.state.archive) / FOLDER / product.path
    headers = {"ETag": f'"{product.sha256}"', "X-Content-Type-Options": "nosniff"}
    if product.state == "stored":
        local = local_path(place)
        try:
            if local is not None and local.is_file():
                return FileResponse(
                    local, media_type="application/octet-stream", filename=product.name, headers=headers
                )
            return attachment(place.read_bytes(), "application/octet-stream", product.name)
        except FileNotFoundError:
            pass
    raise HTTPException(404, f"File {product.name} is not stored.")


def _found(connection: psycopg.Connection[Any], reader: Reader, number: int) -> Observation:
    try:
        return store.get(connection, reader, number)
    except UnknownObservation:
        missing("request", number)


@router.get("/observations/")
def every(request: Request, state: str = "open") -> Response:
    """Requests that the user may see."""
    reader = Reader.of(viewer_of(request).user)
    with accounts_of(request) as connection:
        found = store.search(connection, reader, only_open=state != "all", limit=300)
    return page(request, "targets/observations.html", found=found, all=state == "all")


@router.get("/observations/{number}/")
def one(request: Request, number: Number, said: str | None = None) -> Response:
    """A request, what became of it, and its files."""
    user = viewer_of(request).user
    with accounts_of(request) as connection:
        found = _found(connection, Reader.of(user), number)
        files = store.products(connection, [number])
    facility = facilities_of(request).get(found.facility)
    labels = {one.name: one.label for one in facility.form()} if facility is not None else {}
    asked = sorted(found.parameters.items(), key=lambda one: (*labels, one[0]).index(one[0]))
    return page(
        request, "targets/observation.html", request_=found, files=files, said=owned.said(said),
        asked=[(labels.get(name, name), value) for name, value in asked],
        mine=user is not None and user.username == found.owner, by_letter=facility is not None and facility.by_letter,
        path=f"/targets/observations/{number}/",
    )  # fmt: skip


@router.get("/observations/{number}/files/{product}/")
def file(request: Request, number: Number, product: Number) -> Response:
    """A file of a request."""
    with accounts_of(request) as connection:
        _found(connection, Reader.of(viewer_of(request).user), number)
        for found in store.products(connection, [number]):
            if found.productid == product:
                return stored_file(request, found)
    missing("file", product)


@router.post("/{number}/observations/")
def ask(request: Request, number: Number, form: Sent) -> Response:
    """Request an observation of a target from a facility."""
    user = acting(request, form)
    facility = facilities_of(request).get(form.text("facility"))
    if facility is None:
        raise HTTPException(422, f"There is no facility {form.text('facility')[:60]!r}.")
    given = {name.removeprefix(_FIELD): form.text(name) for name in form.values if name.startswith(_FIELD)}
    with accounts_of(request) as connection:
        try:
            made = store.ask(connection, user, facility, number, given, form.text("key"))
        except UnknownTarget:
            missing("target", number)
        except NotAllowed as error:
            raise HTTPException(403, sentence(error)) from None
        except BadRequest as error:
            raise HTTPException(422, f"{sentence(error)} Go back to correct it.") from None
        owned.note(connection, user, "observation asked for", made, facility.settings.name)
    return see(f"/targets/observations/{made}/", said="requested")


@router.post("/observations/{number}/cancel/")
def cancel(request: Request, number: Number, form: Sent) -> Response:
    """Cancel a request."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        _found(connection, Reader.of(user), number)
        try:
            store.cancel(connection, user, number)
        except NotAllowed as error:
            raise HTTPException(403, sentence(error)) from None
        owned.note(connection, user, "observation cancelled", number)
    return see(f"/targets/observations/{number}/")


@router.post("/observations/{number}/say/")
def say(request: Request, number: Number, form: Sent) -> Response:
    """Record what became of a request that was sent by e-mail."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        found = _found(connection, Reader.of(user), number)
        facility = facilities_of(request).get(found.facility)
        try:
            if facility is None:
                raise BadRequest(f"facility: the settings name no {found.facility!r}")
            store.say(connection, user, facility, number, form.text("state"), form.text("text"))
        except NotAllowed as error:
            raise HTTPException(403, sentence(error)) from None
        except BadRequest as error:
            raise HTTPException(422, sentence(error)) from None
        owned.note(connection, user, "observation answered", number, form.text("state"))
    return see(f"/targets/observations/{number}/", said="saved")

"""Routes that filters, lists, targets and spectra have alike: sharing with groups, and removal after a question."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import psycopg
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from broker_assets.access.accounts import User
from broker_assets.access.sharing import Kind
from broker_assets.api.authentication import accounts_of
from broker_assets.api.site import owned
from broker_assets.api.site.forms import Number, Sent, acting, logged_in, see
from broker_assets.api.site.frame import page
from broker_assets.sentences import sentence

Connection = psycopg.Connection[Any]
_Thing = TypeVar("_Thing")


def add_sharing(
    router: APIRouter,
    kind: Kind,
    own: Callable[[Connection, User, int], _Thing],
    publish: Callable[[Connection, User, int, _Thing, bool], None],
    *,
    trouble: tuple[type[Exception], ...],
) -> None:
    """Add `POST /{number}/share/`, which changes who may see a thing.

    Parameters
    ----------
    router : APIRouter
        Its prefix is the place of the pages.
    kind : str
        What is shared.
    own : callable
        The thing of a number, if the account may change it.
    publish : callable
        Stores whether everybody may see it.
    trouble : tuple of exception types
        What is wrong with what was sent, as a sentence.
    """

    @router.post("/{number}/share/")
    def share(request: Request, number: Number, form: Sent) -> Response:
        """Change who may see it."""
        user = acting(request, form)
        with accounts_of(request) as connection:
            thing = own(connection, user, number)
            try:
                with connection.transaction():
                    publish(connection, user, number, thing, owned.share(connection, user, kind, number, form))
            except trouble as error:
                raise HTTPException(422, sentence(error)) from None
        return see(f"{router.prefix}/{number}/", said="shared")


def add_removal(
    router: APIRouter,
    kind: str,
    own: Callable[[Connection, User, int], _Thing],
    described: Callable[[Connection, _Thing], tuple[str, str]],
    remove: Callable[[Connection, User, int, _Thing], None],
) -> None:
    """Add `GET /{number}/delete/`, which asks, and `POST /{number}/delete/`, which removes.

    Parameters
    ----------
    router : APIRouter
        Its prefix is the place of the pages.
    kind : str
        What it is, for readers.
    own : callable
        The thing of a number, if the account may change it.
    described : callable
        Its name, and with what it is removed.
    remove : callable
        Removes it.
    """

    @router.get("/{number}/delete/")
    def ask_delete(request: Request, number: Number) -> Response:
        """Ask before it is removed."""
        user = logged_in(request)
        if isinstance(user, Response):
            return user
        with accounts_of(request) as connection:
            name, what = described(connection, own(connection, user, number))
        return page(request, "remove.html", kind=kind, name=name, what=what, path=f"{router.prefix}/{number}/")

    @router.post("/{number}/delete/")
    def delete(request: Request, number: Number, form: Sent) -> Response:
        """Remove it."""
        user = acting(request, form)
        with accounts_of(request) as connection:
            thing = own(connection, user, number)
            with connection.transaction():
                name, _ = described(connection, thing)
                remove(connection, user, number, thing)
                owned.note(connection, user, f"{kind} removed", number, name)
        return see(f"{router.prefix}/", said="removed")

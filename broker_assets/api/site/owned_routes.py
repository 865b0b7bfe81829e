"""Routes that all things with owners have: sharing with groups or everybody, and removal after a confirmation.

A subject states only what differs: the name of the kind, who may change a thing, how it is published and removed.
Watchlists and areas differ in even less (`add_list_routes`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import psycopg
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from broker_assets.access.accounts import User
from broker_assets.access.sharing import CannotShare, Kind
from broker_assets.api.authentication import accounts_of
from broker_assets.api.site import owned
from broker_assets.api.site.forms import Number, Sent, SentForm, acting, logged_in, see
from broker_assets.api.site.frame import page
from broker_assets.sentences import sentence
from broker_assets.sky import lists
from broker_assets.sky.overview import Summary

Connection = psycopg.Connection[Any]
_Key = TypeVar("_Key", int, str)
_Thing = TypeVar("_Thing")
_List = TypeVar("_List", bound=Summary)


@dataclass(frozen=True)
class Shared(Generic[_Key, _Thing]):
    """How things of a kind are shared."""

    kind: Kind
    place: str
    """Address of their list, such as `/filters/`; the page of a thing is below it."""
    own: Callable[[Connection, User, _Key], _Thing]
    """The thing with a number or topic, if the account may change it."""
    publish: Callable[[Connection, User, _Key, _Thing, bool], object]
    """Stores whether everybody may see it."""
    trouble: tuple[type[Exception], ...] = (CannotShare,)
    """Errors that a form can cause; their messages are shown as sentences."""

    def share(self, request: Request, key: _Key, form: SentForm) -> Response:
        """Share a thing as a form says, in one transaction."""
        user = acting(request, form)
        with accounts_of(request) as connection:
            thing = self.own(connection, user, key)
            try:
                with connection.transaction():
                    public = owned.share(connection, user, self.kind, key, form)
                    self.publish(connection, user, key, thing, public)
            except self.trouble as error:
                raise HTTPException(422, sentence(error)) from None
        return see(f"{self.place}{key}/", said="shared")


@dataclass(frozen=True)
class Removable(Generic[_Thing]):
    """How things of a kind are removed."""

    kind: str
    """Name of the kind on pages and in the record of changes."""
    place: str
    own: Callable[[Connection, User, int], _Thing]
    describe: Callable[[Connection, _Thing], tuple[str, str]]
    """Its name, and what is removed with it."""
    remove: Callable[[Connection, User, int, _Thing], object]

    def ask(self, request: Request, number: int) -> Response:
        """Ask before a thing is removed."""
        user = logged_in(request)
        if isinstance(user, Response):
            return user
        with accounts_of(request) as connection:
            name, what = self.describe(connection, self.own(connection, user, number))
        return page(request, "remove.html", kind=self.kind, name=name, what=what, path=f"{self.place}{number}/")

    def delete(self, request: Request, number: int, form: SentForm) -> Response:
        """Remove a thing, with an entry in the record of changes."""
        user = acting(request, form)
        with accounts_of(request) as connection:
            thing = self.own(connection, user, number)
            with connection.transaction():
                name, _ = self.describe(connection, thing)
                self.remove(connection, user, number, thing)
                owned.note(connection, user, f"{self.kind} removed", number, name)
        return see(self.place, said="removed")


def add_sharing(router: APIRouter, shared: Shared[int, Any]) -> None:
    """Add the route `POST /{number}/share/`."""

    @router.post("/{number}/share/")
    def share(request: Request, number: Number, form: Sent) -> Response:
        """Change who may see it."""
        return shared.share(request, number, form)


def add_removal(router: APIRouter, removable: Removable[Any]) -> None:
    """Add the routes `GET /{number}/delete/`, which asks, and `POST /{number}/delete/`, which removes."""

    @router.get("/{number}/delete/")
    def ask_delete(request: Request, number: Number) -> Response:
        """Ask before it is removed."""
        return removable.ask(request, number)

    @router.post("/{number}/delete/")
    def delete(request: Request, number: Number, form: Sent) -> Response:
        """Remove it."""
        return removable.delete(request, number, form)


def add_list_routes(
    router: APIRouter,
    kind: lists.Kind,
    place: str,
    own: Callable[[Connection, User, int], _List],
    contents: Callable[[_List], str],
    trouble: tuple[type[Exception], ...],
) -> None:
    """Add the routes of `add_sharing` and `add_removal` for watchlists or areas.

    Parameters
    ----------
    router : APIRouter
        Router of the kind.
    kind : str
        `watchlist` or `area`.
    place, own, trouble
        As of `Shared`.
    contents : callable
        Returns what is removed with a list, for the page that asks.
    """

    def publish(connection: Connection, user: User, number: int, entry: _List, public: bool) -> None:
        lists.change_list(connection, entry.owner, kind, number, lists.ListSettings(public=public))

    def describe(connection: Connection, entry: _List) -> tuple[str, str]:
        return entry.name, contents(entry)

    def remove(connection: Connection, user: User, number: int, entry: _List) -> None:
        lists.delete_list(connection, entry.owner, kind, number)

    add_sharing(router, Shared(kind, place, own, publish, trouble))
    add_removal(router, Removable(kind, place, own, describe, remove))

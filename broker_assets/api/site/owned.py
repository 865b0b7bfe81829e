"""What pages of filters, lists and annotators have in common: who may see them, sharing, messages."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeVar

import psycopg
from fastapi import Request

from broker_assets.access import changes, sharing, visibility
from broker_assets.access.accounts import EVERYBODY, User, groups_of
from broker_assets.access.refusals import NameTaken
from broker_assets.access.sharing import Kind
from broker_assets.access.visibility import Owned
from broker_assets.api.site.forms import SentForm
from broker_assets.filters.expiry import renewed

Connection = psycopg.Connection[Any]
_Thing = TypeVar("_Thing", bound=Owned)
_ATTEMPTS: Final = 5

SAID: Final = {
    "made": "Created.",
    "requested": "It is asked for; the facility gets it in a moment.",
    "saved": "The changes are saved.",
    "copied": "This copy is yours; nobody else sees it yet.",
    "shared": "Who may see it is saved.",
    "removed": "It is removed.",
    "activated": "It is active.",
    "paused": "It is paused; nothing is sent.",
    "retried": "The messages are sent again.",
    "unsendable": "Nothing is sent again: the destination was removed, or the content is kept no longer.",
    "dismissed": "The messages are left unsent.",
    "asked": "Your request is sent to the administrators.",
    "answered": "The answer is saved.",
    "cancelled": "The trial is cancelled.",
    "sink": "The destination is saved.",
    "unsunk": "The destination is removed; what waited for it is not sent.",
}
"""Message of a page after a change, by the word in its address."""


def readable(
    connection: Connection, user: User | None, kind: Kind, things: Iterable[tuple[Any, _Thing]]
) -> list[_Thing]:
    """The things, given with their numbers or topics, that an account or a guest may read."""
    shared = visibility.shared(connection, user, kind) if user is not None else set()
    return [
        thing
        for identifier, thing in things
        if thing.public
        or thing.owner == visibility.PLATFORM
        or (user is not None and (thing.owner == user.username or user.administers or str(identifier) in shared))
    ]


def parted(user: User | None, things: Sequence[_Thing]) -> dict[str, list[_Thing]]:
    """Things in the groups of a page: an account's own, those that are public, those that others share with it."""
    own = [thing for thing in things if user is not None and thing.owner == user.username]
    public = [thing for thing in things if thing not in own and (thing.public or thing.owner == visibility.PLATFORM)]
    return {
        "own": own,
        "shared": [thing for thing in things if thing not in own and thing not in public],
        "public": public,
    }


def share_choices(connection: Connection, user: User, kind: Kind, identifier: Any, thing: Owned) -> dict[str, Any]:
    """Content of the form for sharing: the groups of the owner, and those that are chosen."""
    found = visibility.of_thing(connection, kind, identifier, thing)
    groups = [name for name in groups_of(connection, user.userid) if name != EVERYBODY]
    return {"audience": found.audience, "chosen": found.groups, "groups": groups}


def share(connection: Connection, user: User, kind: Kind, identifier: Any, form: SentForm) -> bool:
    """Share a thing with the groups in a form; the caller stores whether it is public.

    Returns
    -------
    bool
        Whether it is to be public.

    Raises
    ------
    CannotShare
        If the account is not in a group.
    """
    audience = form.text("audience", "owner")
    groups = form.several.get("group", []) if audience == "group" else []
    sharing.share(connection, user, kind, str(identifier), groups)
    return audience == "public"


def note(connection: Connection, user: User, action: str, subject: object, details: str = "") -> None:
    """Enter a change into the record of changes, for example `watchlist made`, its number, its name."""
    changes.record(connection, user.userid, action, str(subject), details)


def said(word: str | None) -> str:
    """The message of a word in an address; empty for others."""
    return SAID.get(word or "", "")


def free_name(wanted: str, taken: Iterable[str]) -> str:
    """A name that is not taken, ignoring case: a number is appended if necessary.

    Examples
    --------
    >>> free_name("quasars", ["Quasars", "quasars 2"]), free_name("new", [])
    ('quasars 3', 'new')
    """
    known = {name.lower() for name in taken}
    found, number = wanted[:240], 1
    while found.lower() in known:
        number += 1
        found = f"{wanted[:240]} {number}"
    return found


def under_free_name(wanted: str, taken: Callable[[], Iterable[str]], make: Callable[[str], int]) -> int:
    """Create a thing under a free name; under the next one if another request takes it meanwhile.

    Parameters
    ----------
    wanted : str
        The name if nothing has it.
    taken : callable
        Names that the account has given to things of the kind.
    make : callable
        Creates the thing under a name, and returns its number.

    Returns
    -------
    int
        The number of the thing.

    Raises
    ------
    NameTaken
        If this happens at every attempt.
    """
    for _ in range(_ATTEMPTS):
        with suppress(NameTaken):
            return make(free_name(wanted, taken()))
    return make(free_name(wanted, taken()))


def renewed_until(request: Request) -> datetime.datetime:
    """When something that is saved on a page now expires."""
    return renewed(request.app.state.filters.expire_days)

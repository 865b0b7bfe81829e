"""Options shared by the commands of watchlists and areas."""

from __future__ import annotations

import datetime
import getpass
from pathlib import Path
from typing import Annotated, Literal

import typer

from broker_assets.instants import instant
from broker_assets.settings import load_settings

NEVER = "never"

Which = Annotated[str, typer.Argument(metavar="LIST", help="Its number or its name.", show_default=False)]
Owner = Annotated[
    str | None,
    typer.Option(help="Account that owns it; your user name on this machine unless given.", show_default=False),
]
NewName = Annotated[str | None, typer.Option("--name", help="Another name.", show_default=False)]
Description = Annotated[str | None, typer.Option(help="What it is for.", show_default=False)]
Public = Annotated[
    bool | None, typer.Option("--public/--private", help="Whether others may see it.", show_default=False)
]
Active = Annotated[bool | None, typer.Option("--active/--inactive", help="Whether it is matched.", show_default=False)]
Expire = Annotated[
    str | None,
    typer.Option(help="When it stops being matched: 2027-01-31, 2027-01-31T12:00 (UTC), or never.", show_default=False),
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the running platform has matched it with past objects.")]
Timeout = Annotated[float, typer.Option(min=0.0, help="With --wait: longest wait, seconds.")]
AsJson = Annotated[bool, typer.Option("--json", help="As one JSON document.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Out = Annotated[
    Path | None,
    typer.Option(help="Write its content to this file; - is standard output.", dir_okay=False, show_default=False),
]


def account(owner: str | None) -> str:
    """The owner that was given, or the user of this machine."""
    if owner is None:
        try:
            owner = getpass.getuser()
        except (KeyError, OSError):
            raise typer.BadParameter("this user has no name on this machine; give one", param_hint="--owner") from None
    if not owner.strip():
        raise typer.BadParameter("the owner needs a name", param_hint="--owner")
    return owner


def expiry(text: str | None) -> datetime.datetime | Literal["never"] | None:
    """The time of `--expire`, UTC unless it has a time zone; a past time is refused.

    Examples
    --------
    >>> expiry("2999-01-31")
    datetime.datetime(2999, 1, 31, 0, 0, tzinfo=datetime.timezone.utc)
    >>> expiry("never")
    'never'
    """
    if text is None:
        return None
    if text.strip().lower() == NEVER:
        return "never"
    try:
        when = instant(text.strip())
    except ValueError:
        raise typer.BadParameter(
            f"{text!r} is neither a date (2027-01-31), a time (2027-01-31T12:00) nor `never`", param_hint="--expire"
        ) from None
    if when <= datetime.datetime.now(datetime.UTC):
        raise typer.BadParameter(f"{text} is in the past; --inactive stops the matching now", param_hint="--expire")
    return when


def expiry_of_new(until: datetime.datetime | Literal["never"] | None) -> datetime.datetime | None:
    """When something that is saved now expires, from the result of `expiry`; None if never."""
    from broker_assets.filters.expiry import renewed

    return None if until == "never" else until or renewed(load_settings().filters.expire_days)

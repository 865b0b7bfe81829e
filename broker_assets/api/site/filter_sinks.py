"""Where the matches of a filter go: destinations added and removed, dead letters sent again or dismissed."""

from __future__ import annotations

from typing import Any, get_args

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from broker_assets.api.authentication import accounts_of
from broker_assets.api.site import owned
from broker_assets.api.site.filters import own
from broker_assets.api.site.forms import Number, Sent, acting, missing, see
from broker_assets.delivery import receipts, sinks
from broker_assets.delivery.backlog import retry
from broker_assets.delivery.errors import SinkError
from broker_assets.sentences import sentence

router = APIRouter(prefix="/filters", include_in_schema=False)


@router.post("/{number}/sinks/")
def add(request: Request, number: Number, form: Sent) -> Response:
    """Add a destination. E-mail goes to the account's own address."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        own(connection, user, number)
    kind: Any = form.text("kind")
    target: str | None = None
    if kind == "email":
        if not user.email:
            raise HTTPException(422, "Your account has no e-mail address.")
        target = user.email
    elif kind == "webhook":
        target = form.text("url")
    elif kind == "apprise":
        target = form.text("destination")
    with accounts_of(request) as connection:
        try:
            how: dict[str, Any] = {
                "form": _choice(form.text("format"), "plain"),
                "schedule": _choice(form.text("schedule"), "now"),
            }
            sink = sinks.add(connection, request.app.state.delivery, number, kind, target, **how)
            owned.note(connection, user, "destination added", number, f"{sink.kind} {sink.target}")
        except SinkError as error:
            raise HTTPException(422, sentence(error)) from None
    return see(f"/filters/{number}/", tab="deliveries", said="sink")


@router.post("/{number}/sinks/{sink}/remove/")
def remove(request: Request, number: Number, sink: Number, form: Sent) -> Response:
    """Remove a destination."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        own(connection, user, number)
        if sink not in {one.sinkid for one in sinks.listed(connection, filterid=number)}:
            missing("destination", sink)
        sinks.remove(connection, sink)
        owned.note(connection, user, "destination removed", number, f"destination {sink}")
    return see(f"/filters/{number}/", tab="deliveries", said="unsunk")


@router.post("/{number}/dead/")
def settle(request: Request, number: Number, form: Sent) -> Response:
    """Send dead letters again, or dismiss them: those that are ticked, or all of the filter."""
    user = acting(request, form)
    given = [int(text) for text in form.several.get("message", []) if text.isascii() and text.isdigit()]
    with accounts_of(request) as connection:
        own(connection, user, number)
        if form.text("which") == "all":
            given = [row["deliveryid"] for row in receipts.newest(connection, number, state="dead", limit=10_000)]
        chosen = receipts.of_filter(connection, number, [one for one in given if one < 2**63])
        dismiss = form.text("do") == "dismiss"
        settled = retry(connection, numbers=chosen, dismiss=dismiss)
    said = "dismissed" if dismiss else "retried" if settled or not chosen else "unsendable"
    return see(f"/filters/{number}/", tab="deliveries", said=said)


def _choice(given: str, default: str) -> Any:
    known = {*get_args(sinks.Format), *get_args(sinks.Schedule)}
    return given if given in known else default

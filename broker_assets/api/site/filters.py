"""Filters: the list of them, and the page of one with its definition, yield, versions and settings."""

from __future__ import annotations

import contextlib
from typing import Any, Final

import psycopg
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from broker_assets.access import quotas, visibility
from broker_assets.access.accounts import User
from broker_assets.access.quotas import OverQuota
from broker_assets.access.refusals import BadSetting, NameTaken
from broker_assets.access.sharing import CannotShare
from broker_assets.api.authentication import accounts_of
from broker_assets.api.connections import Connections
from broker_assets.api.site import owned
from broker_assets.api.site.forms import BadField, Chosen, Number, Sent, acting, missing, see
from broker_assets.api.site.frame import page, viewer_of
from broker_assets.api.site.night_bars import night_chart
from broker_assets.api.site.owned_routes import Removable, Shared, add_removal, add_sharing
from broker_assets.delivery import receipts, sinks
from broker_assets.filters import history, store, trials
from broker_assets.filters.files import write_definition
from broker_assets.filters.registry import StoredFilter, UnknownFilter, get_filter, list_filters, version_of
from broker_assets.filters.store import FilterChanges
from broker_assets.filters.yields import newest_yield, recent_nights
from broker_assets.sentences import sentence
from broker_assets.settings.stream import SecretFileError

router = APIRouter(prefix="/filters", include_in_schema=False)

TABS: Final = {"overview": "Overview", "yield": "Yield", "versions": "Versions", "deliveries": "Deliveries"}
"""Tabs of the page of a filter."""
TROUBLE: Final = (BadField, BadSetting, NameTaken, OverQuota, CannotShare)
"""Errors that a form can cause."""
NIGHTS: Final = 60
"""Nights in the chart of yields."""


def found(connection: psycopg.Connection[Any], user: User | None, number: int) -> StoredFilter:
    """The filter with a number, if the account may see it; else HTTP 404."""
    try:
        entry = get_filter(connection, number)
    except UnknownFilter:
        missing("filter", number)
    if not visibility.may_read(connection, user, "filter", number, entry):
        missing("filter", number)
    return entry


def own(connection: psycopg.Connection[Any], user: User, number: int) -> StoredFilter:
    """The same, if the account may change it."""
    entry = found(connection, user, number)
    if not visibility.may_change(user, entry):
        raise HTTPException(403, f"Filter {number} belongs to {entry.owner}; you can copy it.")
    return entry


@router.get("/")
def every(request: Request, said: str | None = None) -> Response:
    """The filters that the user may see."""
    user = viewer_of(request).user
    with accounts_of(request) as connection:
        shown = owned.readable(
            connection, user, "filter", [(entry.filterid, entry) for entry in list_filters(connection)]
        )
        passed = history.passed(connection, [entry.filterid for entry in shown])
        newest = newest_yield(connection)
        use = quotas.of_account(connection, user, request.app.state.access) if user is not None else []
    return page(
        request, "filters.html", parts=owned.parted(user, shown), passed=passed, newest=newest,
        said=owned.said(said), use=[one for one in use if one.what == "filters"],
    )  # fmt: skip


@router.get("/{number}/")
def one(
    request: Request,
    number: Number,
    tab: str = "overview",
    v: Chosen = None,
    said: str | None = None,
) -> Response:
    """A filter."""
    user = viewer_of(request).user
    tab = tab if tab in TABS else "overview"
    with accounts_of(request) as connection:
        entry = found(connection, user, number)
        try:
            version = version_of(connection, number, v)
        except UnknownFilter:
            missing("filter", f"{number} with a version {v}")
        seen = visibility.of_thing(connection, "filter", number, entry)
        mine = visibility.may_change(user, entry)
        share = owned.share_choices(connection, user, "filter", number, entry) if user is not None and mine else None
        tried = trials.of_account(connection, user, filterid=number, limit=5) if user is not None else []
        shown: dict[str, Any] = {"versions": history.versions(connection, number) if tab == "versions" else []}
        if tab == "deliveries":
            if not mine:
                raise HTTPException(403, f"Only {entry.owner} sees where the matches of filter {number} go.")
            shown |= deliveries(request, connection, number)
    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        nights = recent_nights(connection, number, NIGHTS)[::-1]
    quota = entry.matches_per_night or request.app.state.filters.matches_per_night
    chart = night_chart([(night.night, night.matches, True) for night in nights], quota)
    return page(
        request, "filter.html", entry=entry, version=version, text=write_definition(version.form), tabs=TABS, tab=tab,
        seen=seen, mine=mine, share=share, nights=nights, chart=chart, quota=quota, trials=tried,
        said=owned.said(said), path=f"/filters/{number}/", **shown,
    )  # fmt: skip


def deliveries(request: Request, connection: psycopg.Connection[Any], number: int) -> dict[str, Any]:
    """Content of the tab about deliveries."""
    settings = request.app.state.delivery
    user = viewer_of(request).user
    kinds = [("kafka", "Kafka topic"), ("email", "e-mail to you")]
    with contextlib.suppress(SecretFileError):  # the page of a filter does not need the key
        if settings.revealed_webhook_key() is not None:
            kinds.append(("webhook", "webhook"))
    usable = [
        name for name, place in settings.destinations.items() if user and {"*", user.username} & set(place.owners)
    ]
    return {
        "sinks": sinks.listed(connection, filterid=number),
        "counts": receipts.counts(connection, number),
        "dead": receipts.newest(connection, number, state="dead"),
        "messages": receipts.newest(connection, number, limit=50),
        "kinds": kinds + ([("apprise", "destination of the platform")] if usable else []),
        "destinations": usable,
        "readers": settings.readers,
        "local_kafka": request.app.state.local_kafka,
    }


@router.post("/{number}/settings/")
def settings(request: Request, number: Number, form: Sent) -> Response:
    """Change name, description, triggers and quota."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        entry = own(connection, user, number)
        try:
            quota: Any = "default"
            most = request.app.state.filters.matches_per_night
            if form.text("quota"):
                quota = form.whole("quota", least=1, most=most, what="Matches a night")
            changes = FilterChanges(
                name=form.text("name"), description=form.text("description")[:4096],
                on_alerts=form.ticked("alerts"), on_annotations=form.ticked("annotations"), matches_per_night=quota,
            )  # fmt: skip
            store.change_filter(connection, entry.owner, number, changes)
            owned.note(connection, user, "filter changed", number, changes.name or "")
        except TROUBLE as error:
            raise HTTPException(422, sentence(error)) from None
    return see(f"/filters/{number}/", said="saved")


@router.post("/{number}/pause/")
def pause(request: Request, number: Number, form: Sent) -> Response:
    """Deactivate it."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        entry = own(connection, user, number)
        store.change_filter(connection, entry.owner, number, FilterChanges(active=False))
        owned.note(connection, user, "filter paused", number, entry.name)
    return see(f"/filters/{number}/", said="paused")


@router.post("/{number}/copy/")
def copy(request: Request, number: Number, form: Sent) -> Response:
    """Create a filter of the user's own with the same definition, which does not run yet."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        entry = found(connection, user, number)
        try:
            definition = version_of(connection, number).form
            with connection.transaction():
                quotas.require_room(connection, user, request.app.state.access, "filters")
                made = owned.under_free_name(
                    entry.name,
                    lambda: [one.name for one in list_filters(connection, owner=user.username)],
                    lambda name: store.create_filter(
                        connection, user.username, name, definition, description=entry.description,
                        on_alerts=entry.on_alerts, on_annotations=entry.on_annotations,
                    ),
                )  # fmt: skip
        except TROUBLE as error:
            raise HTTPException(422, sentence(error)) from None
        owned.note(connection, user, "filter made", made, f"copy of {number}")
    return see(f"/filters/{made}/", said="copied")


def _publish(connection: psycopg.Connection[Any], user: User, number: int, entry: StoredFilter, public: bool) -> None:
    store.change_filter(connection, entry.owner, number, FilterChanges(public=public))


def _described(connection: psycopg.Connection[Any], entry: StoredFilter) -> tuple[str, str]:
    return entry.name, f"with its {entry.version} versions; what it passed stays known"


def _remove(connection: psycopg.Connection[Any], user: User, number: int, entry: StoredFilter) -> None:
    store.remove_filter(connection, entry.owner, number)


add_sharing(router, Shared("filter", "/filters/", own, _publish, TROUBLE))
add_removal(router, Removable("filter", "/filters/", own, _described, _remove))

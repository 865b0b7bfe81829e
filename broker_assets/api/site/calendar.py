"""The calendar: a month with nights, observations and events, forms for events, and its address for other programs."""

from __future__ import annotations

import calendar
import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from broker_assets.access.accounts import EVERYBODY, groups_of
from broker_assets.api.authentication import accounts_of
from broker_assets.api.site import owned
from broker_assets.api.site.forms import BadField, Sent, SentForm, acting, logged_in, see
from broker_assets.api.site.frame import page
from broker_assets.instants import instant
from broker_assets.sentences import sentence
from broker_assets.tom.calendars import events, feeds
from broker_assets.tom.calendars.events import BadEvent, Event, UnknownEvent
from broker_assets.tom.calendars.icalendar_files import calendar_bytes
from broker_assets.tom.calendars.nights import Night, nights_of, observatory_named
from broker_assets.tom.spectra.visibility import OBSERVATORIES
from broker_assets.tom.targets.readers import Reader

router = APIRouter(prefix="/calendar", include_in_schema=False)

PAST: Final = 60
AHEAD: Final = 400
"""Days before and after today in the file."""
NIGHTS: Final = 60
"""Nights of an observatory in the file, from yesterday on."""


@router.get("/")
def month(request: Request, month: str = "", observatory: str = "", said: str | None = None) -> Response:
    """A month."""
    user = logged_in(request)
    if isinstance(user, Response):
        return user
    return _page(request, month, observatory, said=owned.said(said))


@router.post("/events/")
def enter(request: Request, form: Sent) -> Response:
    """Enter an event, change one, or remove it."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        try:
            number = form.whole("number", least=1, most=2**63 - 1, what="Event") if form.text("number") else None
            if form.text("do") == "remove" and number is not None:
                events.remove(connection, user, number)
                return see("/calendar/", said="removed", month=form.text("month") or None)
            begins, ends = _moment(form, "begins"), _moment(form, "ends")
            events.enter(
                connection, user, form.text("name"), begins, ends, facility=form.text("facility"),
                description=form.text("description"), number=number,
            )  # fmt: skip
        except UnknownEvent as error:
            raise HTTPException(404, sentence(error)) from None
        except (BadEvent, BadField) as error:
            return _page(request, form.text("month"), "", form=form, trouble=sentence(error), code=422)
    return see("/calendar/", said="saved", month=begins.strftime("%Y-%m"))


@router.post("/address/")
def address(request: Request, form: Sent) -> Response:
    """Create a new secret address for the calendar, shown once, or revoke the present one."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        if form.text("do") == "end":
            feeds.end(connection, user)
            owned.note(connection, user, "calendar address ended", user.username)
            return see("/calendar/", said="saved")
        secret = feeds.renew(connection, user)
        owned.note(connection, user, "calendar address made", user.username)
    base = f"{request.url.scheme}://{request.url.netloc}"
    return _page(request, "", "", new=f"{base}/calendar/feeds/{secret}.ics")


@router.get("/feeds/{secret}.ics")
def file(request: Request, secret: str, observatory: str = "") -> Response:
    """The calendar of the account whose secret is in the address; with an observatory, its nights too."""
    today = datetime.datetime.now(datetime.UTC)
    begins, ends = today - datetime.timedelta(days=PAST), today + datetime.timedelta(days=AHEAD)
    with accounts_of(request) as connection:
        name = feeds.owner_of(connection, secret)
        if name is None:
            raise HTTPException(404, "There is no such calendar; its address may have been renewed.")
        row = connection.execute("SELECT userid FROM access.users WHERE username = %s", (name,)).fetchone()
        # Administrators, too, get only their own entries: nobody wants a calendar of everybody's requests.
        found = events.between(connection, Reader(name, int(row[0]) if row is not None else 0), begins, ends)
    place = observatory_named(observatory)
    nights = nights_of(place, today.date() - datetime.timedelta(days=1), NIGHTS) if place is not None else []
    pages = str(request.app.state.pages)
    content = calendar_bytes(found, nights, authority=urlsplit(pages).hostname or "localhost", pages=pages)
    headers = {"Cache-Control": "private, no-store", "X-Content-Type-Options": "nosniff"}
    headers |= {"Content-Disposition": 'attachment; filename="observations.ics"'}
    return Response(content, media_type="text/calendar; charset=utf-8", headers=headers)


def _page(
    request: Request, month: str, observatory: str, *, form: SentForm | None = None, trouble: str = "", code: int = 200,
    new: str = "", said: str = "",
) -> Response:  # fmt: skip
    user = logged_in(request)
    if isinstance(user, Response):
        return user
    today = datetime.datetime.now(datetime.UTC).date()
    first, wrong = _first(month, today)
    weeks = calendar.Calendar().monthdatescalendar(first.year, first.month)
    begins, ends = (
        datetime.datetime.combine(day, datetime.time(), datetime.UTC)
        for day in (weeks[0][0], weeks[-1][-1] + datetime.timedelta(days=1))
    )
    with accounts_of(request) as connection:
        found = events.between(connection, Reader(user.username, user.userid), begins, ends)
        groups = [name for name in groups_of(connection, user.userid) if name != EVERYBODY]
        made = feeds.made(connection, user)
    place = observatory_named(observatory)
    nights = {one.evening: one for one in nights_of(place, weeks[0][0], 7 * len(weeks))} if place is not None else {}
    return page(
        request, "calendar.html", 422 if wrong else code, first=first, weeks=_days(weeks, found, nights), today=today,
        found=found, groups=groups, made=made, new=new, form=form or SentForm({}), trouble=trouble or wrong, said=said,
        observatories=[one.name for one in OBSERVATORIES], observatory=place.name if place is not None else "",
        before=(first - datetime.timedelta(days=1)).strftime("%Y-%m"),
        after=(first + datetime.timedelta(days=32)).strftime("%Y-%m"),
    )  # fmt: skip


def _days(
    weeks: list[list[datetime.date]], found: list[Event], nights: dict[datetime.date, Night]
) -> list[list[dict[str, Any]]]:
    """Each day with its events, and the night that begins in its evening."""

    def has(day: datetime.date, one: Event) -> bool:
        last = one.ends - datetime.timedelta(seconds=1)
        return one.begins.astimezone(datetime.UTC).date() <= day <= last.astimezone(datetime.UTC).date()

    return [
        [{"date": day, "events": [one for one in found if has(day, one)], "night": nights.get(day)} for day in week]
        for week in weeks
    ]


def _first(month: str, today: datetime.date) -> tuple[datetime.date, str]:
    """The first day of a month written as 2026-12, and what is wrong with the text."""
    if not month:
        return today.replace(day=1), ""
    try:
        found = datetime.date.fromisoformat(f"{month}-01")
    except ValueError:
        return today.replace(day=1), f"{month[:20]!r} is not a month: write it as 2026-12."
    if not 1901 <= found.year <= 2099:
        return today.replace(day=1), f"{month} is beyond the years 1901 to 2099."
    return found, ""


def _moment(form: SentForm, name: str) -> datetime.datetime:
    try:
        found = instant(form.text(name))
    except ValueError:
        raise BadField(f"{name}: {form.text(name)[:40]!r} is not a time; write 2026-12-01T03:00 (UTC)") from None
    if not 1901 <= found.year <= 2099:
        raise BadField(f"{name}: {found.year} is not from 1901 to 2099")
    return found

"""The page of a target: what it is, its light curve, when it can be seen, comments, and what its owner changes."""

from __future__ import annotations

import datetime
from typing import Any

import numpy as np
import psycopg
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from broker_assets.access import visibility
from broker_assets.access.accounts import User
from broker_assets.access.refusals import NotTheOwner
from broker_assets.api.authentication import accounts_of
from broker_assets.api.connections import Connections
from broker_assets.api.site import object_page, observations, owned
from broker_assets.api.site.forms import Number, Sent, SentForm, acting, logged_in, missing, see
from broker_assets.api.site.frame import page, viewer_of
from broker_assets.api.site.owned_routes import Removable, Shared, add_removal, add_sharing
from broker_assets.api.site.targets import TROUBLE, form_page, given_by, reader_of
from broker_assets.sentences import sentence
from broker_assets.tom.observations import store as requests
from broker_assets.tom.spectra import spectrum_store
from broker_assets.tom.spectra.visibility import OBSERVATORIES, Visibility
from broker_assets.tom.targets import comments, lists, store
from broker_assets.tom.targets.fields import ELEMENTS, POSITION
from broker_assets.tom.targets.readers import Reader
from broker_assets.tom.targets.store import Target, UnknownTarget

router = APIRouter(prefix="/targets", include_in_schema=False)


def found_target(connection: psycopg.Connection[Any], reader: Reader, number: int) -> Target:
    """A target that the reader may see; else HTTP 404."""
    try:
        return store.get(connection, reader, number)
    except UnknownTarget:
        missing("target", number)


@router.get("/{number}/")
def one(request: Request, number: Number, said: str | None = None, night: str = "") -> Response:
    """Everything about a target."""
    user, reader = viewer_of(request).user, reader_of(request)
    when, problem = evening(night)
    with accounts_of(request) as connection:
        target = found_target(connection, reader, number)
        inside = lists.search(connection, reader, targetid=number)
        known = [one for one in lists.search(connection, reader) if user is not None and one.owner == user.username]
        mine = visibility.may_change(user, target)
        share = owned.share_choices(connection, user, "target", number, target) if user and mine else None
        seen = visibility.of_thing(connection, "target", number, target)
        said_of_it = comments.of_target(connection, number)
        asked = requests.search(connection, reader, targetid=number, limit=50)
        forms = observations.forms_for(request, connection, user)
        spectra = spectrum_store.search(connection, reader, targetid=number)
    return page(
        request, "targets/one.html", 422 if problem else 200, target=target, mine=mine, share=share, seen=seen,
        comments=said_of_it, observations=asked, forms=forms, spectra=spectra, inside=inside,
        outside=[one for one in known if one not in inside],
        facts=facts_of(target), place=place_of(target), sky=_sky(target, when) if not problem else None,
        moving=_moving(target, when) if not problem else None,
        night=night, problem=problem, **_light(request, target), said=owned.said(said), path=f"/targets/{number}/",
    )  # fmt: skip


@router.get("/{number}/edit/")
def edit(request: Request, number: Number) -> Response:
    """The form with the fields of a target."""
    user = logged_in(request)
    if isinstance(user, Response):
        return user
    with accounts_of(request) as connection:
        target = _own(connection, Reader.of(user), number)
    given = {name: "" if value is None else str(value) for name, value in target.given.items()}
    given |= {"aliases": "\n".join(target.aliases), "tags": ", ".join(target.tags)}
    given["extras"] = "\n".join(f"{name}: {value}" for name, value in target.extras.items())
    return form_page(request, SentForm(given), target=target)


@router.post("/{number}/edit/")
def change(request: Request, number: Number, form: Sent) -> Response:
    """Change the fields of a target."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        target = _own(connection, Reader.of(user), number)
        try:
            store.change(connection, Reader.of(user), number, given_by(form))
        except TROUBLE as error:
            return form_page(request, form, sentence(error), 422, target=target)
        owned.note(connection, user, "target changed", number, form.text("name"))
    return see(f"/targets/{number}/", said="saved")


@router.post("/{number}/comments/")
def comment(request: Request, number: Number, form: Sent) -> Response:
    """Write a comment, or remove one."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        found_target(connection, Reader.of(user), number)
        try:
            if form.text("remove"):
                which = form.whole("remove", least=1, most=2**63 - 1, what="Comment")
                comments.remove(connection, Reader.of(user), number, which)
            else:
                comments.write(connection, Reader.of(user), number, form.text("body"))
        except NotTheOwner as error:
            raise HTTPException(403, sentence(error)) from None
        except TROUBLE as error:
            raise HTTPException(422, sentence(error)) from None
    return see(f"/targets/{number}/#comments")


def evening(night: str) -> tuple[datetime.datetime, str]:
    """Midnight UTC after the evening of a date, or now without a date; and what is wrong with the date."""
    now = datetime.datetime.now(datetime.UTC)
    if not night:
        return now, ""
    try:
        day = datetime.date.fromisoformat(night)
    except ValueError:
        return now, f"{night[:20]!r} is not a date: write it as 2026-06-21"
    if not 1900 <= day.year <= 2100:
        return now, f"{night} is beyond the years 1900 to 2100"
    return datetime.datetime.combine(day, datetime.time(23, 59), datetime.UTC), ""


def facts_of(target: Target) -> list[tuple[str, str]]:
    """Properties of a target besides its position: meaning and value."""
    known = {**{name: getattr(target, name) for name in POSITION}, **target.elements}
    limits = {**POSITION, **ELEMENTS}
    return [
        (limits[name][2], f"{value:.10g}")
        for name, value in known.items()
        if value is not None and name not in ("ra", "dec")
    ]


def place_of(target: Target) -> dict[str, Any] | None:
    """The position in degrees and sexagesimal form, and addresses of other services."""
    from broker_assets.sky.angles import sexagesimal
    from broker_assets.sky.links import links_at

    if target.ra is None or target.dec is None:
        return None
    return {
        "degrees": f"{target.ra:.6f} {target.dec:+.6f}",
        "sexagesimal": " ".join(sexagesimal(target.ra, target.dec)),
        "links": links_at(target.ra, target.dec),
    }


def _own(connection: psycopg.Connection[Any], reader: Reader, number: int) -> Target:
    target = found_target(connection, reader, number)
    if target.owner != reader.name:
        raise HTTPException(403, f"Target {number} belongs to {target.owner}.")
    return target


def _sky(target: Target, when: datetime.datetime) -> list[tuple[str, Visibility]] | None:
    """Its visibility from each observatory in a night; None if its position is unknown."""
    from broker_assets.tom.spectra.visibility import visibility as seen

    where = _moving(target, when) or (target.ra, target.dec)
    if where[0] is None or where[1] is None:
        return None
    ra, dec = np.array([where[0]]), np.array([where[1]])
    return [(place.name, seen(place, ra, dec, when)) for place in OBSERVATORIES]


def _moving(target: Target, when: datetime.datetime) -> tuple[float, float] | None:
    """Position (ICRS, degrees) of a target with orbital elements, whose motion within a night is neglected; else
    None."""
    from broker_assets.tom.targets.ephemeris import NoOrbit, position_at

    if not target.scheme:
        return None
    try:
        return position_at(target.scheme, target.elements, when)
    except NoOrbit:
        return None


def _light(request: Request, target: Target) -> dict[str, Any]:
    """The light curve and the finding chart of its object, or of its surroundings."""
    from broker_assets.sky.finder_svg import finder_svg
    from broker_assets.sky.marked_field import MarkedField
    from broker_assets.sky.marked_things import NoPosition, cone_field, object_field

    found: dict[str, Any] = {"curve": None, "finder": ""}
    reader: Connections = request.app.state.connections
    with reader.use() as connection:
        field: MarkedField | None = None
        if target.diaobjectid is not None:
            try:
                curve = object_page.curve_of(request, connection, str(target.diaobjectid))
                if len(curve.points):
                    found["curve"] = object_page.drawn(curve, object_page.WIDE)
                    found["narrow"] = object_page.drawn(curve, object_page.NARROW)
                    found["legend"] = object_page.legend(curve)
                field = object_field(connection, target.diaobjectid)
            except (HTTPException, NoPosition):
                field = None
        if field is None and target.ra is not None and target.dec is not None:
            field = cone_field(connection, target.ra, target.dec, 60.0)
    if field is not None:
        others = len(field.points) - 1
        summary = f"Finding chart, {field.width * 3600:.0f}″ wide, north up, with {others} other marked positions"
        found["finder"] = finder_svg(field, summary=summary)
    return found


def _owned(connection: psycopg.Connection[Any], user: User, number: int) -> Target:
    return _own(connection, Reader.of(user), number)


def _publish(connection: psycopg.Connection[Any], user: User, number: int, target: Target, public: bool) -> None:
    store.change(connection, Reader.of(user), number, {"public": public})


def _described(connection: psycopg.Connection[Any], target: Target) -> tuple[str, str]:
    number = len(comments.of_target(connection, target.targetid))
    return target.name, f"with {number} comment{'s' if number != 1 else ''}"


def _remove(connection: psycopg.Connection[Any], user: User, number: int, target: Target) -> None:
    store.remove(connection, Reader.of(user), number)


add_sharing(router, Shared("target", "/targets/", _owned, _publish, TROUBLE))
add_removal(router, Removable("target", "/targets/", _owned, _described, _remove))

"""Forms of the board of spectra: plan one, remove a plan, report one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fastapi import HTTPException, Request
from fastapi.responses import Response

from broker_assets.api.authentication import accounts_of
from broker_assets.api.site.forms import BadField, Sent, SentForm, acting, see
from broker_assets.sentences import sentence
from broker_assets.tom.spectra import plans, reports
from broker_assets.tom.spectra.facilities import NotOfFacilityError
from broker_assets.tom.spectra.known_objects import UnknownObjectError
from broker_assets.tom.spectra.times import BadTimeError, read_time

_BOARD: Final = "/spectra/"
_LONGEST: Final = 200


@contextmanager
def _explained() -> Iterator[None]:
    """Mistakes as pages that say what is wrong."""
    try:
        yield
    except NotOfFacilityError as error:
        raise HTTPException(403, sentence(error)) from None
    except (UnknownObjectError, BadField, BadTimeError) as error:
        raise HTTPException(422, sentence(error)) from None


def _named(form: SentForm) -> tuple[int, str]:
    """Object and facility of a form."""
    number = form.whole("objectid", least=1, most=2**63 - 1, what="Object")
    facility = form.text("facility")
    if not 0 < len(facility) <= _LONGEST:
        raise BadField(f"Facility: write its name, at most {_LONGEST} characters")
    return number, facility


def plan(request: Request, form: Sent) -> Response:
    """Claim an object for a facility."""
    user = acting(request, form)
    with _explained(), accounts_of(request) as connection:
        number, facility = _named(form)
        when = read_time(form.text("plantime")) if form.text("plantime") else None
        plans.plan_spectrum(connection, user, number, facility, when, form.text("comment")[:_LONGEST])
    return see(_BOARD)


def remove(request: Request, form: Sent) -> Response:
    """Remove the plan of a facility."""
    user = acting(request, form)
    with _explained(), accounts_of(request) as connection:
        plans.remove_plan(connection, user, *_named(form))
    return see(_BOARD)


def report(request: Request, form: Sent) -> Response:
    """Report a spectrum that was taken."""
    user = acting(request, form)
    with _explained(), accounts_of(request) as connection:
        number, facility = _named(form)
        mjd = form.number("mjd", least=0, most=200_000, what="MJD")
        z = form.number("z", least=-1, most=20, what="Redshift") if form.text("z") else None
        classid = (
            form.whole("classid", least=0, most=2**31 - 1, what="Number of the class") if form.text("classid") else None
        )
        reports.report_spectrum(connection, user, number, facility, mjd, z, classid)
    return see(_BOARD)

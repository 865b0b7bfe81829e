"""Trials of filters on past nights: requested, watched, found again, cancelled; and activation after a trial."""

from __future__ import annotations

from typing import Any

import psycopg
from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import Response

from broker_assets.api.authentication import accounts_of
from broker_assets.api.site import owned
from broker_assets.api.site.filter_editing import judged
from broker_assets.api.site.filters import TROUBLE, found, own
from broker_assets.api.site.forms import BadField, Number, Sent, SentForm, acting, logged_in, missing, see, wants_part
from broker_assets.api.site.frame import page
from broker_assets.api.site.night_bars import night_chart
from broker_assets.api.site.trial_process import TrialProcess
from broker_assets.filters import trials
from broker_assets.filters.files import read_definition, write_definition
from broker_assets.filters.registry import get_filter, version_of
from broker_assets.filters.trials import MOST_NIGHTS, TooManyTrials, Trial, UnknownTrial
from broker_assets.sentences import sentence

router = APIRouter(prefix="/filters", include_in_schema=False)


@router.post("/try/")
def try_text(request: Request, form: Sent) -> Response:
    """Try a filter that is not saved."""
    user = acting(request, form)
    text = form.text("text")
    verdict = judged(request, user.username, text)
    if verdict.problems or verdict.hidden:
        raise HTTPException(422, "The text is not accepted: check it in the editor first.")
    return _ask(request, user, form, form_of_filter=read_definition(text).form)


@router.post("/{number}/try/")
def try_filter(request: Request, number: Number, form: Sent) -> Response:
    """Try the newest version of a filter that the user may see."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        found(connection, user, number)
        version = version_of(connection, number)
    return _ask(request, user, form, form_of_filter=version.form, filterid=number, version=version.version)


@router.post("/{number}/activate/")
def activate(request: Request, number: Number, form: Sent) -> Response:
    """Try a filter on the newest nights, and activate it if it stays within its quota."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        own(connection, user, number)
        version = version_of(connection, number)
    nights = request.app.state.filters.reference_nights
    return _ask(
        request, user, SentForm({"nights": str(nights)}), form_of_filter=version.form, filterid=number,
        version=version.version, activates=True,
    )  # fmt: skip


@router.get("/trials/")
def every(request: Request) -> Response:
    """The trials of the account."""
    user = logged_in(request)
    if isinstance(user, Response):
        return user
    with accounts_of(request) as connection:
        tried = trials.of_account(connection, user, limit=trials.KEPT)
    return page(request, "trials.html", trials=tried)


@router.get("/trials/{number}/")
def one(request: Request, number: Number, said: str | None = None) -> Response:
    """A trial: its progress, or its result."""
    user = logged_in(request)
    if isinstance(user, Response):
        return user
    with accounts_of(request) as connection:
        try:
            trial = trials.get(connection, user, number)
        except UnknownTrial:
            missing("trial", number)
        name = _name(connection, trial)
    if trial.state == "waiting":
        _process(request).wake()
    nights: list[dict[str, Any]] = (trial.result or {}).get("nights", [])
    quota = (trial.result or {}).get("quota")
    values: dict[str, Any] = {
        "trial": trial, "name": name, "nights": nights, "quota": quota, "path": f"/filters/trials/{number}/",
        "chart": night_chart([(night["night"], night["matches"], night["complete"]) for night in nights], quota),
        "text": write_definition(_form(trial)), "later": (trial.result or {}).get("later lists", []),
    }  # fmt: skip
    if wants_part(request):
        return page(request, "trial_state.html", **values)
    return page(request, "trial.html", said=owned.said(said), **values)


@router.post("/trials/{number}/cancel/")
def cancel(request: Request, number: Number, form: Sent) -> Response:
    """Cancel a trial."""
    user = acting(request, form)
    with accounts_of(request) as connection:
        try:
            trials.get(connection, user, number)
        except UnknownTrial:
            missing("trial", number)
        trials.cancel(connection, user, number)
    return see(f"/filters/trials/{number}/", said="cancelled")


def _ask(request: Request, user: Any, form: SentForm, *, form_of_filter: Any, **options: Any) -> Response:
    try:
        nights = form.whole("nights", least=1, most=MOST_NIGHTS, what="Nights") if form.text("nights") else 1
        most = form.whole("alerts", least=100, most=10**8, what="Alerts of a night") if form.text("alerts") else None
        with accounts_of(request) as connection:
            number = trials.ask(
                connection, user, form_of_filter, nights=nights, most_alerts=most,
                lists_now=form.ticked("lists_now"), **options,
            )  # fmt: skip
    except (BadField, TooManyTrials, *TROUBLE) as error:
        raise HTTPException(422, sentence(error)) from None
    _process(request).wake()
    return see(f"/filters/trials/{number}/")


def _process(request: Request) -> TrialProcess:
    process: TrialProcess = request.app.state.trial_process
    return process


def _form(trial: Trial) -> Any:
    from broker_assets.filters.registry import read_definition as stored

    return stored(trial.definition)


def _name(connection: psycopg.Connection[Any], trial: Trial) -> str:
    """Name of the filter that is tried; empty if it was never saved, or has been removed."""
    if trial.filterid is None:
        return ""
    try:
        return get_filter(connection, trial.filterid).name
    except LookupError:
        return ""

"""Adds the interface to the application.

Every address works with and without the slash at its end, for every method: a redirect would lose the body of a POST.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, Response

from broker_assets.api.tom import (
    alerts,
    class_tables,
    classifications,
    comparison,
    first_campaign,
    light_curves,
    pages,
    spectra,
    spectrum_board,
    spectrum_forms,
    sql,
    tables,
)
from broker_assets.api.tom.answers import RefusedError, TomError, failed, refused
from broker_assets.settings import Settings
from broker_assets.tom.first_campaign import summaries

_BOTH: Final = ("GET", "POST")
_UNSAFE: Final = ("POST", "PUT", "PATCH", "DELETE")


def add_to(app: FastAPI, settings: Settings) -> None:
    """Add the endpoints."""
    app.state.tom = settings.tom
    for path, endpoint in (
        ("classids", classifications.classes),
        ("classifiers_json", classifications.classifiers),
        ("classifiers", classifications.classifiers_page),
        ("getalert", alerts.get_alert),
        ("ltcv", light_curves.light_curves),
        ("ltcvs", light_curves.documented_light_curves),
        ("ltcvfeatures", light_curves.light_curve_features),
        ("gethottransients", light_curves.hot_transients),
        ("gethotsne", light_curves.hot_transients),
        ("adminsummary", pages.administration),
        ("scorecards", comparison.cards),
        # Names in the original of parts of the scorecards.
        ("confmatrixlatest", comparison.cards),
        ("brokercompleteness", comparison.cards),
        ("brokertimedelays", comparison.cards),
        ("scorecards/{number:int}", comparison.card),
        ("contradictions", comparison.contradictions),
        ("contradictions/only", comparison.only_by),
        ("", pages.front),
    ):
        _add(app, path, endpoint, _BOTH)
    for path, endpoint in (
        ("askforspectrum", spectra.ask),
        ("spectrawanted", spectra.wanted),
        ("getwantedspec", spectra.wanted),
        ("planspectrum", spectra.plan),
        ("removespectrumplan", spectra.remove),
        ("reportspectruminfo", spectra.report),
        ("getknownspectruminfo", spectra.known),
    ):
        _add_post(app, f"/elasticc2/{path}", endpoint)
    app.add_api_route("/spectra/", spectrum_board.board, methods=["GET"], include_in_schema=False, response_model=None)
    app.add_api_route(
        "/spectra/chart/{number:int}/", spectrum_board.chart, methods=["GET"], include_in_schema=False,
        response_model=None,
    )  # fmt: skip
    for name, form in (
        ("plan", spectrum_forms.plan),
        ("remove", spectrum_forms.remove),
        ("report", spectrum_forms.report),
    ):
        app.add_api_route(f"/spectra/{name}", form, methods=["POST"], include_in_schema=False, response_model=None)
    sql.prepare(app, settings)
    for path, question in (
        ("runsqlquery", sql.run),
        ("submitsqlquery", sql.submit),
        ("listsqlqueries", sql.listed),
        ("checksqlquery/{identifier}", sql.check),
        ("cancelsqlquery/{identifier}", sql.cancel),
        ("getsqlqueryresults/{identifier}", sql.results),
    ):
        _add_post(app, f"/db/{path}", question)
    for path, listed in tables.TABLES.items():
        _add(app, path, tables.list_of(listed), ("GET",))
        _add(app, f"{path}/{{number}}", tables.row_of(listed), ("GET",))
    for path, endpoint in (
        ("ppdbdiaobjectwithsources", tables.object_with_sources),
        ("ppdbdiaobjectofsource", tables.object_of_source),
    ):
        _add(app, path, endpoint, ("GET",))
        _add(app, f"{path}/{{number}}", endpoint, ("GET",))
    for path in (*tables.TABLES, "ppdbdiaobjectwithsources", "ppdbdiaobjectofsource"):
        _add(app, path, tables.not_allowed, _UNSAFE)
        _add(app, f"{path}/{{number}}", tables.not_allowed, _UNSAFE)
    true_class = "brokerclassfortruetype/{form}/{what}/{classifier:int}/{classid:int}"
    _add(app, true_class, class_tables.of_true_class, _BOTH)
    _add(app, "brokermessage", classifications.upload, ("PUT",))
    _add(app, "brokermessage/{what:path}", classifications.upload, ("PUT",))
    _add(app, "brokermessage", classifications.stored_messages, _BOTH)
    _add(app, "brokermessage/{what:path}", classifications.stored_messages, _BOTH)
    _add(app, "alertstreamhists", first_campaign.summary_of("elasticc2", "alertstreamhists"), _BOTH)
    _add_first_campaign(app)
    app.add_exception_handler(RefusedError, refused)
    app.add_exception_handler(TomError, failed)


def _add_first_campaign(app: FastAPI) -> None:
    first = "elasticc"
    for path, listed in first_campaign.TABLES.items():
        _add(app, path, tables.list_of(listed), ("GET",), campaign=first)
        _add(app, f"{path}/{{number}}", tables.row_of(listed), ("GET",), campaign=first)
    _add(app, "diaalert", first_campaign.alerts, ("GET",), campaign=first)
    _add(app, "diaalert/{number}", first_campaign.alert, ("GET",), campaign=first)
    for path in (*first_campaign.TABLES, "diaalert"):
        _add(app, path, tables.not_allowed, _UNSAFE, campaign=first)
        _add(app, f"{path}/{{number}}", tables.not_allowed, _UNSAFE, campaign=first)
    for path, written in (
        ("adddiaobject", first_campaign.add_object),
        ("addelasticcalert", first_campaign.add_alerts),
        ("addtruth", first_campaign.add_truth),
        ("addobjecttruth", first_campaign.add_object_truth),
        ("markalertsent", first_campaign.mark_sent),
    ):
        _add_post(app, f"/{first}/{path}", written)
    _add(app, "getalerts", first_campaign.get_alerts, _BOTH, campaign=first)
    _add(app, "getalertsandtruth", first_campaign.get_alerts_and_truth, _BOTH, campaign=first)
    over = classifications.upload_of_first_campaign
    for path in ("brokermessage", "brokermessage/{what:path}"):
        _add(app, path, over, ("PUT",), campaign=first)
        _add(app, path, first_campaign.stored_messages, _BOTH, campaign=first)
    for name in summaries.FIRST:
        _add(app, name, first_campaign.summary_of(first, name), _BOTH, campaign=first)
    _add(app, "", pages.first_front, _BOTH, campaign=first)


def _add_post(app: FastAPI, address: str, endpoint: Callable[..., Any]) -> None:
    for form in (address, f"{address}/"):
        app.add_api_route(form, endpoint, methods=["POST"], include_in_schema=False, response_model=None)
        app.add_api_route(form, _only_post, methods=["GET", "PUT", "PATCH", "DELETE"], include_in_schema=False)


def _only_post() -> Response:
    return HTMLResponse("", 405, {"Allow": "POST"})


def _add(
    app: FastAPI, path: str, endpoint: Callable[..., Any], methods: tuple[str, ...], *, campaign: str = "elasticc2"
) -> None:
    address = f"/{campaign}/{path}".rstrip("/")
    for form in (address, f"{address}/"):
        # The original documents them; our OpenAPI document describes our own interface only.
        app.add_api_route(form, endpoint, methods=list(methods), include_in_schema=False, response_model=None)

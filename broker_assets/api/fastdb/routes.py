"""Adds the interface to the application.

Every address works with and without the slash at its end: clients write either.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any, Final

import psycopg
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from broker_assets.api.connections import QuestionTooLongError
from broker_assets.api.fastdb import curves, login, spectra, sql, versions
from broker_assets.api.fastdb.answers import FastdbError, failed, misfit, refused, too_long
from broker_assets.api.site.frame import database_unavailable
from broker_assets.database.engine import DatabaseUnavailableError

BASE: Final = "/fastdb"
"""Where the interface is; clients are given the address of the server with this at its end."""
_POST: Final = ("POST",)
_BOTH: Final = ("GET", "POST")

FUNCTIONS: Final[tuple[tuple[str, Callable[..., Any], tuple[str, ...]], ...]] = (
    ("auth/getchallenge", login.get_challenge, _POST),
    ("auth/respondchallenge", login.respond, _POST),
    ("auth/isauth", login.is_logged_in, _POST),
    ("auth/logout", login.log_out, _POST),
    ("getprocvers", versions.names, _BOTH),
    ("procver/{procver}", versions.one, _BOTH),
    ("baseprocver/{procver}", versions.base, _BOTH),
    ("baseprocver/{procver}/{table}", versions.base, _BOTH),
    ("count/{which}", versions.count, _BOTH),
    ("count/{which}/{procver}", versions.count, _BOTH),
    ("getdiaobjectinfo", versions.object_info, _BOTH),
    ("getdiaobjectinfo/{procver}", versions.object_info, _BOTH),
    ("getdiaobjectinfo/{procver}/{objid}", versions.object_info, _BOTH),
    ("objectsearch", versions.search, _BOTH),
    ("objectsearch/{procver}", versions.search, _BOTH),
    ("ltcv/getmanyltcvs", curves.many, _POST),
    ("ltcv/getmanyltcvs/{procver}", curves.many, _POST),
    ("ltcv/getltcv/{procver}", curves.single, _POST),
    ("ltcv/getltcv/{procver}/{objid}", curves.single, _POST),
    ("ltcv/getrandomltcv", curves.random, _POST),
    ("ltcv/getrandomltcv/{procver}", curves.random, _POST),
    ("ltcv/gethottransients", curves.hot, _POST),
    ("ltcv/gethottransients/{procver}", curves.hot, _POST),
    ("ltcv/getbrokerinfo", curves.broker_info, _POST),
    ("ltcv/getbrokerinfo/{procver}", curves.broker_info, _POST),
    ("spectrum/askforspectrum", spectra.ask, _POST),
    ("spectrum/spectrawanted", spectra.wanted, _POST),
    ("spectrum/planspectrum", spectra.plan, _POST),
    ("spectrum/removespectrumplan", spectra.remove, _POST),
    ("spectrum/reportspectruminfo", spectra.report, _POST),
    ("spectrum/getknownspectruminfo", spectra.known, _POST),
    ("db/runsqlquery", sql.run, _POST),
    ("db/submitsqlquery", sql.submit, _POST),
    ("db/checksqlquery/{queryid}", sql.check, _POST),
    ("db/getsqlqueryresults/{queryid}", sql.results, _POST),
)
"""Path, function and methods."""


def application() -> FastAPI:
    """The application of these paths."""
    found = FastAPI(title="FASTDB", docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    for path, function, methods in FUNCTIONS:
        for form, method in product((f"/{path}", f"/{path}/"), methods):
            # A route for each method: an operation of the document has one identifier.
            found.add_api_route(form, function, methods=[method], response_model=None)
    found.add_exception_handler(FastdbError, failed)
    found.add_exception_handler(HTTPException, refused)
    found.add_exception_handler(RequestValidationError, refused)
    found.add_exception_handler(QuestionTooLongError, too_long)
    found.add_exception_handler(psycopg.DataError, misfit)
    found.add_exception_handler(UnicodeEncodeError, misfit)  # half of a surrogate pair, which JSON can express
    found.add_exception_handler(DatabaseUnavailableError, database_unavailable)
    return found


def add_to(app: FastAPI) -> None:
    """Mount it; it uses what the application has: connections, accounts, settings."""
    own = application()
    own.state = app.state
    app.mount(BASE, own)

"""Assembles the interfaces of the Virtual Observatory: an application below `/api/vo`, whose errors are VOTables."""

from __future__ import annotations

import threading

from fastapi import FastAPI, Request
from fastapi.responses import Response

from broker_assets.api.compression import Compression
from broker_assets.api.http_methods import name_every_method, take_either_slash
from broker_assets.api.v1.problems import HANDLED, KINDS, translated
from broker_assets.api.vo import datalink, scs, tap, tap_jobs
from broker_assets.api.vo.parameters import PATH, VoError, answer
from broker_assets.api.vo.tap_worker import TapWorker
from broker_assets.settings import Settings


def add_to(app: FastAPI, settings: Settings) -> None:
    """Mount the interfaces in the application, whose state they share."""
    found = FastAPI(title="Broker, Virtual Observatory", docs_url=None, redoc_url=None)
    found.state = app.state
    app.state.tap_slots = threading.BoundedSemaphore(tap.AT_ONCE)
    app.state.tap_worker = TapWorker(app.state.connections, app.state.accounts)
    found.add_middleware(Compression)
    take_either_slash(found)
    name_every_method(found)
    for router in (scs.router, tap.router, tap_jobs.router, datalink.router):
        found.include_router(router)
    kinds: tuple[type[Exception], ...] = (VoError, *HANDLED)
    for kind in kinds:
        found.add_exception_handler(kind, _answered)
    app.mount(PATH, found)


def _answered(request: Request, error: Exception) -> Response:
    if isinstance(error, VoError):
        return answer(error)
    problem = translated(error)
    found = answer(VoError(problem.detail, KINDS[problem.kind][0]))
    for name, value in problem.headers.items():
        found.headers[name] = value
    return found

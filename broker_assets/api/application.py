"""Assembles the web application: pages, REST, metrics."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import metadata

from fastapi import Depends, FastAPI

from broker_assets.api import (
    account,
    fastdb,
    lasair,
    links,
    log_lines,
    login,
    metrics,
    objects,
    pages,
    solar_system,
    sources,
    tom,
    v1,
    vo,
)
from broker_assets.api.compression import PAGES, Compression
from broker_assets.api.conflicts import AnswerAgain
from broker_assets.api.connections import Connections
from broker_assets.api.disclosure import Disclosure
from broker_assets.api.documents import Document
from broker_assets.api.http_methods import HeadAsGet, name_every_method, take_either_slash
from broker_assets.api.observer import Observer
from broker_assets.api.parameters import refuse_misread
from broker_assets.api.site import (
    almanac,
    desk,
    files,
    frame,
    front,
    object_page,
    operating,
    search,
    telemetry_shared,
    warming,
)
from broker_assets.settings import Settings, load_settings
from broker_assets.web_guard import WebGuard

log = logging.getLogger(__name__)

DESCRIPTION = """\
Sources, objects and packets of the alert stream.

Names are those of Rubin's data products (camelCase). Times are MJD TAI, fluxes nJy, angles degrees ICRS. Unknown values
are `null`. **Identifiers above 2^53 are strings**, because many JSON readers, including JavaScript, round numbers of
that size; smaller ones are numbers.
"""


def create_app(settings: Settings | None = None) -> FastAPI:
    """Create the application.

    Parameters
    ----------
    settings : Settings, optional
        Default: those of the process, whose environment names the servers.
    """
    settings = settings if settings is not None else load_settings()
    url = settings.database.reader_url or settings.database.url
    settings = settings.model_copy(update={"database": settings.database.model_copy(update={"url": url})})
    if url is None:
        # The pages then say so; a server that does not start can say nothing.
        log.warning("no database is configured: set BROKER_DATABASE__URL")
    connections = Connections(
        url.get_secret_value() if url is not None else None, most=settings.server.database_connections
    )

    own = settings.database.access_url or (None if settings.database.reader_url is not None else url)
    accounts = Connections(
        own.get_secret_value() if own is not None else None, most=settings.server.database_connections, writes=True
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        connections.open()
        accounts.open()
        log_lines.add_times()
        warming.PROCESS.start()
        app.state.tap_worker.begin()
        yield
        app.state.listeners.closing = True
        app.state.tap_worker.stop()
        app.state.trial_process.stop()
        connections.close()
        accounts.close()

    app = FastAPI(
        title="Broker",
        version=metadata.version("broker_assets"),
        description=DESCRIPTION,
        default_response_class=Document,
        lifespan=lifespan,
        docs_url=None,  # their pages load scripts from other hosts
        redoc_url=None,
        dependencies=[Depends(refuse_misread)],
    )
    # Interfaces of other systems answer in their own form; /api/v1 and the VO compress more kinds themselves.
    app.add_middleware(Compression, only=PAGES)
    app.add_middleware(AnswerAgain)
    app.add_middleware(WebGuard, hosts=settings.server.names, open_reading=True)
    app.add_middleware(HeadAsGet)
    take_either_slash(app)
    name_every_method(app)
    app.state.connections = connections
    app.state.accounts = accounts
    app.state.access = settings.access
    app.state.features = settings.features
    lasair.add_to(app, settings)
    account.add_to(app, settings)
    app.state.disclosure = Disclosure(settings)
    app.state.observer = Observer(settings)
    frame.add_to(app)
    app.include_router(files.router)
    app.include_router(front.router)
    app.include_router(object_page.router)
    app.include_router(search.router)
    app.include_router(pages.router)
    app.include_router(login.router)
    app.include_router(metrics.router)
    app.include_router(sources.router)
    app.include_router(objects.router)
    app.include_router(links.router)
    app.include_router(solar_system.router)
    v1.add_to(app, settings)
    vo.add_to(app, settings)
    tom.add_to(app, settings)
    fastdb.add_to(app)
    desk.add_to(app, settings)
    operating.add_to(app, settings)
    almanac.add_to(app, settings)
    telemetry_shared.add_to(app, settings)
    return app

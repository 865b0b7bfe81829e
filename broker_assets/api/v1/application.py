"""Assembles the interface: an application of its own below `/api/v1`, with its own errors and OpenAPI document.

It shares the state of the application in which it is mounted: connections, settings, sessions.
"""

from __future__ import annotations

import threading
from importlib import metadata
from typing import Any, Final

from fastapi import Depends, FastAPI

from broker_assets.api.compression import Compression
from broker_assets.api.documents import Document
from broker_assets.api.http_methods import name_every_method, take_either_slash
from broker_assets.api.v1 import (
    alerts,
    calendar,
    coverage,
    details,
    events,
    filters,
    lightcurves,
    lists,
    objects,
    observations,
    origins,
    problems,
    products,
    skymaps,
    snapshots,
    spectra,
    targets,
    trials,
)
from broker_assets.api.v1.coverage import Coverages
from broker_assets.api.v1.events import Listeners
from broker_assets.api.v1.known_parameters import refuse_unknown
from broker_assets.filters.events import Tide
from broker_assets.settings import Settings

PATH: Final = "/api/v1"
VERSION: Final = "1.0"
"""Version of the interface: additions raise the second number, incompatible changes the first."""
ROUTERS: Final = (
    objects.router,
    details.router,
    coverage.router,
    lightcurves.router,
    alerts.router,
    lists.router,
    skymaps.router,
    filters.router,
    trials.router,
    events.router,
    products.router,
    origins.router,
    snapshots.router,
    targets.router,
    observations.router,
    calendar.router,
    spectra.router,
)
TAGS: Final = [
    {"name": "objects", "description": "Objects by identifier, name and position"},
    {"name": "light curves", "description": "Points of light curves"},
    {"name": "alerts", "description": "Sources, their packets and cutouts"},
    {"name": "lists", "description": "Watchlists, areas and sky maps, and what they hit"},
    {"name": "filters", "description": "Filters, what they pass, and where it is sent"},
    {"name": "targets", "description": "Targets of accounts, lists of them, observations and spectra"},
    {"name": "telemetry", "description": "Products of telemetry and their publication"},
    {"name": "snapshots", "description": "Frozen answers that can be cited"},
    {"name": "provenance", "description": "Where anything comes from"},
    {"name": "platform", "description": "The state of the platform"},
]
DESCRIPTION: Final = """\
The broker's own interface.

Names are those of Rubin's data products (camelCase). Times are MJD TAI, fluxes nJy, angles degrees ICRS, separations
arcsec. Unknown values are `null`. **Identifiers above 2^53 are strings in JSON**, because many readers round them.

Tables come as JSON, CSV, Arrow, Parquet or VOTable: by `format=` or the header `Accept`. Long lists come in pages:
`next` of a page is the `cursor` of the next. Every error is a problem document (RFC 9457) that says what to do. Public
data need no account; your own data need the header `Authorization: Token …`.
"""


def create_v1(app: FastAPI, settings: Settings) -> FastAPI:
    """Create the application.

    Parameters
    ----------
    app : FastAPI
        The application in which it is mounted.
    settings : Settings
        Those of the process.
    """
    found = FastAPI(
        title="Broker",
        version=f"{VERSION}+{metadata.version('broker_assets')}",
        description=DESCRIPTION,
        default_response_class=Document,
        docs_url=None,  # their pages load scripts from other hosts
        redoc_url=None,
        openapi_tags=list(TAGS),
        dependencies=[Depends(refuse_unknown)],
        responses=problems.RESPONSES,
        # The path alone, without a host, so that the document does not depend on the address from which it is read.
        servers=[{"url": PATH}],
        root_path_in_servers=False,
    )
    found.state = app.state
    found.state.settings = settings
    found.state.coverages = Coverages()
    found.state.listeners = Listeners()
    found.state.tide = Tide()
    found.state.tide_lock = threading.Lock()
    found.add_middleware(Compression)
    take_either_slash(found)
    name_every_method(found)
    for router in ROUTERS:
        found.include_router(router)
    problems.add_to(found)
    _complete(found)
    return found


def add_to(app: FastAPI, settings: Settings) -> None:
    """Mount the interface in the application."""
    app.mount(PATH, create_v1(app, settings))


def _complete(app: FastAPI) -> None:
    """Add the schema of problems and the authentication scheme to the OpenAPI document."""
    generated = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            found = generated()
            components = found.setdefault("components", {})
            schemas = components.setdefault("schemas", {})
            schemas["Problem"] = problems.SCHEMA
            schemas.pop("HTTPValidationError", None)
            schemas.pop("ValidationError", None)
            components["securitySchemes"] = {
                "token": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "`Token …`: a token of an account",
                }
            }
            found["security"] = [{}, {"token": []}]
            for path in found["paths"].values():
                for operation in path.values():
                    operation.get("responses", {}).pop("422", None)
            app.openapi_schema = found
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]

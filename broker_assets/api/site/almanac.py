"""Adds the reference pages to the application: nights, tables, documentation, solar-system objects."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from broker_assets.api.site import help_pages, nights, schema, solar_system
from broker_assets.settings import Settings

ROUTERS: Final = (nights.router, schema.router, help_pages.router, solar_system.router)
"""The pages."""


def add_to(app: FastAPI, settings: Settings) -> None:
    """Add the pages.

    Parameters
    ----------
    app : FastAPI
        The application; its state gets the address of Dagster's pages.
    settings : Settings
        Those of the platform.
    """
    app.state.dagster_pages = settings.server.pages
    for router in ROUTERS:
        app.include_router(router)

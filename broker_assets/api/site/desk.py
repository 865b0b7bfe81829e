"""Adds the pages of filters, lists, sky maps, annotators and public resources to the application."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI

from broker_assets.api.site import (
    annotators,
    areas,
    calendar,
    filter_editing,
    filter_results,
    filter_sinks,
    filter_trials,
    filters,
    observations,
    resources,
    root_page,
    sky_maps,
    sky_view,
    spectra,
    sql,
    target_page,
    targets,
    watchlists,
)
from broker_assets.api.site.trial_process import TrialProcess
from broker_assets.settings import Settings
from broker_assets.tom.observations.facility import made

ROUTERS: Final = (
    # Addresses with a word come before those with a number in the same place.
    filter_editing.router, filter_trials.router, filter_sinks.router, filter_results.router, filters.router,
    watchlists.router, areas.router, sky_maps.router, sky_view.router, annotators.router, resources.router,
    targets.router, observations.router, target_page.router, calendar.router, spectra.router, sql.router,
    root_page.router,
)  # fmt: skip
"""The pages."""


def add_to(app: FastAPI, settings: Settings) -> None:
    """Add the pages.

    Parameters
    ----------
    app : FastAPI
        The application; its state gets the settings that pages need, and the process of trials.
    settings : Settings
        Those of the platform, with the database that the application uses.
    """
    app.state.limits = settings.limits
    app.state.mocs = settings.mocs
    app.state.sky_images = settings.server.sky_images
    app.state.filters = settings.filters
    app.state.delivery = settings.delivery
    app.state.facilities = {one.name: made(one) for one in settings.tom.facilities}
    app.state.archive = settings.archive
    app.state.pages = settings.pages
    app.state.local_kafka = local_kafka(settings.kafka.bootstrap_servers or "")
    app.state.trial_process = TrialProcess(settings)
    for router in ROUTERS:
        app.include_router(router)


def local_kafka(servers: str) -> str:
    """The first of some Kafka servers if it is on loopback, where everybody who reaches it may read; else empty.

    Examples
    --------
    >>> local_kafka("127.0.0.1:9092"), local_kafka("kafka.example.org:9093"), local_kafka("")
    ('127.0.0.1:9092', '', '')
    """
    first = servers.split(",")[0].strip()
    return first if first.rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]") else ""

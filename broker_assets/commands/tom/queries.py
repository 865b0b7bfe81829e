"""Runs queued SQL from the command line, without Dagster."""

from __future__ import annotations

import time
from typing import Annotated

import typer
from rich.markup import escape

from broker_assets.commands.terminal import terminal
from broker_assets.commands.tom.simulation import database_url
from broker_assets.settings import load_settings

IDLE_SECONDS = 5.0
"""Seconds between two checks of an empty queue."""


def long_query_runner(
    once: Annotated[bool, typer.Option("-o", "--once", help="Run at most one query.")] = False,
    loop: Annotated[bool, typer.Option("-l", "--loop", help="Run queries until stopped by a signal.")] = False,
    prune: Annotated[
        float | None,
        typer.Option("-p", "--prune", help="First remove queries that ended more than this many days ago."),
    ] = None,
) -> None:
    """Run queued SQL queries; without options, until the queue is empty.

    Example: `broker-assets tom long-query-runner --once`
    """
    from broker_assets.tom.queries.worker import QueryWorker, expire

    url, settings = database_url(), load_settings()
    if prune is not None:
        terminal().print(f"{expire(url, settings, prune)} queries removed", highlight=False)
        if not once and not loop:
            return
    worker = QueryWorker(url, settings)
    while True:
        done = worker.run_next()
        if done is not None:
            said = escape(done.failure) if done.failure else f"{done.rows:,} rows"
            terminal().print(f"{done.query.queryid}: {said}", highlight=False)
        if once or (done is None and not loop):
            return
        if done is None:
            time.sleep(IDLE_SECONDS)

"""A site whose telemetry files are received, and their entries in the register."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from telemetry_arrivals import Site, make_site

from broker_assets.database import engine
from broker_assets.telemetry.reception.folders import folders
from broker_assets.telemetry.reception.receiver import (
    Ingested,
    Receiver,
    ingest_session,
)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url, autocommit=True) as opened:
        yield opened


@pytest.fixture
def ingest(site: Site, database_url: str) -> Callable[..., Ingested]:
    """A run over the folders of the site."""
    return lambda **options: run(site, database_url, **options)


def run(site: Site, database_url: str, **options: Any) -> Ingested:
    telemetry = site.telemetry
    arguments = {
        "databases": telemetry.inputs().databases,
        "stable_seconds": site.settings.telemetry.stable_seconds,
        "run_id": "run",
    } | options
    call = {name: arguments.pop(name) for name in ("progress", "stop") if name in arguments}
    with ingest_session(database_url) as session, telemetry.store() as store:
        incoming = folders(site.settings.telemetry)
        return Receiver(session, incoming, telemetry.folders.incoming, store, **arguments).run(**call)


def rows(connection: psycopg.Connection[Any], columns: str = "name, version, state") -> list[tuple[Any, ...]]:
    return connection.execute(f"SELECT {columns} FROM telemetry_file ORDER BY url, version").fetchall()

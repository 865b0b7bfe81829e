"""A server with a database of a few objects, light curves, and an account with a token; it starts quickly."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import uvicorn

from broker_assets.access import accounts, tokens
from broker_assets.api import create_app
from broker_assets.database.engine import connect
from broker_assets.database.partitions import ensure
from broker_assets.settings import DatabaseSettings, Settings
from broker_assets.sky.cells import DEEPEST, cells_at

OBJECTS = 12
POINTS = 5
RA, DEC = 150.1, 2.2
"""Position of the first object (ICRS, degrees); the others follow to the north, 10 arcsec apart."""


@dataclass(frozen=True)
class InterfaceServer:
    """Where it is, and a token that may write."""

    url: str
    token: str
    settings: Settings


@contextmanager
def small_server(database_url: str, home: Path) -> Iterator[InterfaceServer]:
    """Fill the database and serve it."""
    token = fill(database_url)
    settings = Settings(home=home, database=DatabaseSettings(url=database_url), streams=[])  # type: ignore[arg-type]
    with serving(settings) as url:
        yield InterfaceServer(url, token, settings)


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """Run the application on a free port of loopback; gives its address."""
    configuration = uvicorn.Config(create_app(settings), host="127.0.0.1", port=0, log_level="warning", ws="none")
    server = uvicorn.Server(configuration)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started and time.monotonic() < deadline:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def fill(database_url: str) -> str:
    """Objects 1 to 12 with five detections each, and the account ann; its token."""
    dec = DEC + np.arange(OBJECTS) * 10 / 3600
    cells = cells_at(np.full(OBJECTS, RA), dec, DEEPEST)
    with connect(database_url, autocommit=True) as connection:
        ensure(connection, [60000.0, 60000.0 + POINTS])
        for number in range(OBJECTS):
            connection.execute(
                "INSERT INTO objects (diaobjectid, ra, decl, healpix, survey, ndiasources, lastdiasourcemjdtai)"
                " VALUES (%s, %s, %s, %s, 1, %s, %s)",
                (number + 1, RA, float(dec[number]), int(cells[number]), POINTS, 60000.0 + POINTS),
            )
            for point in range(POINTS):
                connection.execute(
                    "INSERT INTO diasources (diasourceid, diaobjectid, midpointmjdtai, band, psfflux, psffluxerr,"
                    " survey, broughtby, broughtbymjdtai, ra, decl, reliability)"
                    " VALUES (%s, %s, %s, 'r', %s, 1, 1, 1, %s, %s, %s, 0.9)",
                    (number * 100 + point + 1, number + 1, 60000.5 + point, 100.25 + point, 60000.5 + point, RA, DEC),
                )
        user = accounts.add(connection, "ann", None, roles=["power_user"])
        return tokens.create(connection, user, "test", "write")

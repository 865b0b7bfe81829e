"""A real server over a real database that a few packets have come into."""

from __future__ import annotations

import fcntl
import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fastavro
import httpx
import pytest
import uvicorn
from longest_history import longest
from page_browser import one_browser as one_browser
from page_browser import page_browser as page_browser

from broker_assets.api import create_app
from broker_assets.context.store import CatalogueStore
from broker_assets.enrichment_plan import enrichment_plan
from broker_assets.monitoring.alerts import WATCHER, Alert, Cause
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import schema_source
from broker_assets.resources.database import Database
from broker_assets.resources.notifier import Notifier
from broker_assets.settings import DatabaseSettings, DrainSettings, KafkaSettings, Settings, StreamSettings
from broker_assets.simulation import SimulatedAlert, Survey, schemas
from broker_assets.stream.drain import drain
from broker_assets.stream.messages import Message


class ListedMessages:
    """A message source over a list: one partition, read once."""

    def __init__(self, values: list[tuple[bytes | None, bytes]]) -> None:
        now = int(time.time() * 1000)
        self._messages = [Message(0, offset, now, key, value) for offset, (key, value) in enumerate(values)]
        self._next = 0

    def assign(self, positions: Any) -> None:
        """Go to a position."""
        self._next = positions.get(0, 0)

    def consume(self, max_messages: int, timeout: float) -> list[Message]:
        """The next ones."""
        found = self._messages[self._next : self._next + max_messages]
        self._next += len(found)
        return found

    def beginning_offsets(self) -> dict[int, int]:
        """Of the one partition."""
        return {0: 0}

    def end_offsets(self) -> dict[int, int]:
        """Of the one partition."""
        return {0: len(self._messages)}

    def partitions(self) -> list[int]:
        """The one."""
        return [0]

    def mirror(self, positions: Any) -> None:
        """Nobody watches."""

    def close(self) -> None:
        """Nothing to close."""


@dataclass(frozen=True)
class Site:
    """A server with what it serves."""

    url: str
    client: httpx.Client
    alerts: list[SimulatedAlert]
    settings: Settings

    def record(self, alert: SimulatedAlert) -> dict[str, Any]:
        """A packet as fastavro reads it."""
        found: Any = fastavro.schemaless_reader(io.BytesIO(alert.payload[5:]), schemas.load("11.1"), None)
        return dict(found)


@contextmanager
def compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One worker at a time: in a fresh checkout the first compiles for minutes, and the next find that on the disk."""
    with (tmp_path_factory.getbasetemp().parent / "compiled.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whichever test here needs `site` first waits for what is compiled."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and "site" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(900))


@contextmanager
def running_server(settings: Settings) -> Iterator[str]:
    """Run the application on a free port of loopback."""
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


@pytest.fixture
def serve() -> Callable[[Settings], AbstractContextManager[str]]:
    """A function that runs the application for the time of a `with`, and gives its address."""
    return running_server


@pytest.fixture(scope="session")
def server_of() -> Callable[[Settings], AbstractContextManager[str]]:
    """The same as `serve`, for fixtures that live longer than a test."""
    return running_server


@pytest.fixture(scope="session")
def filled_database_url(
    postgres: Any, new_database: Callable[..., AbstractContextManager[str]], migrated_template: str
) -> Iterator[str]:
    """The database of `site`, which its tests only read."""
    with new_database(migrated_template) as name:
        yield postgres.url(name)


@pytest.fixture(scope="session")
def site(filled_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server over a database with some simulated alerts and three messages in quarantine."""
    home = tmp_path_factory.mktemp("home")
    alerts = list(Survey(seed=3, objects=500, nights=2, history=12, cutouts="small").alerts())
    broken: list[tuple[bytes | None, bytes]] = [
        (None, b"\x00\x00\x00\x03\x84\x02<script>"),
        (None, b"no packet at all"),
        (None, b""),
    ]
    source = ListedMessages([*((alert.key, alert.payload) for alert in alerts), *broken])
    settings = Settings(
        home=home,
        database=DatabaseSettings(url=filled_database_url),  # type: ignore[arg-type]
        kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1", client={"socket.connection.setup.timeout.ms": "1000"}),
        streams=[StreamSettings(topic="rubin-alerts", survey="rubin", framing="confluent")],
    )
    schemas = schema_source()
    star = Site("", None, alerts, settings).record(longest(alerts))["diaObject"]  # type: ignore[arg-type]
    (home / "vsx.csv").write_text(f"identifier,ra,dec\nV1,{star['ra']!r},{star['dec']!r}\n")
    CatalogueStore(settings.catalogue_folder).add("vsx", home / "vsx.csv")
    with compiled_once(tmp_path_factory):
        report = drain(
            source,
            filled_database_url,
            settings.archive,
            lambda: AlertDecoder("rubin", "confluent", schemas),
            DrainSettings(idle_seconds=0.2, batch_seconds=0.2),
            topic="rubin-alerts",
            partitions=[0],
            run_id="test",
            plan=enrichment_plan(settings),
        )
    assert (report.stored, report.quarantined) == (len(alerts), 3)
    with running_server(settings) as url, httpx.Client(base_url=url, timeout=30) as client:
        yield Site(url, client, alerts, settings)


def _watched_site(database_url: str, home: Path, *alerts: Alert) -> Iterator[httpx.Client]:
    notifier = Notifier(Database(database_url))
    notifier.record(alerts)
    notifier.beat(WATCHER, "")
    database = DatabaseSettings(url=database_url)  # type: ignore[arg-type]
    with (
        running_server(Settings(home=home, database=database, streams=[])) as url,
        httpx.Client(base_url=url) as client,
    ):
        yield client


@pytest.fixture
def healthy_site(database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A server over a platform of which nothing is wrong."""
    yield from _watched_site(database_url, tmp_path)


@pytest.fixture
def site_with_alerts(database_url: str, tmp_path: Path) -> Iterator[httpx.Client]:
    """A server over a platform with a failed check and a sensor that is stopped."""
    check = Cause("check", "sources", "2024-05-01", "ledger_balances")
    link = "[the check](http://dagster.example/assets/sources)"
    yield from _watched_site(
        database_url,
        tmp_path,
        Alert(check, "ledger_balances: 2 are missing", link=link),
        Alert(Cause("sensor", "kafka_lag"), "the sensor is stopped", "warning"),
    )

"""The state file of a one-machine platform: its supervisor, its services, and where they answer.

`broker-assets up` writes it (`<home>/state.json`); everything that shows the state of the platform reads it. It is
valid only while the supervisor named in it is alive. Starting and stopping services is in `local`.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from broker_assets.database.engine import watched
from broker_assets.settings import Settings
from broker_assets.storage.atomic import replace_atomically

MARKER = "BROKER_PLATFORM"
"""Environment variable with the home folder, set in all processes of a platform, which it identifies."""


@dataclass(frozen=True)
class ProcessIdentity:
    """Identity of a process, different from a later one with the same number."""

    pid: int
    """Process id."""
    created: float
    """Start of the process, seconds since the epoch, as reported by psutil."""

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """Identity of a living process, or None."""
        try:
            return cls(pid, psutil.Process(pid).create_time())
        except psutil.NoSuchProcess:
            return None

    def process(self) -> psutil.Process | None:
        """The process if it is alive (a zombie is not), else None."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.created) < 1.0
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


@dataclass(frozen=True)
class Addresses:
    """Addresses of the parts of a platform."""

    home: str
    """Folder of the platform, absolute."""
    database_url: str
    """SQLAlchemy URL (psycopg 3) of our database."""
    dagster_url: str
    """SQLAlchemy URL (psycopg2) of Dagster's database."""
    bootstrap_servers: str
    """Kafka of the streams that name no other, `host:port,…`; empty where every stream names its own."""
    broker: str
    """Description of the Kafka in use."""
    dagster_home: str
    """Folder of `DAGSTER_HOME`."""
    webserver_url: str
    """Dagster's web pages."""
    api_url: str
    """Our web pages and REST interface."""
    code_server_host: str
    """gRPC host of the code server."""
    code_server_port: int
    """Its port."""

    def environment(self) -> dict[str, str]:
        """Environment variables that point a process (a service, a run, a shell) to this platform."""
        kafka = {"BROKER_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers} if self.bootstrap_servers else {}
        return kafka | {
            MARKER: self.home,
            "BROKER_HOME": self.home,
            "BROKER_DATABASE__URL": self.database_url,
            "BROKER_DATABASE__DAGSTER_URL": self.dagster_url,
            "BROKER_CODE_SERVER_HOST": self.code_server_host,
            "BROKER_CODE_SERVER_PORT": str(self.code_server_port),
            "DAGSTER_HOME": self.dagster_home,
            "DAGSTER_PG_URL": watched(self.dagster_url) if self.dagster_url else "",
        }


@dataclass(frozen=True)
class ServiceState:
    """A service as last observed by the supervisor."""

    name: str
    state: str
    """`running`, `starting`, `waiting` (to be restarted) or `stopped`."""
    pid: int | None
    created: float | None
    """Start of the process, seconds since the epoch."""
    restarts: int
    """Number of restarts after it ended unexpectedly."""
    log: str
    """File with its output."""


@dataclass(frozen=True)
class PlatformState:
    """Content of `state.json`."""

    supervisor: ProcessIdentity
    started: float
    """Seconds since the epoch."""
    addresses: Addresses | None = None
    """None until all of them are known."""
    services: list[ServiceState] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        """Whether the supervisor is still alive."""
        return self.supervisor.process() is not None


def state_path(settings: Settings) -> Path:
    """Path of the state file."""
    return settings.home.resolve() / "state.json"


def write_state(settings: Settings, state: PlatformState) -> None:
    """Replace the state file; readers see either the old or the new one."""
    # It contains database URLs, possibly with a password. After a power cut it is not needed.
    content = json.dumps(asdict(state), indent=1)
    replace_atomically(state_path(settings), content, mode=0o600, sync_name=False)


def read_state(settings: Settings) -> PlatformState | None:
    """Content of the state file, or None if there is no readable one."""
    try:
        values: dict[str, Any] = json.loads(state_path(settings).read_text())
        addresses = Addresses(**values["addresses"]) if values["addresses"] else None
        services = [ServiceState(**service) for service in values["services"]]
        return PlatformState(ProcessIdentity(**values["supervisor"]), values["started"], addresses, services)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def running(settings: Settings) -> PlatformState | None:
    """State of the platform that runs in the folder, or None if none does."""
    state = read_state(settings)
    return state if state is not None and state.alive else None

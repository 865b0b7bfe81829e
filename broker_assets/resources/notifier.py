"""Alerts to operators: recorded first, then sent, until every destination has them.

`Notifier.record` writes what was seen to the table `notification`, one row per cause; `Notifier.deliver` sends what is
due, grouped in one message, and marks it only after a destination has accepted it. An alert therefore survives a crash
of the sensor and an outage of the mail server, and the same cause is sent once within the repeat time.
`broker_assets.sensors.alerting` decides what deserves an alert.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Protocol

import apprise
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from broker_assets.database.tables import notification
from broker_assets.resources.database import Database
from broker_assets.settings import Settings

log = logging.getLogger(__name__)

GROUP = 20
"""Maximum number of causes in one message; the rest are counted and sent with the next."""

BODY_CHARACTERS = 1500
"""Maximum length per cause; a traceback belongs on the linked page of the run."""

_LOCK = int.from_bytes(hashlib.sha256(b"broker_assets.notifier").digest()[:7], "big")


@dataclass(frozen=True)
class Alert:
    """Something operators should know."""

    cause: str
    """What failed, in the same words each time: two alerts with the same cause are one."""
    subject: str
    """One line."""
    body: str = ""
    """Markdown: what was found, and links."""

    @property
    def fingerprint(self) -> str:
        """Hash of the cause.

        Examples
        --------
        >>> Alert("check sources/ledger", "today").fingerprint == Alert("check sources/ledger", "again").fingerprint
        True
        """
        return hashlib.sha256(self.cause.encode()).hexdigest()


class Destination(Protocol):
    """A recipient of messages."""

    name: str
    """Stable and without secrets; only its hash is stored."""

    def send(self, subject: str, body: str) -> None:
        """Send a Markdown message; raise `DeliveryError` if it was not accepted."""


class DeliveryError(Exception):
    """A destination did not accept a message."""


class AppriseDestination:
    """E-mail, Slack and the other services supported by apprise, given by one URL."""

    def __init__(self, url: str) -> None:
        self._apprise = apprise.Apprise()
        if not self._apprise.add(url):
            raise ValueError(f"not an Apprise URL: {url.partition(':')[0]}://…")
        service: Any = self._apprise[0]
        self.name = str(service.url(privacy=True))

    def send(self, subject: str, body: str) -> None:
        """Send a Markdown message."""
        if not self._apprise.notify(title=subject, body=body, body_format=apprise.NotifyFormat.MARKDOWN):
            raise DeliveryError(f"{self.name} did not accept the message")


@dataclass(frozen=True)
class Delivery:
    """Result of one call of `Notifier.deliver`."""

    sent: int = 0
    """Causes sent to every destination."""
    waiting: int = 0
    """Causes still due: a destination failed, or there were more than fit into one message."""
    failures: tuple[str, ...] = field(default=())
    """Why destinations failed."""


class Notifier:
    """Records alerts and sends them.

    Parameters
    ----------
    database : Database
        Database with the table `notification`.
    destinations : sequence of Destination
        Recipients; without any, messages are logged, which then counts as sent.
    repeat : timedelta
        The same cause is not sent again within this time, unless it ended in between.
    web_address : str
        Address of Dagster's pages, for links.
    """

    def __init__(
        self,
        database: Database,
        destinations: Sequence[Destination] = (),
        *,
        repeat: timedelta = timedelta(hours=6),
        web_address: str = "http://127.0.0.1:3000",
    ) -> None:
        self._database = database
        self._destinations = {hashlib.sha256(d.name.encode()).hexdigest()[:16]: d for d in destinations}
        self._repeat = repeat
        self._web_address = web_address.rstrip("/")

    @classmethod
    def of(cls, settings: Settings, database: Database) -> Notifier:
        """The notifier of the settings."""
        return cls(
            database,
            [AppriseDestination(url.get_secret_value()) for url in settings.notifier.urls],
            repeat=timedelta(minutes=settings.notifier.repeat_minutes),
            web_address=f"http://{settings.server.host}:{settings.server.dagster_port}",
        )

    def run_link(self, run_id: str) -> str:
        """Markdown link to the page of a run."""
        return f"[run {run_id[:8]}]({self._web_address}/runs/{run_id})"

    def asset_link(self, asset: str) -> str:
        """Markdown link to the page of an asset, whose key parts are joined by slashes."""
        return f"[{asset}]({self._web_address}/assets/{asset})"

    def record(self, alerts: Iterable[Alert]) -> None:
        """Record causes that were seen; the last of several alerts of one cause counts."""
        latest = {alert.fingerprint: alert for alert in alerts}
        if not latest:
            return
        now = sa.func.now()
        ended = notification.c.ended_at.is_not(None)
        rows = [
            {
                "fingerprint": alert.fingerprint,
                "subject": alert.subject,
                "cause": alert.cause,
                "body": alert.body[:BODY_CHARACTERS],
            }
            for _, alert in sorted(latest.items())
        ]
        statement = insert(notification).values(rows)
        statement = statement.on_conflict_do_update(
            index_elements=[notification.c.fingerprint],
            set_={
                "subject": statement.excluded.subject,
                "body": statement.excluded.body,
                "last_at": now,
                "count": sa.case((ended, 1), else_=notification.c.count + 1),
                "first_at": sa.case((ended, now), else_=notification.c.first_at),
                # A cause that had ended is new again, regardless of when it was last sent.
                "sent_at": sa.case((ended, None), else_=notification.c.sent_at),
                "delivered": sa.case((ended, None), else_=notification.c.delivered),
                "ended_at": None,
            },
        )
        with self._database.engine.begin() as connection:
            connection.execute(statement)

    def end(self, causes: Iterable[str]) -> None:
        """Record that causes have ended: the next time they are seen they are new."""
        fingerprints = sorted({Alert(cause, "").fingerprint for cause in causes})
        if not fingerprints:
            return
        statement = (
            sa.update(notification)
            .where(notification.c.fingerprint.in_(fingerprints), notification.c.ended_at.is_(None))
            .values(ended_at=sa.func.now())
        )
        with self._database.engine.begin() as connection:
            connection.execute(statement)

    def deliver(self) -> Delivery:
        """Send what is due, in one message per destination; what fails stays due.

        Returns
        -------
        Delivery
            Failures are reported here and in the table, not raised: the next call tries again.
        """
        columns = notification.c
        # Repeat only causes seen again since they were last sent.
        again = sa.and_(
            columns.ended_at.is_(None),
            columns.last_at > columns.sent_at,
            columns.sent_at < sa.func.now() - self._repeat,
        )
        due = sa.or_(columns.sent_at.is_(None), again)
        with self._database.engine.begin() as connection:
            # Two concurrent senders would send everything twice.
            if not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK))):
                return Delivery()
            rows = connection.execute(sa.select(notification).where(due).order_by(columns.first_at).limit(GROUP)).all()
            if not rows:
                return Delivery()
            left = (connection.scalar(sa.select(sa.func.count()).where(due)) or 0) - len(rows)
            failures = self._send(connection, rows, left)
        if failures:
            return Delivery(sent=0, waiting=len(rows) + left, failures=tuple(failures))
        return Delivery(sent=len(rows), waiting=left)

    def _send(self, connection: sa.Connection, rows: Sequence[sa.Row[tuple[object, ...]]], left: int) -> list[str]:
        """Send each destination the rows that it does not have; return why destinations failed."""
        delivered = {row.fingerprint: set((row.delivered or "").split()) for row in rows}
        failures = []
        if not self._destinations:
            for row in rows:
                log.warning("alert (no destination is configured): %s\n%s", row.subject, row.body)
        for name, destination in self._destinations.items():
            lacking = [row for row in rows if name not in delivered[row.fingerprint]]
            if not lacking:
                continue
            try:
                destination.send(*compose(lacking, left))
            except DeliveryError as error:
                log.warning("alerts were not delivered: %s", error)
                failures.append(str(error))
            else:
                for row in lacking:
                    delivered[row.fingerprint].add(name)
        for row in rows:
            has = delivered[row.fingerprint]
            complete = has >= self._destinations.keys()
            statement = sa.update(notification).where(notification.c.fingerprint == row.fingerprint)
            connection.execute(
                statement.values(
                    sent_at=sa.func.now() if complete else row.sent_at,
                    delivered=None if complete else " ".join(sorted(has)),
                    failure=None if complete else "; ".join(failures),
                )
            )
        return failures


def compose(rows: Sequence[sa.Row[tuple[object, ...]]], left: int) -> tuple[str, str]:
    """Subject and Markdown body of a message about several causes.

    Parameters
    ----------
    rows : sequence of rows of `notification`
        The causes to report.
    left : int
        Number of further due causes that do not fit.
    """
    first = rows[0].subject
    subject = first if len(rows) + left == 1 else f"{len(rows) + left} alerts: {first}, …"
    parts = []
    for row in rows:
        count = row._mapping["count"]
        times = f" (seen {count} times since {row.first_at:%Y-%m-%d %H:%M} UTC)" if count > 1 else ""
        parts.append(f"**{row.subject}**{times}\n\n{row.body}".rstrip())
    if left:
        parts.append(f"And {left} more, to follow.")
    return f"[broker-assets] {subject}", "\n\n---\n\n".join(parts)

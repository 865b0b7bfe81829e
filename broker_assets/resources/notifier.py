"""Alerts to operators: first recorded, then sent until every destination has received them.

`Notifier.record` writes what was seen to the table `notification`, one row per cause; `Notifier.deliver` sends what is
due, grouped in one message, and marks it only after a destination has accepted it. An alert therefore survives a crash
of the sensor and an outage of the mail server, and the same cause is sent once within the repeat time. The end of a
cause is sent in the same way. `broker_assets.sensors.alerting` decides what deserves an alert.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from broker_assets.chat import ChatFailedError, ChatService
from broker_assets.chat import Kind as ChatKind
from broker_assets.database.tables import heartbeat, notification
from broker_assets.monitoring.alerts import KINDS, Alert, Cause, Kind, OpenAlert, open_alerts
from broker_assets.resources.database import Database
from broker_assets.settings import Settings

log = logging.getLogger(__name__)

GROUP = 20
"""Maximum number of causes in one message; the rest are counted and sent with the next."""

BODY_CHARACTERS = 1500
"""Maximum length of what was found, per cause; a traceback belongs on the linked page of the run."""

_LOCK = int.from_bytes(hashlib.sha256(b"broker_assets.notifier").digest()[:7], "big")

Importance = Literal["warning", "error", "resolved"]

_TYPES: Final[dict[Importance, ChatKind]] = {"warning": "warning", "error": "failure", "resolved": "success"}
"""Kinds of messages of `chat`."""


class Destination(Protocol):
    """A recipient of messages."""

    name: str
    """A stable name without secrets; only its hash is stored."""

    def send(self, subject: str, body: str, importance: Importance) -> None:
        """Send a Markdown message; raise `DeliveryError` if it was not accepted."""


class DeliveryError(Exception):
    """A destination did not accept a message."""


class AppriseDestination:
    """E-mail, Slack and the other services supported by apprise, given by one URL."""

    def __init__(self, url: str) -> None:
        self._service = ChatService(url)
        self.name = self._service.name

    def send(self, subject: str, body: str, importance: Importance) -> None:
        """Send a Markdown message."""
        try:
            self._service.send(subject, body, _TYPES[importance])
        except ChatFailedError as error:
            raise DeliveryError(f"{self.name} did not accept the message: {error}") from None


@dataclass(frozen=True)
class Delivery:
    """Result of one call of `Notifier.deliver`."""

    sent: int = 0
    """Causes, and ends of causes, sent to every destination."""
    waiting: int = 0
    """Those still due: a destination failed, or there were more than fit into one message."""
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
        The same cause is not sent again within this time, unless it ended in between or became an error.
    """

    def __init__(
        self, database: Database, destinations: Sequence[Destination] = (), *, repeat: timedelta = timedelta(hours=6)
    ) -> None:
        self._database = database
        self._destinations = {hashlib.sha256(d.name.encode()).hexdigest()[:16]: d for d in destinations}
        self._repeat = repeat

    @classmethod
    def of(cls, settings: Settings, database: Database) -> Notifier:
        """The notifier of the settings."""
        return cls(
            database,
            [AppriseDestination(url.get_secret_value()) for url in settings.notifier.urls],
            repeat=timedelta(minutes=settings.notifier.repeat_minutes),
        )

    def record(self, alerts: Iterable[Alert]) -> None:
        """Record causes that were seen; the last of several alerts of one cause counts."""
        latest = {alert.cause.fingerprint: alert for alert in alerts}
        if not latest:
            return
        now = sa.func.now()
        statement = insert(notification).values([_row(alert) for _, alert in sorted(latest.items())])
        new = statement.excluded
        # A cause that had ended, or becomes an error, is new again, regardless of when it was last sent.
        ended = notification.c.ended_at.is_not(None)
        worse = sa.and_(notification.c.severity == "warning", new.severity == "error")
        same = ("subject", "severity", "body", "link", "event")
        statement = statement.on_conflict_do_update(
            index_elements=[notification.c.fingerprint],
            set_={
                **{name: new[name] for name in same},
                "last_at": now,
                "count": sa.case((ended, 1), else_=notification.c.count + 1),
                "first_at": sa.case((ended, now), else_=notification.c.first_at),
                "sent_at": sa.case((sa.or_(ended, worse), None), else_=notification.c.sent_at),
                "delivered": sa.case((sa.or_(ended, worse), None), else_=notification.c.delivered),
                "ended_at": None,
                "ended_by": None,
                "end_sent_at": None,
            },
        )
        with self._database.engine.begin() as connection:
            connection.execute(statement)

    def end(self, causes: Mapping[Cause, str]) -> None:
        """Record that causes have ended, and by what: the next time they are seen they are new."""
        columns = notification.c
        with self._database.engine.begin() as connection:
            for cause, by in causes.items():
                connection.execute(
                    sa.update(notification)
                    .where(columns.fingerprint == cause.fingerprint, columns.ended_at.is_(None))
                    .values(ended_at=sa.func.now(), ended_by=by)
                )

    def lasting(self, kinds: Sequence[Kind] = KINDS) -> list[OpenAlert]:
        """Alerts whose causes have not ended."""
        with self._database.transaction() as connection:
            return open_alerts(connection, kinds)

    def ended(self, causes: Iterable[Cause]) -> set[Cause]:
        """Return the causes that were recorded and have ended."""
        by_fingerprint = {cause.fingerprint: cause for cause in causes}
        columns = notification.c
        statement = sa.select(columns.fingerprint).where(
            columns.fingerprint.in_(by_fingerprint), columns.ended_at.is_not(None)
        )
        with self._database.engine.connect() as connection:
            return {by_fingerprint[found] for found in connection.scalars(statement)}

    def beat(self, name: str, said: str, at: datetime | None = None) -> None:
        """Record a heartbeat: that something that nothing else watches has worked, now unless a time is given."""
        statement = insert(heartbeat).values(name=name, at=at if at is not None else sa.func.now(), said=said)
        statement = statement.on_conflict_do_update(
            index_elements=[heartbeat.c.name], set_={"at": statement.excluded.at, "said": statement.excluded.said}
        )
        with self._database.engine.begin() as connection:
            connection.execute(statement)

    def deliver(self) -> Delivery:
        """Send what is due: causes in one message per destination, ended causes in another; what fails stays due.

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
        over = sa.and_(columns.ended_at.is_not(None), columns.sent_at.is_not(None), columns.end_sent_at.is_(None))
        with self._database.engine.begin() as connection:
            # Two concurrent senders would send everything twice.
            if not connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCK))):
                return Delivery()
            ends = self._group(connection, over, columns.ended_at, resolved=True)
            news = self._group(connection, due, columns.first_at, resolved=False)
        return Delivery(
            sent=ends.sent + news.sent,
            waiting=ends.waiting + news.waiting,
            failures=tuple(dict.fromkeys((*ends.failures, *news.failures))),
        )

    def _group(
        self, connection: sa.Connection, due: sa.ColumnElement[bool], order: sa.ColumnElement[Any], *, resolved: bool
    ) -> Delivery:
        """Send the first rows that are due."""
        rows = connection.execute(sa.select(notification).where(due).order_by(order).limit(GROUP)).all()
        if not rows:
            return Delivery()
        left = (connection.scalar(sa.select(sa.func.count()).where(due)) or 0) - len(rows)
        failures = self._send(connection, rows, left, resolved=resolved)
        if failures:
            return Delivery(sent=0, waiting=len(rows) + left, failures=tuple(failures))
        return Delivery(sent=len(rows), waiting=left)

    def _send(self, connection: sa.Connection, rows: Sequence[sa.Row[Any]], left: int, *, resolved: bool) -> list[str]:
        """Send each destination the rows that it does not have; return why destinations failed."""
        delivered = {row.fingerprint: set((row.delivered or "").split()) for row in rows}
        failures = []
        if not self._destinations:
            for row in rows:
                log.warning("alert (no destination is configured): %s\n%s", _subject(row, resolved=resolved), row.body)
        for name, destination in self._destinations.items():
            lacking = [row for row in rows if name not in delivered[row.fingerprint]]
            if not lacking:
                continue
            try:
                destination.send(*compose(lacking, left, resolved=resolved))
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
            if complete:
                statement = statement.values({"end_sent_at" if resolved else "sent_at": sa.func.now()})
            connection.execute(
                statement.values(
                    delivered=None if complete else " ".join(sorted(has)),
                    failure=None if complete else "; ".join(failures),
                )
            )
        return failures


def _row(alert: Alert) -> dict[str, Any]:
    return {
        "fingerprint": alert.cause.fingerprint,
        "subject": alert.subject,
        "cause": str(alert.cause),
        "kind": alert.cause.kind,
        "asset": alert.cause.asset,
        "partition": alert.cause.partition,
        "detail": alert.cause.detail,
        "severity": alert.severity,
        "body": alert.text(BODY_CHARACTERS),
        "link": alert.link.rpartition("](")[2].removesuffix(")"),
        "event": alert.event,
    }


def _subject(row: sa.Row[Any], *, resolved: bool) -> str:
    return f"resolved: {row.subject.removeprefix(f'{row.severity}: ')}" if resolved else str(row.subject)


def compose(rows: Sequence[sa.Row[Any]], left: int, *, resolved: bool) -> tuple[str, str, Importance]:
    """Subject, Markdown body and importance of a message about several causes.

    Parameters
    ----------
    rows : sequence of rows of `notification`
        The causes to report.
    left : int
        Number of further due causes that do not fit.
    resolved : bool
        Whether they have ended.
    """
    first, number = _subject(rows[0], resolved=resolved), len(rows) + left
    noun = "resolved" if resolved else "alerts"
    subject = first if number == 1 else f"{number} {noun}: {first.removeprefix('resolved: ')}, …"
    parts = [_part(row, resolved=resolved) for row in rows]
    if left:
        parts.append(f"And {left} more, to follow.")
    importance: Importance = "resolved" if resolved else max((row.severity for row in rows), key=list(_TYPES).index)
    return f"[broker-assets] {subject}", "\n\n---\n\n".join(parts), importance


def _part(row: sa.Row[Any], *, resolved: bool) -> str:
    heading = f"**{_subject(row, resolved=resolved)}**"
    if resolved:
        link = f"\n\n[The page that showed it]({row.link})" if row.link else ""
        return f"{heading}\n\n{_times(row)}; ended {row.ended_at:%Y-%m-%d %H:%M} UTC: {row.ended_by}.{link}"
    count = row._mapping["count"]
    return f"{heading}{f' ({_times(row)})' if count > 1 else ''}\n\n{row.body}".rstrip()


def _times(row: sa.Row[Any]) -> str:
    count = row._mapping["count"]
    return f"seen {'once' if count == 1 else f'{count} times'} since {row.first_at:%Y-%m-%d %H:%M} UTC"

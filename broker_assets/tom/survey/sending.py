"""Sends the alerts of the survey to Kafka in chronological order, each to its topics, exactly once.

An alert goes to the topic of the wide survey or, if its object is in a deep field, to the two topics of deep fields:
one with the whole history, and one with 30 days of it. The next alerts are reconstructed while the previous ones are
being sent.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

import numpy as np
import psycopg

from broker_assets.database.engine import connect
from broker_assets.tom.survey import journal
from broker_assets.tom.survey.alerts import AlertWriter
from broker_assets.tom.survey.kafka_topics import Outgoing, Topics
from broker_assets.tom.survey.points import read_light_curves
from broker_assets.tom.survey.reconstruction import BEFORE_FIRST_DAYS, DAYS, LIMITED_DAYS
from broker_assets.tom.survey.selection import AlertPage, Window, pages

Connection = psycopg.Connection[Any]
SETTLE_SECONDS: Final = 2.0
"""Seconds after the time limit for confirmations during which messages of a sender that died may still arrive."""


class AlertTopics(NamedTuple):
    """Topics of alerts."""

    wide: str = "alerts-wfd"
    deep_full: str = "alerts-ddf-full"
    deep_limited: str = "alerts-ddf-limited"


class Prepared(NamedTuple):
    """An alert ready to be sent."""

    alert: int
    messages: list[Outgoing]


@dataclass
class SendReport:
    """Counts of what was sent."""

    alerts: int = 0
    messages: dict[str, int] = field(default_factory=dict)
    """Number of messages by topic."""
    recovered: int = 0
    """Alerts that a sender had begun to send before it died; they are included in `alerts`."""
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Alerts per second."""
        return self.alerts / self.seconds if self.seconds > 0 else 0.0


Mark = Callable[[Connection, Sequence[int]], None]
"""Marks alerts as sent in the caller's transaction."""
Remake = Callable[[Sequence[int], int], list[Prepared]]
"""Prepares alerts again, by their numbers, for a batch with a number of messages."""
Step = Callable[[str], None]
"""Called at the steps of a batch: `begun`, `confirmed`, `marked`."""


class Stop(Protocol):
    """Whether to end before the next batch."""

    def __call__(self) -> bool: ...


@dataclass(frozen=True)
class Pace:
    """How alerts are sent."""

    flush_every: int = 1000
    """Most alerts in a batch."""
    rate: float | None = None
    """Alerts per second; None: as fast as possible."""
    confirm_seconds: float = 15.0
    """Time limit for confirmations, the same as that of the topics."""

    def __post_init__(self) -> None:
        if self.flush_every < 1:
            raise ValueError(f"a batch has at least one alert, not {self.flush_every}")
        if self.rate is not None and not self.rate > 0:
            raise ValueError(f"the rate must be positive, not {self.rate}")

    @property
    def batch(self) -> int:
        """Number of alerts in a batch: at a low rate, those of one second, so that a batch does not take long."""
        return self.flush_every if self.rate is None else max(1, min(self.flush_every, round(self.rate)))


def send_alerts(
    database_url: str,
    topics: Topics,
    chosen: Window,
    *,
    streams: AlertTopics = AlertTopics(),
    version: str = "0.9.1",
    pace: Pace = Pace(),
    stop: Stop = lambda: False,
    progress: Callable[[SendReport], None] = lambda _: None,
    step: Step = lambda _: None,
) -> SendReport:
    """Send the alerts in an interval that were not sent.

    Parameters
    ----------
    database_url : str
        SQLAlchemy URL of the broker's database.
    topics : Topics
        Kafka.
    chosen : Window
        Times of the detections.
    streams : AlertTopics
        Names of the topics.
    version : str
        Version of the schema, see `schemas.schema_version`.
    pace : Pace
        Batches and rate.
    stop : callable
        Asked before each batch.
    progress : callable
        Called after each batch.
    step : callable
        See `Step`.

    Raises
    ------
    SenderBusy
        If another sender sends alerts of the tables.
    SendFailed
        If Kafka fails; the next sender determines what was sent.
    psycopg.OperationalError
        If the database fails; the same holds.
    """

    def remake(alerts: Sequence[int], _: int) -> list[Prepared]:
        with connect(database_url, application="broker-assets survey", read_only=True) as reading:
            return _prepare(reading, _page_of(reading, alerts), streams, version)

    with (
        connect(database_url, application="broker-assets survey", autocommit=True) as connection,
        journal.sole_sender(connection, journal.TABLES),
        ExitStack() as stack,
    ):
        marking = stack.enter_context(connect(database_url, application="broker-assets survey", autocommit=True))
        sender = BatchSender(connection, topics, journal.TABLES, journal.mark_alerts, pace, marking=marking, step=step)
        # Whatever happens, mark what Kafka has confirmed.
        stack.callback(sender.finish)
        sender.recover(remake)
        for prepared in _prefetched(database_url, chosen, streams, version):
            for start in range(0, len(prepared), pace.batch):
                if stop():
                    sender.finish()
                    return sender.report
                sender.send(prepared[start : start + pace.batch])
                progress(sender.report)
        sender.finish()
    return sender.report


class BatchSender:
    """Sends batches of a place and keeps its journal.

    Parameters
    ----------
    connection : psycopg.Connection
        In autocommit mode, holding the lock of the place.
    topics : Topics
        Kafka.
    place : str
        See `journal`.
    mark : callable
        See `Mark`.
    pace : Pace
        Batches and rate.
    marking : psycopg.Connection, optional
        In autocommit mode: it marks a batch while the next one is being sent; without it, a batch is marked first.
    step : callable
        See `Step`.
    """

    def __init__(
        self,
        connection: Connection,
        topics: Topics,
        place: str,
        mark: Mark,
        pace: Pace,
        *,
        marking: Connection | None = None,
        step: Step = lambda _: None,
    ) -> None:
        self.report = SendReport()
        self._marking = marking
        self._pool = ThreadPoolExecutor(max_workers=1)
        self._marks: Future[None] | None = None
        self._connection = connection
        self._topics = topics
        self._place = place
        self._mark = mark
        self._pace = pace
        self._step = step
        self._begin = time.monotonic()
        self._sent = 0

    def send(self, batch: Sequence[Prepared]) -> None:
        """Send a batch and mark it; see `send_alerts` for the errors."""
        if not batch:
            return
        messages = [message for one in batch for message in one.messages]
        names = list(dict.fromkeys(message.topic for message in messages))
        sendingid = journal.begin(
            self._connection,
            self._place,
            [one.alert for one in batch for _ in one.messages],
            [message.topic for message in messages],
            self._topics.positions(names),
        )
        self._step("begun")
        self._topics.send(messages)
        self._await_mark()
        self._step("confirmed")
        self._sent += len(batch)
        alerts = [one.alert for one in batch]
        self._marks = self._pool.submit(self._settle, sendingid, alerts, messages, self._marking)
        if self._marking is None:
            self._await_mark()
        self._wait()

    def finish(self) -> None:
        """Wait until everything that was sent is marked."""
        self._await_mark()
        self._pool.shutdown()

    def _await_mark(self) -> None:
        marks, self._marks = self._marks, None
        if marks is not None:
            marks.result()
            self._step("marked")

    def recover(self, remake: Remake) -> None:
        """Finish batches of senders that died."""
        for left in journal.begun(self._connection, self._place):
            rest = self._pace.confirm_seconds + SETTLE_SECONDS - left.age
            if rest > 0:
                time.sleep(rest)  # its last messages may still be on their way
            seen = self._topics.seen(left.positions)
            wanted = list(zip(left.alerts, left.topics, strict=True))
            missing = {(alert, topic) for alert, topic in wanted if alert not in seen.get(topic, ())}
            remade = remake(sorted({alert for alert, _ in missing}), len(wanted)) if missing else []
            gone = {alert for alert, _ in missing} - {one.alert for one in remade}
            if gone:
                raise LookupError(
                    f"the alert {min(gone)} of {self._place} was being sent, and no longer exists: remove batch"
                    f" {left.sendingid} from the table alert_sendings if that is right"
                )
            messages = [message for one in remade for message in one.messages if (one.alert, message.topic) in missing]
            if messages:
                self._topics.send(messages)
            self._settle(left.sendingid, left.alerts, messages)
            self.report.recovered += len(set(left.alerts))

    def _settle(
        self,
        sendingid: int,
        alerts: Sequence[int],
        messages: Sequence[Outgoing],
        connection: Connection | None = None,
    ) -> None:
        with (connection or self._connection).transaction():
            self._mark(connection or self._connection, alerts)
            journal.finish(connection or self._connection, sendingid)
        self.report.alerts += len(set(alerts))
        for message in messages:
            self.report.messages[message.topic] = self.report.messages.get(message.topic, 0) + 1
        self.report.seconds = time.monotonic() - self._begin

    def _wait(self) -> None:
        if self._pace.rate is not None:
            due = self._begin + self._sent / self._pace.rate
            time.sleep(max(0.0, due - time.monotonic()))


def _prefetched(database_url: str, chosen: Window, streams: AlertTopics, version: str) -> Iterator[list[Prepared]]:
    """Alerts ready to be sent, a page at a time; another thread prepares the next page."""
    with (
        connect(database_url, application="broker-assets survey", read_only=True) as connection,
        ThreadPoolExecutor(max_workers=1) as pool,
    ):
        selected = pages(connection, chosen)

        def following() -> list[Prepared] | None:
            page = next(selected, None)
            # One transaction for each page: it must not last for the whole campaign.
            made = None if page is None else _prepare(connection, page, streams, version)
            connection.rollback()
            return made

        ahead = pool.submit(following)
        while (prepared := ahead.result()) is not None:
            ahead = pool.submit(following)
            yield prepared


def _page_of(connection: Connection, alerts: Sequence[int]) -> AlertPage:
    rows = connection.execute(
        "SELECT alert.alert_id, source.diasource_id, source.diaobject_id, source.midpointtai"
        " FROM elasticc2_ppdbalert AS alert JOIN elasticc2_ppdbdiasource AS source"
        " ON source.diasource_id = alert.diasource_id AND source.diaobject_id = alert.diaobject_id"
        " WHERE alert.alert_id = ANY(%s) ORDER BY source.midpointtai, alert.alert_id",
        (list(alerts),),
    ).fetchall()
    alert, source, thing, mjd = zip(*rows, strict=True) if rows else ((), (), (), ())
    return AlertPage(
        np.array(alert, np.int64), np.array(source, np.int64), np.array(thing, np.int64), np.array(mjd, np.float64)
    )


def _prepare(connection: Connection, page: AlertPage, streams: AlertTopics, version: str) -> list[Prepared]:
    """The messages for the alerts of a page, in order."""
    if not len(page.alert):
        return []
    since = float(page.mjd.min()) - max(DAYS, BEFORE_FIRST_DAYS)
    curves = read_light_curves(connection, page.object.tolist(), since=since, before=float(page.mjd.max()))
    writer = AlertWriter(curves, version)
    deep_objects = np.asarray(curves.objects["diaobject_id"])[np.asarray(curves.objects["isddf"])]
    deep = np.isin(page.object, deep_objects)
    whole = writer.write(page.alert, page.source)
    limited: Mapping[int, bytes] = dict(
        zip(
            np.flatnonzero(deep).tolist(),
            writer.write(page.alert[deep], page.source[deep], days=LIMITED_DAYS),
            strict=True,
        )
    )
    return [
        Prepared(
            alert,
            [Outgoing(streams.deep_full, value), Outgoing(streams.deep_limited, limited[number])]
            if number in limited
            else [Outgoing(streams.wide, value)],
        )
        for number, (alert, value) in enumerate(zip(page.alert.tolist(), whole, strict=True))
    ]

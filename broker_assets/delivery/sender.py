"""The sender: sends due messages from the outbox to the sinks, and stores the receipts.

A drain run has one in a thread, so that messages leave right after their batch is committed; a job has one for the
rest: retries, digests, and messages of runs that died. Locks decide which sender serves a sink, see `queue`. Topics of
all sinks are written together. Threads serve the other sinks, each for a limited time before others get their turn, and
nothing waits for a slow one: topics are written meanwhile.

A message whose sink is unavailable waits, with those behind it, while the pauses between attempts grow. A message that
is refused is tried a number of times and then becomes a dead letter, which does not block those behind it.
"""

from __future__ import annotations

import datetime
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import psycopg

from broker_assets.backoff import SINK, pause_after
from broker_assets.database.engine import DatabaseUnavailableError, connect
from broker_assets.delivery import queue
from broker_assets.delivery.changes import feeds_due, send_feeds
from broker_assets.delivery.errors import MessageRefusedError, SinkUnavailableError
from broker_assets.delivery.letters import letters_due, send_letters
from broker_assets.delivery.messages import Also, Contents, Message
from broker_assets.delivery.queue import Delivered, Outcome, Quotas
from broker_assets.delivery.services import Services
from broker_assets.delivery.services import Written as WrittenForService
from broker_assets.delivery.sinks import Sink, next_due
from broker_assets.delivery.topics import Outgoing, Topics, Written
from broker_assets.delivery.traces import settled
from broker_assets.delivery.writing import Writer, headers
from broker_assets.provenance.revisions import BatchesDoNotEnd
from broker_assets.settings.delivery import DeliverySettings
from broker_assets.settings.stream import ClusterSettings

log = logging.getLogger(__name__)

Connection = psycopg.Connection[Any]

TOPIC_MESSAGES: Final = {"plain": 1000, "gcn": 1000, "voevent": 1000, "lite": 200, "full": 50}
"""Messages of a topic sent at a time, by format; limits the memory."""
ROUND_MESSAGES: Final = 5000
"""Messages of all topics sent at a time."""
DIGEST_MESSAGES: Final = {**TOPIC_MESSAGES, "plain": 5000}
"""Most matches in one digest, by format; more of them make another digest."""
FEEDS: Final = -1
"""Number that the sender of feeds locks in place of a sink."""
LETTERS: Final = -3
"""Number that represents messages to owners among the sinks that are served."""
TURN_SECONDS: Final = 30.0
"""Seconds; a sink that has been served for this long lets others go first."""
LOOK_SECONDS: Final = 0.5
"""Seconds between checks of the outbox while only slow sinks are being served."""
SETTLE_SECONDS: Final = 2.0
"""Seconds added to the time limit of confirmations before the end of a topic is read."""


@dataclass
class SendReport:
    """Results of a call of `Sender.send_due`."""

    delivered: int = 0
    dead: int = 0
    """Messages given up."""
    failures: int = 0
    """Failed attempts after which messages wait."""

    def add(self, other: SendReport) -> None:
        """Add another report."""
        self.delivered += other.delivered
        self.dead += other.dead
        self.failures += other.failures


class Sender:
    """Sends due messages.

    Parameters
    ----------
    database_url : str
        SQLAlchemy URL of the broker's database.
    settings : DeliverySettings
        Settings of sinks, and limits.
    cluster : ClusterSettings
        Cluster of the filters' topics, including inherited settings.
    contents : Contents
        Reads what messages need in addition to their rows.
    pages_url : str
        Address of the web application.
    also : Also, optional
        Sends messages that do not go through the outbox.
    """

    def __init__(
        self,
        database_url: str,
        settings: DeliverySettings,
        cluster: ClusterSettings,
        contents: Contents,
        *,
        pages_url: str,
        also: Also | None = None,
    ) -> None:
        self._url = database_url
        self._settings = settings
        self._quotas = Quotas(settings.messages_per_night, settings.bytes_per_night)
        self._writer = Writer(contents, pages_url=pages_url, authority=urlsplit(pages_url).hostname or "localhost")
        self._topics = Topics(
            cluster,
            confirm_seconds=settings.confirm_seconds,
            replication=settings.replication,
            retention_days=settings.retention_days,
        )
        # Two more than the sinks served at a time, so that messages to owners and feeds never wait for slow sinks.
        self._pool = ThreadPoolExecutor(settings.workers + 2, thread_name_prefix="sink")
        self._served: dict[int, Future[SendReport | None]] = {}
        self._closing = threading.Event()
        self._connection: Connection | None = None
        self._also = also

    def send_due(self, stop: Callable[[], bool] = lambda: False, *, wait: bool = True) -> SendReport:
        """Send until nothing is due.

        Parameters
        ----------
        stop : callable
            If it returns true, messages that were begun are finished and the rest is left for later.
        wait : bool
            Whether to wait for sinks that are still taking messages when nothing else is due. Otherwise they continue,
            and are included in the report of a later call.

        Raises
        ------
        psycopg.Error, DatabaseUnavailableError
            If the database fails. Nothing is lost: messages that were begun are searched for before they are sent
            again.
        """
        report = SendReport()
        others: set[int] = set()  # sinks that another sender serves, or that cannot be served
        try:
            connection = self._connected()
            if LETTERS not in self._served and letters_due(connection):
                self._served[LETTERS] = self._pool.submit(self._send_letters)
            if FEEDS not in self._served and feeds_due(connection):
                self._served[FEEDS] = self._pool.submit(self._send_feeds)
            report.delivered += self._also.send(connection) if self._also is not None else 0
            queue.put_off_digests(connection, self._settings.digest_hour)
            while not stop():
                due = [sink for sink in queue.due_sinks(connection) if sink.sinkid not in others]
                self._serve([sink for sink in due if sink.kind != "kafka"], stop)
                done = self._send_to_topics(connection, [sink for sink in due if sink.kind == "kafka"])
                done.add(self._collected(others))
                report.add(done)
                if done.delivered or done.dead or done.failures:
                    continue
                if not wait or not self._served:
                    break
                wait_for(self._served.values(), timeout=LOOK_SECONDS, return_when=FIRST_COMPLETED)
            if wait:
                wait_for(self._served.values())
                report.add(self._collected(others))
        except psycopg.Error:
            self._disconnect()
            raise
        return report

    def close(self) -> None:
        """Finish messages that were begun, and disconnect from everything."""
        self._closing.set()
        self._pool.shutdown()
        self._topics.close()
        if self._also is not None:
            self._also.close()
        self._disconnect()

    def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url, application="broker-assets sender", autocommit=True)
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()  # this releases its locks
            self._connection = None

    def _serve(self, sinks: Sequence[Sink], stop: Callable[[], bool]) -> None:
        """Start threads that send to sinks, those that have waited longest first, as far as there are places."""
        for sink in sinks:
            if len(self._served.keys() - {LETTERS, FEEDS}) >= self._settings.workers:
                break
            if sink.sinkid not in self._served:
                self._served[sink.sinkid] = self._pool.submit(self._send_to_service, sink, stop)

    def _collected(self, others: set[int]) -> SendReport:
        """Collect the reports of sinks that are no longer served, and note those to be left alone for now."""
        report = SendReport()
        for sinkid in [sinkid for sinkid, future in self._served.items() if future.done()]:
            try:
                found = self._served.pop(sinkid).result()
            except (psycopg.Error, DatabaseUnavailableError):
                raise
            except Exception:
                # A defect triggered by one sink, or by a message to an owner, must not affect the others.
                log.exception("sink %s", sinkid)
                report.failures += 1
                others.add(sinkid)
                continue
            if found is None:
                others.add(sinkid)
            else:
                report.add(found)
        return report

    def _send_letters(self) -> SendReport:
        """Send the messages to owners."""
        with connect(self._url, application="broker-assets sender", autocommit=True) as connection:
            return SendReport(delivered=send_letters(connection, self._settings, self._writer.authority))

    def _send_feeds(self) -> SendReport:
        """Send changes to the feeds of owners, unless another sender does."""
        with connect(self._url, application="broker-assets sender", autocommit=True) as connection:
            if queue.lock(connection, [FEEDS]):
                try:
                    send_feeds(connection, self._settings)
                except BatchesDoNotEnd as error:
                    log.info("feeds wait: %s", error)
                finally:
                    if not connection.closed:
                        queue.unlock(connection, [FEEDS])
        return SendReport()

    # Topics -----------------------------------------------------------------------------------------------------------

    def _send_to_topics(self, connection: Connection, sinks: Sequence[Sink]) -> SendReport:
        report = SendReport()
        if not sinks:
            return report
        locked = queue.lock(connection, [sink.sinkid for sink in sinks])
        try:
            mine = {sink.sinkid: sink for sink in sinks if sink.sinkid in locked}
            ready = self._recover_topics(connection, mine, report)
            room = max(1, ROUND_MESSAGES // max(len(ready), 1))
            limits = {sink.sinkid: min(room, TOPIC_MESSAGES[sink.format]) for sink in ready}
            messages = queue.claim(connection, ready, self._quotas, limits)
            self._write(connection, mine, messages, report)
        finally:
            if not connection.closed:
                queue.unlock(connection, list(locked))
        return report

    def _recover_topics(self, connection: Connection, sinks: dict[int, Sink], report: SendReport) -> list[Sink]:
        """Find messages written by a sender that died; return the sinks to which messages can be sent."""
        ready = dict(sinks)
        for sinkid, (messages, age) in queue.begun(connection, list(sinks)).items():
            sink = sinks[sinkid]
            rest = self._settings.confirm_seconds + SETTLE_SECONDS - age
            if rest > 0:
                # Its last messages may still be on their way.
                queue.wait(connection, sinkid, rest)
                del ready[sinkid]
                continue
            try:
                found, after = self._topics.seen(sink.target, sink.position, [one.identity for one in messages])
            except SinkUnavailableError as error:
                self._failed(connection, sink, error)
                report.failures += 1
                del ready[sinkid]
                continue
            outcome = Outcome(
                delivered=[
                    Delivered(one, _place(sink, found[one.identity]), len(one.record))
                    for one in messages
                    if one.identity in found
                ],
                waiting={
                    one.deliveryid: "begun by a sender that did not finish"
                    for one in messages
                    if one.identity not in found
                },
            )
            queue.settle(connection, outcome)
            queue.moved(connection, {sinkid: after})
            report.delivered += len(outcome.delivered)
        return list(ready.values())

    def _write(
        self, connection: Connection, sinks: dict[int, Sink], messages: Sequence[Message], report: SendReport
    ) -> None:
        if not messages:
            return
        outcome = Outcome()
        failed: dict[int, SinkUnavailableError] = {}
        try:
            values = self._writer.values(connection, sinks, messages)
        except OSError as error:
            self._all_failed(connection, sinks, messages, f"the packet archive cannot be read: {error}", report)
            return
        outgoing: dict[str, tuple[Message, bytes]] = {}
        for message in messages:
            value = values[message.deliveryid]
            if isinstance(value, MessageRefusedError):
                self._refused(outcome, message, value)
            else:
                outgoing[message.identity] = (message, value)
        try:
            written = self._topics.send(
                [
                    Outgoing(sinks[one.sinkid].target, one.identity, value, headers(one, sinks[one.sinkid]))
                    for one, value in outgoing.values()
                ]
            )
        except SinkUnavailableError as error:
            self._all_failed(connection, sinks, [one for one, _ in outgoing.values()], str(error), report, outcome)
            return
        positions: dict[int, int] = {}
        for name, (message, value) in outgoing.items():
            result = written[name]
            sink = sinks[message.sinkid]
            if isinstance(result, Written):
                outcome.delivered.append(Delivered(message, _place(sink, result), len(value)))
                positions[sink.sinkid] = max(positions.get(sink.sinkid, 0), result.offset + 1)
            elif result.of_the_message:
                self._refused(outcome, message, MessageRefusedError(f"Kafka: {result.reason}", final=True))
            else:
                # It may have arrived nevertheless: it stays "sending" until the end of the topic is read.
                failed[sink.sinkid] = SinkUnavailableError(f"Kafka: {result.reason}")
        # The end of a topic is read from the first message that may be there without a receipt.
        uncertain = {sinkid: position for sinkid, position in positions.items() if sinkid not in failed}
        queue.settle(connection, outcome)
        settled(sinks, messages, outcome)
        queue.moved(connection, uncertain)
        queue.works(connection, dict.fromkeys(uncertain))
        for sinkid, failure in failed.items():
            self._failed(connection, sinks[sinkid], failure)
        report.delivered += len(outcome.delivered)
        report.dead += len(outcome.dead)
        report.failures += len(failed)

    def _all_failed(
        self,
        connection: Connection,
        sinks: dict[int, Sink],
        messages: Sequence[Message],
        reason: str,
        report: SendReport,
        outcome: Outcome | None = None,
    ) -> None:
        """Note that nothing was sent: the messages wait."""
        outcome = outcome or Outcome()
        outcome.waiting |= {one.deliveryid: reason for one in messages}
        report.dead += len(outcome.dead)
        report.dead += len(queue.settle(connection, outcome, give_up_hours=self._settings.give_up_hours))
        for sinkid in {one.sinkid for one in messages}:
            self._failed(connection, sinks[sinkid], SinkUnavailableError(reason))
            report.failures += 1

    # Other sinks ------------------------------------------------------------------------------------------------------

    def _send_to_service(self, sink: Sink, stop: Callable[[], bool]) -> SendReport | None:
        """Send to a sink until nothing waits or its turn ends; None if another sender serves it."""
        report = SendReport()
        ends = time.monotonic() + TURN_SECONDS

        def is_over() -> bool:
            return self._closing.is_set() or stop() or time.monotonic() > ends

        with connect(self._url, application="broker-assets sender", autocommit=True) as connection:
            if not queue.lock(connection, [sink.sinkid]):
                return None
            services = Services(self._settings, self._writer)
            try:
                # Receivers recognise messages that they already have by their identity.
                begun = queue.begun(connection, [sink.sinkid]).get(sink.sinkid)
                messages = begun[0] if begun else []
                if messages and sink.schedule == "now":
                    queue.settle(
                        connection,
                        Outcome(waiting={one.deliveryid: "begun by a sender that did not finish" for one in messages}),
                    )
                    messages = []
                together = sink.schedule != "now" and sink.format not in ("gcn", "voevent")
                limit = DIGEST_MESSAGES[sink.format] if together else 1
                goes_on, over = True, False
                while goes_on and not (over := is_over()):
                    # A digest that was begun is sent again unchanged, under its identity.
                    messages = messages or queue.claim(connection, [sink], self._quotas, {sink.sinkid: limit})
                    if not messages:
                        if queue.is_waiting(connection, sink.sinkid):
                            continue  # those before are over a quota
                        break
                    goes_on = self._send_one(connection, services, sink, messages, report)
                    messages = []
                if over:
                    queue.wait(connection, sink.sinkid, 0.0)  # behind the others that wait
                elif goes_on and sink.schedule != "now":
                    due = next_due(sink.schedule, datetime.datetime.now(datetime.UTC), self._settings.digest_hour)
                    queue.works(connection, {sink.sinkid: due})
            finally:
                services.close()
                if not connection.closed:  # the server would notice the end of the connection only a moment later
                    queue.unlock(connection, [sink.sinkid])
        return report

    def _send_one(
        self, connection: Connection, services: Services, sink: Sink, messages: Sequence[Message], report: SendReport
    ) -> bool:
        """Send one request, and return whether the next may follow at once."""
        outcome = Outcome()
        failure: SinkUnavailableError | None = None
        try:
            written = services.written(connection, sink, messages)
            messages = self._writable(connection, sink, messages, written, report)
            if not messages:
                return True
            receipt, size = services.send(sink, messages, written)
        except SinkUnavailableError as error:
            failure = error
        except OSError as error:
            failure = SinkUnavailableError(f"the packet archive cannot be read: {error}")
        except MessageRefusedError as error:
            for message in messages:
                self._refused(outcome, message, error)
            if outcome.again:
                failure = SinkUnavailableError(str(error))
        except (psycopg.Error, DatabaseUnavailableError):
            raise
        except Exception as error:
            # A defect triggered by one sink must not affect the others.
            log.exception("sink %s (%s %s)", sink.sinkid, sink.kind, sink.target)
            failure = SinkUnavailableError(f"a defect of the platform: {type(error).__name__}: {error}")
        else:
            share = size // len(messages)
            outcome.delivered = [Delivered(message, receipt, share) for message in messages]
        if failure is not None and not outcome.again:
            outcome.waiting = {message.deliveryid: str(failure) for message in messages}
        report.dead += len(queue.settle(connection, outcome, give_up_hours=self._settings.give_up_hours))
        settled({sink.sinkid: sink}, messages, outcome)
        report.delivered += len(outcome.delivered)
        report.dead += len(outcome.dead)
        if failure is not None:
            self._failed(connection, sink, failure)
            report.failures += 1
            return False
        if outcome.delivered:
            queue.works(connection, {sink.sinkid: None})
        return True

    def _writable(
        self,
        connection: Connection,
        sink: Sink,
        messages: Sequence[Message],
        written: Mapping[int, WrittenForService],
        report: SendReport,
    ) -> list[Message]:
        """Messages that could be written; the others are settled, so that they do not block the rest of a digest.

        This is done before the digest is sent, because its identity follows from its messages, even if this process
        ends.
        """
        outcome = Outcome()
        found = []
        for message in messages:
            value = written[message.deliveryid]
            if isinstance(value, MessageRefusedError):
                self._refused(outcome, message, value)
            else:
                found.append(message)
        if outcome.dead or outcome.again:
            queue.settle(connection, outcome)
            settled({sink.sinkid: sink}, messages, outcome)
            report.dead += len(outcome.dead)
        return found

    # Failures ---------------------------------------------------------------------------------------------------------

    def _refused(self, outcome: Outcome, message: Message, error: MessageRefusedError) -> None:
        if error.final or message.attempts + 1 >= self._settings.attempts:
            outcome.dead[message.deliveryid] = str(error)
        else:
            outcome.again[message.deliveryid] = str(error)

    def _failed(self, connection: Connection, sink: Sink, error: SinkUnavailableError) -> None:
        log.warning("sink %s (%s %s): %s", sink.sinkid, sink.kind, sink.target, error)
        pause = pause_after(_failures(connection, sink.sinkid) + 1, SINK)
        queue.postpone(connection, sink.sinkid, str(error), max(pause, error.retry_after or 0.0))


def _failures(connection: Connection, sinkid: int) -> int:
    row = connection.execute("SELECT failures FROM filter_sinks WHERE sinkid = %s", (sinkid,)).fetchone()
    return 0 if row is None else int(row[0])


def _place(sink: Sink, written: Written) -> dict[str, Any]:
    return {"topic": sink.target, "partition": written.partition, "offset": written.offset}

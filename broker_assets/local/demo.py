"""The demonstration of `make run`: sends a simulated night to Kafka and follows it until its rows are stored."""

from __future__ import annotations

import itertools
import json
import threading
import time
from pathlib import Path
from typing import Any

import psycopg
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from broker_assets.accounting import ledger
from broker_assets.database.engine import connect
from broker_assets.monitoring.state_file import Addresses
from broker_assets.replay.producer import OutgoingMessage, ReplayError, ReplayReport, produce
from broker_assets.settings import Settings, StreamSettings
from broker_assets.storage.atomic import replace_atomically

PATIENCE_SECONDS = 240.0
"""If nothing has been ingested for this long, the demonstration stops waiting and points to the logs."""

OBJECTS = 12_000
NIGHTS = 4
"""A survey of this size gives about 10,000 alerts of 33 kB."""


class Demonstration:
    """Sends a sample stream and shows its ingestion.

    Parameters
    ----------
    settings : Settings
        The first stream of survey `rubin` on our own Kafka gets the alerts.
    addresses : Addresses
        The running platform.
    console : Console
        Console for progress and result.
    alerts : int
        Maximum number of alerts to send.
    """

    def __init__(self, settings: Settings, addresses: Addresses, console: Console, *, alerts: int) -> None:
        self._settings = settings
        self._addresses = addresses
        self._console = console
        self._alerts = alerts
        ours = [stream for stream in settings.streams if stream.kafka.bootstrap_servers is None]
        self._stream = next((stream for stream in ours if stream.survey == "rubin"), None)
        self._record = Path(addresses.home) / "demo.json"

    def run(self, ending: threading.Event) -> None:
        """Send, wait, and print what was ingested; returns early when the platform ends."""
        if self._stream is None:
            self._say("No stream of survey rubin is configured on a Kafka cluster of this platform: no demonstration.")
            return
        if self._record.exists():
            self._say("The sample stream was sent at an earlier start; `broker-assets simulate` sends more.")
        else:
            try:
                self._send_and_wait(self._stream, ending)
            except (psycopg.Error, ReplayError) as error:  # a server that is being started again
                self._say(f"The demonstration was interrupted: {error}")
        if not ending.is_set():
            self._summarise(self._stream.name)

    def _send_and_wait(self, stream: StreamSettings, ending: threading.Event) -> None:
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeElapsedColumn(), TextColumn("{task.fields[note]}"), console=self._console) as bar:
            sending = bar.add_task(f"Simulated alerts onto {stream.topic}", total=self._alerts, note="")
            ingesting = bar.add_task("Ingested", total=None, note="")
            with connect(self._addresses.database_url, autocommit=True) as connection:
                before = ledger.positions(connection, stream.name)
                sent = self._send(stream, bar, sending, ending)
                if ending.is_set():
                    return
                replace_atomically(self._record, json.dumps({"topic": stream.topic, "alerts": sent.messages}))
                bar.update(sending, total=sent.messages, completed=sent.messages)
                ends = {partition: after for partition, (_, after) in sent.offsets.items()}
                self._wait(connection, stream.name, before, ends, bar, ingesting, ending)

    def _send(self, stream: StreamSettings, bar: Progress, task: TaskID, ending: threading.Event) -> ReplayReport:
        # Imported late: the generator compiles its loops, which the other commands need not wait for.
        from broker_assets.simulation import Survey

        survey = Survey(objects=OBJECTS, nights=NIGHTS, history=30)
        return produce(
            (OutgoingMessage(alert.payload, alert.key) for alert in itertools.islice(survey.alerts(), self._alerts)),
            bootstrap_servers=self._addresses.bootstrap_servers,
            topic=stream.topic,
            # Errors only: at its start a broker makes every client retry something, and say so.
            client=self._settings.location(stream).cluster.properties() | {"log_level": "3"},
            progress=lambda count, size: bar.update(task, completed=count, note=f"{size / 1e6:,.0f} MB"),
            stop=ending.is_set,
        )

    def _wait(
        self,
        connection: psycopg.Connection[Any],
        topic: str,
        before: dict[int, int],
        ends: dict[int, int],
        bar: Progress,
        task: TaskID,
        ending: threading.Event,
    ) -> None:
        total = sum(end - before.get(partition, 0) for partition, end in ends.items())
        bar.update(task, total=total, note="(the lag sensor starts a drain run)")
        begun = changed = time.monotonic()
        done = 0
        while done < total and not ending.wait(0.5):
            now = ledger.positions(connection, topic)
            reached = sum(min(now.get(partition, 0), end) - before.get(partition, 0) for partition, end in ends.items())
            if reached > done:
                changed = time.monotonic()
                bar.update(task, completed=reached, note="")
                done = reached
            elif time.monotonic() - changed > PATIENCE_SECONDS:
                logs = Path(self._addresses.home) / "logs"
                self._say(f"Nothing has been ingested for {PATIENCE_SECONDS / 60:.0f} minutes; see {logs}/daemon.log.")
                return
        if done:
            bar.update(task, note=f"{time.monotonic() - begun:.0f} s after the last one was sent")

    def _summarise(self, topic: str) -> None:
        with connect(self._addresses.database_url, autocommit=True) as connection:
            row = connection.execute(
                "SELECT count(*), coalesce(sum(received), 0), coalesce(sum(stored), 0), coalesce(sum(duplicate), 0),"
                " coalesce(sum(quarantined), 0), coalesce(sum(bytes), 0) FROM ingest_batch"
                " WHERE topic = %s AND kind = 'stream' AND finished_at IS NOT NULL",
                (topic,),
            ).fetchone()
            nights = connection.execute(
                "SELECT part.night, sum(part.stored), sum(part.sources), sum(part.forced_sources), sum(part.objects)"
                " FROM ingest_batch_night AS part JOIN ingest_batch AS batch USING (ingestid)"
                " WHERE batch.topic = %s AND batch.kind = 'stream'"
                " GROUP BY part.night ORDER BY part.night DESC LIMIT 10",
                (topic,),
            ).fetchall()
        batches, received, stored, duplicate, quarantined, size = row or (0, 0, 0, 0, 0, 0)
        self._say(
            f"Ledger of {topic}: {received:,} received = {stored:,} stored + {duplicate:,} duplicate + "
            f"{quarantined:,} quarantined, in {batches:,} batches, {float(size) / 1e6:,.0f} MB"
        )
        table = Table(box=None, pad_edge=False)
        for heading in ("night", "alerts", "sources", "forced points", "objects"):
            table.add_column(heading, justify="right")
        for night, *numbers in nights:
            table.add_row(str(night), *(f"{number or 0:,}" for number in numbers))
        self._console.print(table)

    def _say(self, message: str) -> None:
        self._console.print(escape(message), highlight=False, soft_wrap=True)

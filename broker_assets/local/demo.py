"""The demonstration of `make run`: sends the last nights of a simulated survey to Kafka, and waits for their rows."""

from __future__ import annotations

import datetime
import itertools
import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from broker_assets.accounting import ledger
from broker_assets.classifiers.store import ClassifierStore
from broker_assets.database.engine import connect
from broker_assets.local import demo_events, demo_filters
from broker_assets.local.demo_jobs import JobNotStartedError, start_job
from broker_assets.monitoring.state_file import Addresses
from broker_assets.replay.producer import OutgoingMessage, ReplayError, ReplayReport, produce
from broker_assets.settings import Settings, StreamSettings
from broker_assets.sky.lists import create_area, create_watchlist
from broker_assets.sky.regions import cone_area
from broker_assets.sky.watchlists import parse_watchlist
from broker_assets.storage.atomic import replace_atomically

if TYPE_CHECKING:
    from broker_assets.simulation import SimulatedAlert, Survey
    from broker_assets.simulation.places import Places

PATIENCE_SECONDS = 240.0
"""If nothing has been ingested for this long, the demonstration stops waiting and points to the logs."""

TRAINING_SECONDS = 60.0
"""If there is no classifier after this time, alerts are sent nevertheless: a backfill of `class_scores` adds the
classes."""

NIGHTS = 7
"""Number of nights that are sent, the last of which is last night."""
OBJECTS_PER_ALERT = 0.57
"""A survey of this size gives slightly fewer alerts (of 33 kB) than requested, so that the last night is complete."""


OWNER = "demonstration"
"""Owner of the lists that are added."""
LISTED_OBJECTS = 200
FIRST_ALERTS = 250
"""Alerts from whose objects the watchlist is made; they are in memory at the same time."""
RADIUS = 5.0
"""arcsec."""
AREA_DEGREES = 10.0
AREA_ORDER = 9

CHECK_JOB = "check_nights"


def check_configuration(nights: Sequence[str]) -> dict[str, Any]:
    """Run configuration of the job that checks nights."""
    return {"ops": {"judge_nights": {"config": {"nights": list(nights)}}}}


def demonstration_survey(alerts: int, now: datetime.datetime, places: Places | None = None) -> Survey:
    """The simulated survey of the demonstration.

    Parameters
    ----------
    alerts : int
        Requested number of alerts; there are a few per cent fewer.
    now : datetime
        Its last night is the one that has ended before this time.
    places : Places, optional
        Galaxies and stars at whose positions some of its objects are.
    """
    # Imported late: the generator compiles its loops, which the other commands need not wait for.
    from broker_assets.simulation import Survey
    from broker_assets.simulation.cadence import last_night

    first = last_night(now) - datetime.timedelta(days=NIGHTS - 1)
    objects = max(1, round(alerts * OBJECTS_PER_ALERT))
    return Survey(objects=objects, nights=NIGHTS, history=30, first_night=first.isoformat(), places=places)


def catalogue_places(folder: Path) -> Places | None:
    """Galaxies and variable stars of the catalogues that are loaded; None without galaxies.

    Parameters
    ----------
    folder : Path
        Folder of the catalogues.
    """
    from broker_assets.context.store import CatalogueStore
    from broker_assets.simulation.places import Places

    store = CatalogueStore(folder)
    loaded = store.versions(["galaxies", "vsx"])
    if "galaxies" not in loaded:
        return None
    galaxies = store.open("galaxies").all()
    kept = np.flatnonzero((galaxies.redshift > 0.0) & (galaxies.major_axis > 0.0))
    stars = store.open("vsx").all() if "vsx" in loaded else None
    return Places(
        host_ra=galaxies.ra[kept],
        host_dec=galaxies.dec[kept],
        host_redshift=galaxies.redshift[kept],
        host_radius=galaxies.major_axis[kept] / 2.0,
        star_ra=stars.ra if stars is not None else np.zeros(0),
        star_dec=stars.dec if stars is not None else np.zeros(0),
    )


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
            except (psycopg.Error, ReplayError) as error:  # a server that is being restarted
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
            if not ending.is_set():
                self._add_area()
                self._check(stream.name)

    def _send(self, stream: StreamSettings, bar: Progress, task: TaskID, ending: threading.Event) -> ReplayReport:
        places = catalogue_places(self._settings.catalogue_folder)
        survey = demonstration_survey(self._alerts, datetime.datetime.now(datetime.UTC), places)
        alerts = itertools.islice(survey.alerts(), self._alerts)
        # Earlier nights are simulated while the classifier is trained.
        first = list(itertools.islice(alerts, FIRST_ALERTS))
        if not ending.is_set():
            self._send_notice(survey.truth(), first)
        self._wait_for_classifier(bar, task, ending)
        if not ending.is_set():
            self._add_watchlist(survey.truth(), [alert.diaobjectid for alert in first])
        return produce(
            (OutgoingMessage(alert.payload, alert.key) for alert in itertools.chain(first, alerts)),
            bootstrap_servers=self._addresses.bootstrap_servers,
            topic=stream.topic,
            # Errors only: while a broker starts, every client retries something and reports it.
            client=self._settings.location(stream).cluster.properties() | {"log_level": "3"},
            progress=lambda count, size: bar.update(task, completed=count, note=f"{size / 1e6:,.0f} MB"),
            stop=ending.is_set,
        )

    def _wait_for_classifier(self, bar: Progress, task: TaskID, ending: threading.Event) -> None:
        """Wait for the default classifier, if it is going to be trained."""
        if not self._settings.classifiers.train_default:
            return
        store = ClassifierStore(self._settings.classifier_folder)
        deadline = time.monotonic() + TRAINING_SECONDS
        while not store.active() and time.monotonic() < deadline:
            bar.update(task, note="(the default classifier is being trained)")
            if ending.wait(0.5):
                return

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

    def _send_notice(self, truth: pa.Table, first: Sequence[SimulatedAlert]) -> None:
        """Send a notice of an event at the position of an object of the first night, for the moving list."""
        topic = demo_events.topic_of(self._settings)
        if topic is None:
            return
        place = demo_events.place_of_first(truth, [alert.diaobjectid for alert in first])
        if place is None:
            return
        night = datetime.date.fromisoformat(first[0].night)
        trigger = datetime.datetime.combine(night, datetime.time(18), datetime.UTC)
        cluster = self._settings.moving_list_locations()[topic].cluster
        demo_events.send(
            self._addresses.bootstrap_servers,
            cluster.properties() | {"log_level": "3"},
            topic,
            demo_events.notice(*place, trigger),
        )
        self._say("A notice of an event was sent: its error circle becomes a cone of a moving list.")

    def _add_watchlist(self, truth: pa.Table, wanted: Sequence[int]) -> None:
        """Add a watchlist around objects whose alerts will be sent next, and filters, which match them on arrival."""
        known = truth.filter(pc.is_in(truth["diaobjectid"], pa.array(sorted(set(wanted) - {0})[:LISTED_OBJECTS])))
        cones = parse_watchlist(
            f"{ra}, {dec}, object {identifier}"
            for identifier, ra, dec in zip(
                *(known[name].to_pylist() for name in ("diaobjectid", "ra", "dec")), strict=True
            )
        )
        with connect(self._addresses.database_url, autocommit=True) as connection:
            if connection.execute("SELECT FROM watchlists WHERE owner = %s", (OWNER,)).fetchone() is not None:
                return
            watchlist = create_watchlist(
                connection, OWNER, "Objects of the demonstration", cones, radius=RADIUS, public=True,
                description="The first objects of the sample stream",
            )  # fmt: skip
            added = demo_filters.add(connection, self._settings, OWNER, watchlist)
        self._say(f"A watchlist of {len(cones)} objects and {len(added.filters)} filters were added.")
        if added.topic is not None:
            cluster = self._settings.delivery_cluster
            servers = cluster.bootstrap_servers or self._addresses.bootstrap_servers
            demo_filters.TrendAnnotator(servers, cluster.properties() | {"log_level": "3"}, added.topic).start()

    def _add_area(self) -> None:
        """Add an area around a stored object, so that there is something to match with past alerts."""
        with connect(self._addresses.database_url, autocommit=True) as connection:
            found = connection.execute(
                "SELECT ra, decl FROM objects WHERE ra IS NOT NULL AND NOT EXISTS"
                " (SELECT FROM areas WHERE owner = %s) ORDER BY diaobjectid LIMIT 1",
                (OWNER,),
            ).fetchone()
            if found is None:
                return
            area = cone_area(found[0], found[1], AREA_DEGREES, order=AREA_ORDER)
            create_area(
                connection, OWNER, "Area of the demonstration", area, public=True,
                description=f"Within {AREA_DEGREES:g} degrees of an object",
            )  # fmt: skip
        self._say("An area was added; the sensor lists matches it with the alerts that are stored.")

    def _check(self, topic: str) -> None:
        """Start the checks of the nights that the schedule would start in the evening, so that they all turn green."""
        with connect(self._addresses.database_url, autocommit=True) as connection:
            nights = connection.execute(
                "SELECT DISTINCT night::text FROM ingest_batch_night JOIN ingest_batch USING (ingestid)"
                " WHERE topic = %s ORDER BY 1",
                (topic,),
            ).fetchall()
        try:
            start_job(self._addresses, CHECK_JOB, check_configuration([night for (night,) in nights]))
        except JobNotStartedError as error:
            self._say(f"The checks could not be started ({error}); the schedule nightly_checks will start them.")

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
            f"{quarantined:,} quarantined, in {batches:,} batch{'' if batches == 1 else 'es'}, "
            f"{float(size) / 1e6:,.0f} MB"
        )
        table = Table(box=None, pad_edge=False)
        for heading in ("night", "alerts", "sources", "forced points", "objects"):
            table.add_column(heading, justify="right")
        for night, *numbers in nights:
            table.add_row(str(night), *(f"{number or 0:,}" for number in numbers))
        self._console.print(table)
        with connect(self._addresses.database_url, autocommit=True) as connection:
            classes = connection.execute(
                "SELECT classifier, class, count(*) FROM (SELECT DISTINCT ON (diaobjectid, classifier)"
                " diaobjectid, classifier, class FROM object_classes JOIN classifier_classes"
                " USING (classifier, version, class) WHERE sumtoone"
                " ORDER BY diaobjectid, classifier, score DESC, class) AS best GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2"
            ).fetchall()
        for name, found in itertools.groupby(classes, key=lambda row: row[0]):
            counts = ", ".join(f"{label} {number:,}" for _, label, number in found)
            self._say(f"Objects by their class with the highest score of {name}: {counts}")

    def _say(self, message: str) -> None:
        self._console.print(escape(message), highlight=False, soft_wrap=True)

"""The demonstration of alerts: the last nights onto Kafka, followed until they are rows."""

from __future__ import annotations

import datetime
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from dagster import validate_run_config
from delivery_peers import Mailbox, mail_server, make_due, read_topic, value
from rich.console import Console
from tiny_classifiers import tiny

from broker_assets.build import build_defs
from broker_assets.classifiers.store import ClassifierStore
from broker_assets.database import engine
from broker_assets.enrichment_plan import enrichment_plan
from broker_assets.local import demo, demo_events
from broker_assets.local.demo import (
    CHECK_JOB,
    LISTED_OBJECTS,
    NIGHTS,
    OWNER,
    Demonstration,
    check_configuration,
    demonstration_survey,
)
from broker_assets.monitoring.state_file import Addresses
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import schema_source
from broker_assets.resources.kafka import Kafka
from broker_assets.settings import (
    ClassifierSettings,
    DatabaseSettings,
    DeliverySettings,
    DrainSettings,
    KafkaSettings,
    MovingListSettings,
    NoticeSettings,
    Settings,
    StreamSettings,
)
from broker_assets.settings.delivery import MailSettings
from broker_assets.simulation.cadence import last_night
from broker_assets.stream.drain import drain
from broker_assets.stream.notices import notice_topics, read_notices
from broker_assets.stream.sending import make_sender

NOW = datetime.datetime(2026, 11, 29, 15, tzinfo=datetime.UTC)
ALERTS = 400


def test_the_last_night_is_whole_and_last_night() -> None:
    nights = [alert.night for alert in demonstration_survey(4000, NOW).alerts()]
    assert 3400 < len(nights) <= 4000
    counts = {night: nights.count(night) for night in sorted(set(nights))}
    first = last_night(NOW) - datetime.timedelta(days=NIGHTS - 1)
    assert list(counts) == [(first + datetime.timedelta(days=number)).isoformat() for number in range(NIGHTS)]
    # No night differs so much from the others that a check would take it for unusual.
    assert max(counts.values()) < 1.5 * min(counts.values())


@dataclass
class Site:
    """A stream and a database, and what the demonstration says."""

    settings: Settings
    addresses: Addresses
    output: io.StringIO = field(default_factory=io.StringIO)

    def demonstration(self, alerts: int = ALERTS) -> Demonstration:
        """The demonstration of the site."""
        console = Console(file=self.output, width=160)
        return Demonstration(self.settings, self.addresses, console, alerts=alerts)

    def drain(self) -> int:
        """What a drain run does; how many alerts it stored."""
        stream = self.settings.streams[0]
        schemas = schema_source()
        source = Kafka.of(self.settings).source(stream.name)
        try:
            report = drain(
                source,
                self.addresses.database_url,
                self.settings.archive,
                lambda: AlertDecoder("rubin", "confluent", schemas, topic=stream.topic),
                DrainSettings(idle_seconds=0.5, batch_seconds=0.5),
                topic=stream.topic,
                partitions=source.partitions(),
                run_id="run",
                plan=enrichment_plan(self.settings),
            )
        finally:
            source.close()
        return report.stored

    def read_notices(self) -> None:
        """What a run of notices does."""
        topic = demo_events.topic_of(self.settings) or ""
        source = Kafka.of(self.settings).source(topic)
        try:
            read = read_notices(source, self.addresses.database_url, notice_topics(self.settings)[topic])
        finally:
            source.close()
        assert (read.stored, read.quarantined) == (1, 0)

    def cones_around_objects(self) -> int:
        """Cones of the moving list around objects that are stored."""
        with engine.connect(self.addresses.database_url) as connection:
            events = connection.execute("SELECT ra, decl, radius, mjd_since, mjd_until FROM notice_events").fetchall()
            objects = connection.execute("SELECT ra, decl, lastdiasourcemjdtai FROM objects").fetchall()
        return sum(
            any(
                abs(decl - dec) < radius / 3600 and abs(right - ra) < radius / 3600 and since <= time < until
                for right, decl, time in objects
            )
            for ra, dec, radius, since, until in events
        )

    def send(self) -> None:
        """What a run that delivers does, at the next full hour."""
        with engine.connect(self.addresses.database_url) as connection:
            make_due(connection)
        sender = make_sender(self.settings, self.addresses.database_url)
        try:
            sender.send_due()
        finally:
            sender.close()


@pytest.fixture
def site(tmp_path: Path, database_url: str, kafka: str, topic: str) -> Site:
    """A platform without its services."""
    settings = Settings(
        home=tmp_path,
        database=DatabaseSettings(url=database_url),  # type: ignore[arg-type]
        kafka=KafkaSettings(bootstrap_servers=kafka),
        streams=[StreamSettings(topic=topic, survey="rubin", framing="confluent")],
        notices=NoticeSettings(lists=[MovingListSettings(name=demo_events.LIST, topics=(f"{topic}.notices",))]),
    )
    addresses = Addresses(
        home=str(tmp_path),
        database_url=database_url,
        dagster_url="",
        bootstrap_servers=kafka,
        broker="Kafka",
        dagster_home="",
        webserver_url="http://127.0.0.1:9",
        api_url="",
        code_server_host="",
        code_server_port=0,
    )
    return Site(settings, addresses)


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with mail_server() as started:
        yield started


@pytest.mark.kafka
@pytest.mark.database
def test_alerts_are_sent_once_and_followed_until_they_are_stored(site: Site, kafka: str, mailbox: Mailbox) -> None:
    """It ends when a drain run, which begins while it waits, has stored what it sent; filters deliver matches of it."""
    ending = threading.Event()
    record = site.settings.home / "demo.json"
    delivery = DeliverySettings(mail=MailSettings(host="127.0.0.1", port=mailbox.port))
    site.settings = site.settings.model_copy(
        update={"classifiers": ClassifierSettings(train_default=True), "delivery": delivery}
    )
    running = threading.Thread(target=site.demonstration().run, args=(ending,))
    running.start()
    # Alerts are sent when there is a classifier to score them.
    running.join(1.0)
    assert not record.exists()
    ClassifierStore(site.settings.classifier_folder).add(tiny(site.settings.home / "tiny"))
    while running.is_alive() and not record.exists():
        running.join(0.1)
    sent = json.loads(record.read_text())["alerts"]
    assert running.is_alive()  # nothing is stored yet
    site.read_notices()  # as the platform does, which has Kafka's notices before the alerts
    assert site.drain() == sent
    running.join(60)
    assert not running.is_alive()
    said = site.output.getvalue()
    assert f"{sent:,} received = {sent:,} stored + 0 duplicate + 0 quarantined" in said
    assert "its error circle becomes a cone of a moving list" in said
    with engine.connect(site.addresses.database_url) as connection:
        nights = [str(row[0]) for row in connection.execute("SELECT DISTINCT night FROM ingest_batch_night")]
    assert len(nights) == NIGHTS
    assert max(nights) <= last_night(datetime.datetime.now(datetime.UTC)).isoformat()
    assert all(night in said for night in nights)
    assert "Objects by their class with the highest score of tiny: " in said
    with engine.connect(site.addresses.database_url) as connection:
        ((cones, objects),) = connection.execute(
            "SELECT count(*), count(DISTINCT diaobjectid) FROM watchlist_cones AS cone JOIN watchlists USING (wl_id)"
            " LEFT JOIN objects ON 'object ' || diaobjectid = cone.name WHERE owner = %s",
            (OWNER,),
        )
        assert 20 < cones == objects <= LISTED_OBJECTS
        assert connection.execute("SELECT owner FROM areas").fetchall() == [(OWNER,)]
        queued = dict(
            connection.execute(
                "SELECT filters.name, count(DISTINCT trigger) FROM deliveries JOIN filters USING (filterid)"
                " WHERE owner = %s AND trigger LIKE 'alert/%%' GROUP BY 1",
                (OWNER,),
            ).fetchall()
        )
        # The one of context needs catalogues, the one of the annotator annotations.
        assert queued.keys() == {"Objects of a watchlist", "Objects of events"}
        assert queued["Objects of a watchlist"] > 10
        ((radius, event_topic),) = connection.execute(
            "SELECT event.radius, target FROM notice_events AS event, filter_sinks WHERE kind = 'kafka'"
            " AND filter_sinks.name = 'Objects of events'"
        ).fetchall()
        inside, matched = (
            {row[0] for row in connection.execute(statement)}
            for statement in (
                # On so small a circle, the plane will do.
                "SELECT diaobjectid FROM objects, notice_events AS event WHERE sqrt((objects.decl - event.decl) ^ 2 +"
                " ((objects.ra - event.ra) * cos(radians(event.decl))) ^ 2) * 3600 < event.radius + 1",
                "SELECT diaobjectid FROM deliveries JOIN filters USING (filterid) WHERE name = 'Objects of events'",
            )
        )
        assert matched
        assert matched <= inside
    assert "The checks could not be started" in said  # nothing answers on the webserver's port
    site.demonstration().run(ending)  # the next start
    assert "sent at an earlier start" in site.output.getvalue()
    assert site.drain() == 0
    assert site.cones_around_objects() == 1
    site.send()
    (letter,) = [one for one in mailbox.messages if str(one["Subject"]).startswith("Objects of events: ")]
    count = queued["Objects of events"]
    assert f": {count} match{'' if count == 1 else 'es'} of the hour" in str(letter["Subject"])
    (attached,) = [json.loads(part.get_content()) for part in letter.iter_attachments()]
    messages = [json.loads(value(one)) for one in read_topic(kafka, event_topic, len(attached))]
    for found in (messages, attached):
        assert {one["diaObjectId"] for one in found} == matched
        assert {one["name"] for one in found} == {demo_events.EVENT}
        assert all(0 <= one["arcsec"] < radius and one["days"] >= 0 for one in found)


def test_the_checks_are_a_job_of_the_platform() -> None:
    job = build_defs(settings=Settings()).resolve_job_def(CHECK_JOB)
    assert validate_run_config(job, check_configuration(["2026-11-27"]))


@pytest.mark.kafka
@pytest.mark.database
def test_it_gives_up_with_a_message(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "PATIENCE_SECONDS", 0.5)
    site.demonstration(20).run(threading.Event())
    assert "Nothing has been ingested" in site.output.getvalue()
    assert f"{site.settings.home}/logs/daemon.log" in site.output.getvalue()


@pytest.mark.kafka
@pytest.mark.database
def test_it_ends_with_the_platform(site: Site) -> None:
    ending = threading.Event()
    ending.set()
    site.demonstration(20).run(ending)
    assert not (site.settings.home / "demo.json").exists()


def test_without_a_stream_of_rubin_there_is_none(site: Site) -> None:
    elsewhere = StreamSettings.model_validate(
        {"topic": "a", "survey": "rubin", "framing": "confluent", "kafka": {"bootstrap_servers": "127.0.0.1:9"}}
    )
    for streams in ([], [elsewhere], [StreamSettings(topic="b", survey="ztf", framing="container")]):
        site.settings = site.settings.model_copy(update={"streams": streams})
        site.demonstration().run(threading.Event())
        assert "no demonstration" in site.output.getvalue()
        assert not (site.settings.home / "demo.json").exists()
        site.output = io.StringIO()

"""Brokers of the survey: reading their messages, importing what they report, and a fake broker for rehearsals."""

from __future__ import annotations

import datetime
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from pydantic import ValidationError
from rich.markup import escape

from broker_assets.commands.status import connected_or_given, database
from broker_assets.commands.terminal import terminal
from broker_assets.commands.tom.sending import kafka_configuration
from broker_assets.commands.tom.simulation import database_url
from broker_assets.settings import Settings, load_settings


def fake_broker(
    source: Annotated[list[str], typer.Option("-s", "--source-topics", help="Topics of alerts.")],
    dest: Annotated[str, typer.Option("-t", "--dest-topic", help="Topic of the answers.")],
    server: Annotated[str | None, typer.Option("-k", "--kafka-server", help="host:port of Kafka.")] = None,
    group: Annotated[str, typer.Option("-g", "--group-id", help="Consumer group.")] = "rknop-test",
    seed: Annotated[int | None, typer.Option(help="Of the random classifier.")] = None,
    idle_seconds: Annotated[
        float | None, typer.Option(help="Stop when nothing has arrived for this long; default: never.")
    ] = None,
) -> None:
    """Answer alerts with two classifiers, one always certain and one random: a broker for rehearsals.

    Example: `broker-assets tom fake-broker -s alerts-wfd -t classifications --idle-seconds 10`
    """
    from broker_assets.tom.survey.fake_broker import run_fake_broker

    with _ended_by_signals() as ended:
        done = run_fake_broker(
            kafka_configuration(load_settings(), server), source, dest, group=group, seed=seed,
            idle_seconds=idle_seconds, stop=ended.is_set,
        )  # fmt: skip
    terminal().print(f"{done.messages:,} messages about {done.alerts:,} alerts", highlight=False)
    if done.unread:
        terminal(stderr=True).print(f"{done.unread:,} messages are not alerts and were left out", highlight=False)
    for topic in done.missing:
        terminal(stderr=True).print(f"there is no topic {escape(topic)}", highlight=False)


def broker_poll(
    do_test: Annotated[bool, typer.Option("--do-test", help="Read a topic of the survey's own cluster.")] = False,
    test_topic: Annotated[str, typer.Option("--test-topic", help="Its name.")] = "classifications",
    test_server: Annotated[str | None, typer.Option("--test-server", help="Its host:port, if it is elsewhere.")] = None,
    do_brahms: Annotated[bool, typer.Option("--do-brahms", help="Read from the cluster brahms.")] = False,
    brahms_topic: Annotated[str | None, typer.Option("--brahms-topic", help="Topic.")] = None,
    do_antares: Annotated[bool, typer.Option("--do-antares", help="Read ANTARES.")] = False,
    antares_topic: Annotated[str | None, typer.Option("--antares-topic", help="Topic.")] = None,
    do_fink: Annotated[bool, typer.Option("--do-fink", help="Read Fink.")] = False,
    fink_topic: Annotated[str | None, typer.Option("--fink-topic", help="Topic.")] = None,
    do_alerce: Annotated[bool, typer.Option("--do-alerce", help="Read ALeRCE.")] = False,
    alerce_topic_pattern: Annotated[
        str | None, typer.Option("--alerce-topic-pattern", help="Regular expression of topics.")
    ] = None,
    do_pitt: Annotated[bool, typer.Option("--do-pitt", help="Read Pitt-Google.")] = False,
    pitt_topic: Annotated[str | None, typer.Option("--pitt-topic", help="Topic.")] = None,
    pitt_project: Annotated[
        str | None,
        typer.Option(
            "--pitt-project",
            help="Google Cloud project with the subscription TOPIC-desc; without it, the topic is one of Kafka.",
        ),
    ] = None,
    grouptag: Annotated[
        str | None, typer.Option("-g", "--grouptag", help="Consumer group with its own positions.")
    ] = None,
    reset: Annotated[bool, typer.Option("-r", "--reset", help="Read topics from their beginning, once.")] = False,
    once: Annotated[bool, typer.Option("--once", help="Stop when no more messages are waiting.")] = False,
) -> None:
    """Read messages of brokers until a signal (TERM, INT, USR1); default: those of the settings.

    Each message is stored once, in the transaction of its position; one that cannot be read goes to the quarantine.

    Example: `broker-assets tom brokerpoll2 --do-fink --fink-topic elasticc2-fink`
    """
    chosen = _chosen(
        grouptag,
        {
            "test": (do_test, "elasticc", "test" if test_server else "", test_topic, None),
            "brahms": (do_brahms, "elasticc", "brahms", brahms_topic, None),
            "antares": (do_antares, "antares", "antares", antares_topic, None),
            "fink": (do_fink, "fink", "fink", fink_topic, None),
            "alerce": (do_alerce, "alerce", "alerce", None, alerce_topic_pattern),
            "pitt-google": (do_pitt, "pitt-google", "pitt-google", pitt_topic, None),
        },
    )
    if pitt_project is not None:
        _from_pubsub(chosen, pitt_project)
    settings = connected_or_given(load_settings())
    if chosen:
        settings = _with_brokers(settings, chosen, test_server)
    if not settings.survey.brokers:
        raise typer.BadParameter("the settings have no brokers (survey.brokers), and no --do-… is given")
    if reset:
        _forget_positions(settings)
    _poll(settings, forever=not once)


def _chosen(
    tag: str | None, options: dict[str, tuple[bool, str, str, str | None, str | None]]
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, (wanted, kind, cluster, topic, pattern) in options.items():
        if not wanted:
            continue
        if topic is None and kind != "alerce":
            raise typer.BadParameter(f"--do-{name.split('-')[0]} needs --{name.split('-')[0]}-topic")
        topics = {} if topic is None else {"topics": [topic]}
        found[f"{name}-{tag}" if tag else name] = {
            "kind": kind, "cluster": cluster, **topics, **({"topic_pattern": pattern} if pattern else {}),
        }  # fmt: skip
    return found


def _from_pubsub(chosen: dict[str, dict[str, Any]], project: str) -> None:
    """Read Pitt-Google from its subscription, or from an emulator if the environment names one."""
    values: dict[str, Any] = {"project": project}
    if emulator := os.environ.get("PUBSUB_EMULATOR_HOST"):
        values["url"] = f"http://{emulator}"
    for broker in chosen.values():
        if broker["kind"] == "pitt-google":
            topics = [f"{topic}-desc" for topic in broker["topics"]]
            broker.update(cluster="", topics=topics, pubsub=values)


def _with_brokers(settings: Settings, brokers: dict[str, dict[str, Any]], test_server: str | None) -> Settings:
    from broker_assets.settings.stream import ClusterSettings
    from broker_assets.settings.surveys import BrokerSettings

    clusters = dict(settings.survey.clusters)
    if test_server is not None:
        clusters["test"] = ClusterSettings(bootstrap_servers=test_server)
    try:
        made = {name: BrokerSettings(**values) for name, values in brokers.items()}
    except ValidationError as error:
        raise typer.BadParameter("; ".join(f"{one['loc'][-1]}: {one['msg']}" for one in error.errors())) from None
    survey = settings.survey.model_copy(update={"brokers": made, "clusters": clusters})
    return settings.model_copy(update={"survey": survey})


def _forget_positions(settings: Settings) -> None:
    """Forget the positions of fixed topics; stored messages are recognised. Subscriptions have no position."""
    with database(settings) as connection:
        for name, broker in settings.survey.brokers.items():
            for topic in broker.topics if broker.pubsub is None else ():
                connection.execute("DELETE FROM stream_offset WHERE topic = %s", (f"broker.{name}.{topic}",))
        connection.commit()


def _poll(settings: Settings, *, forever: bool) -> None:
    from broker_assets.resources.kafka import KafkaSource, listed_topics, stream_ends
    from broker_assets.resources.pubsub import ender, opener
    from broker_assets.stream.broker_message_run import run_brokers

    with _ended_by_signals() as ended:
        run = run_brokers(
            database_url(),
            settings,
            opener(lambda location: KafkaSource(location.cluster, location.topic)),
            ender(lambda location, positions: stream_ends(location.cluster, location.topic, positions)),
            lambda location: listed_topics(location.cluster),
            forever=forever,
            idle_seconds=2.0,
            stop=ended.is_set,
        )
    for name, read in sorted(run.read.items()):
        terminal().print(
            f"{name}: {read.received:,} received = {read.stored:,} stored + {read.duplicate:,} known +"
            f" {read.quarantined:,} quarantined; {read.classifiers:,} new classifiers",
            highlight=False,
        )
    for name, problem in sorted(run.problems.items()):
        terminal(stderr=True).print(f"[red]{escape(name)}[/red]: {escape(problem)}", highlight=False)
    if run.problems and not forever:
        raise typer.Exit(1)


@contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    """An event that the signals TERM, INT and USR1 set."""
    ended = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield ended
        return
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)
    before = [signal.signal(number, lambda *_: ended.set()) for number in numbers]
    try:
        yield ended
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def update_sources(
    doall: Annotated[bool, typer.Option("--doall", help="Import the detections of all messages.")] = False,
) -> None:
    """Import what brokers reported: objects, detections, forced photometry, and their roll-ups.

    The exit code is 1 if another process is importing.
    """
    from broker_assets.database.engine import connect
    from broker_assets.sky.cells import cells_at
    from broker_assets.sky.htm import htm
    from broker_assets.tom.objects.importing import import_reported

    begin = datetime.datetime.now(datetime.UTC)
    with connect(database_url(), application="broker-assets import", autocommit=True) as connection:
        done = import_reported(connection, lambda ra, decl: (cells_at(ra, decl), htm(ra, decl)), every=doall)
    seconds = (datetime.datetime.now(datetime.UTC) - begin).total_seconds()
    terminal().print(
        f"{done.listed:,} detections listed, {done.unknown:,} of them unknown: {done.objects:,} new objects,"
        f" {done.sources:,} detections, {done.forced:,} forced measurements in {seconds:.1f} s",
        highlight=False,
    )

"""Sends alerts of the simulated survey to Kafka: from the tables, or from folders named by night."""

from __future__ import annotations

import datetime
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from broker_assets.commands.status import connected_or_given, database
from broker_assets.commands.terminal import terminal
from broker_assets.commands.tom.simulation import database_url
from broker_assets.settings import Settings, load_settings

if TYPE_CHECKING:
    from broker_assets.tom.survey.sending import SendReport

Server = Annotated[
    str | None, typer.Option("-k", "--kafka-server", help="host:port of Kafka; that of the settings unless given.")
]
Schema = Annotated[str | None, typer.Option("-s", "--alert-schema", help="Schema: 0.9.1 or 0.9, or its file.")]
FlushEvery = Annotated[int | None, typer.Option("-f", "--flush-every", min=1, help="Alerts of a batch.")]
LogEvery = Annotated[int, typer.Option("-l", "--log-every", min=1, help="Alerts between two lines of output.")]
Rate = Annotated[float | None, typer.Option("--rate", help="Alerts per second; as fast as possible unless given.")]
Do = Annotated[bool, typer.Option("--do", help="Send; otherwise the alerts are counted.")]


def kafka_configuration(settings: Settings, server: str | None) -> dict[str, Any]:
    """Properties of librdkafka for the cluster of the survey, or for another server."""
    from broker_assets.resources.kafka import client_configuration
    from broker_assets.settings.stream import ClusterSettings

    if server is not None:
        return client_configuration(ClusterSettings(bootstrap_servers=server))
    return client_configuration(connected_or_given(settings).survey_cluster)


@contextmanager
def running_file(path: Path | None) -> Iterator[bool]:
    """Hold a file that indicates a running sender; yields False if another process holds it.

    The file of a process on this machine that has ended is taken over.
    """
    if path is None:
        yield True
        return
    text = f"{datetime.datetime.now(datetime.UTC).isoformat()} {socket.gethostname()} {os.getpid()}\n"
    try:
        _create(path, text)
    except FileExistsError:
        words = path.read_text().split()
        ours = len(words) == 3 and words[1] == socket.gethostname() and words[2].isdigit()
        if not ours or _runs(int(words[2])):
            yield False
            return
        path.unlink(missing_ok=True)
        try:
            _create(path, text)
        except FileExistsError:
            yield False
            return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)


def _create(path: Path, text: str) -> None:
    with path.open("x") as stream:
        stream.write(text)


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def send_alerts(
    start_day: Annotated[float | None, typer.Option("--start-day", help="First time, MJD.")] = None,
    through_day: Annotated[float | None, typer.Option("-d", "--through-day", help="Last time, MJD.")] = None,
    added_days: Annotated[
        float | None, typer.Option("-a", "--added-days", help="Nights after the last alert that was sent.")
    ] = None,
    kafka_server: Server = None,
    wfd_topic: Annotated[str | None, typer.Option("--wfd-topic", help="Topic of the wide survey.")] = None,
    ddf_full_topic: Annotated[
        str | None, typer.Option("--ddf-full-topic", help="Topic of deep fields, whole history.")
    ] = None,
    ddf_limited_topic: Annotated[
        str | None, typer.Option("--ddf-limited-topic", help="Topic of deep fields, 30 days of history.")
    ] = None,
    alert_schema: Schema = None,
    flush_every: FlushEvery = None,
    log_every: LogEvery = 10_000,
    runningfile: Annotated[
        Path | None, typer.Option("-r", "--runningfile", help="If this file exists, nothing is sent.")
    ] = None,
    processes: Annotated[int, typer.Option("-n", "--num-reconstruct-processes", help="Without effect.")] = 3,
    rate: Rate = None,
    do: Do = False,
) -> None:
    """Send the alerts of the simulated survey in order of time, each once.

    The work of a sender that was killed is finished by the next one: no alert is left out, and none is sent twice.

    Examples:

    `broker-assets tom send-elasticc2-alerts -d 60578 --do`

    `broker-assets tom send-elasticc2-alerts -a 1 --rate 100 --do`
    """
    from broker_assets.tom.survey import sending
    from broker_assets.tom.survey.kafka_topics import KafkaTopics
    from broker_assets.tom.survey.schemas import schema_version
    from broker_assets.tom.survey.selection import count, window

    settings = load_settings()
    survey = settings.survey
    with running_file(runningfile) as mine:
        if not mine:
            terminal().print(f"{runningfile} exists: a sender is running, nothing is sent.", highlight=False)
            return
        with database(settings) as connection:
            chosen = window(connection, through_day=through_day, added_days=added_days, start_day=start_day)
            waiting = 0 if chosen is None else count(connection, chosen)
        if chosen is None or not waiting:
            terminal().print("No alert of these times is left to be sent.")
        if chosen is None:
            return
        if not do:
            since = "the beginning" if chosen.start is None else f"MJD {chosen.start:g}"
            terminal().print(f"{waiting:,} alerts from {since} through MJD {chosen.through:g}; --do sends them",
                             highlight=False)  # fmt: skip
            return
        topics = KafkaTopics(
            kafka_configuration(settings, kafka_server), partitions=survey.topic_partitions,
            confirm_seconds=survey.confirm_seconds,
        )  # fmt: skip
        report = sending.send_alerts(
            database_url(),
            topics,
            chosen,
            streams=sending.AlertTopics(
                wfd_topic or survey.wide_topic,
                ddf_full_topic or survey.deep_full_topic,
                ddf_limited_topic or survey.deep_limited_topic,
            ),
            version=schema_version(alert_schema or survey.schema_version),
            pace=_pace(settings, flush_every, rate),
            progress=_progress(log_every),
        )
        _summary(report)


def send_folders(
    places: Annotated[list[Path], typer.Argument(help="Folders with a folder or a tar file for each night.")],
    topic: Annotated[str, typer.Option(help="Kafka topic.")],
    start_day: Annotated[int | None, typer.Option("--start-day", help="First night, integer MJD.")] = None,
    through_day: Annotated[int | None, typer.Option("-d", "--through-day", help="Last night, integer MJD.")] = None,
    campaign_start: Annotated[
        datetime.datetime | None,
        typer.Option(help="Beginning of a campaign, UTC: the nights that are due today are sent."),
    ] = None,
    compression_factor: Annotated[
        int, typer.Option(min=1, help="Nights of the simulation for each day of the campaign.")
    ] = 10,
    kafka_server: Server = None,
    alert_schema: Schema = None,
    flush_every: FlushEvery = None,
    log_every: LogEvery = 10_000,
    rate: Rate = None,
    do: Do = False,
) -> None:
    """Send alerts from folders named by night (`NITE60282`, `2023-12-04`), each once.

    Example: `broker-assets tom send-folders ALERTS --topic elasticc-1 --campaign-start 2022-09-28 --do`
    """
    from broker_assets.tom.survey import folders
    from broker_assets.tom.survey.kafka_topics import KafkaTopics
    from broker_assets.tom.survey.schemas import schema_version

    settings = load_settings()
    found = folders.folder_nights(places)
    nights = range(
        start_day if start_day is not None else min(found, default=0),
        (through_day if through_day is not None else max(found, default=-1)) + 1,
    )
    if campaign_start is not None:
        begin = campaign_start.replace(tzinfo=datetime.UTC)
        now = datetime.datetime.now(datetime.UTC)
        nights = folders.campaign_nights(nights.start, begin, compression_factor, now, last=nights.stop - 1)
    chosen = [day for day in found if day in nights]
    if not do:
        terminal().print(f"{len(chosen)} nights; --do sends those that were not sent", highlight=False)
        return
    shown = _progress(log_every)
    report = folders.send_folders(
        database_url(),
        KafkaTopics(kafka_configuration(settings, kafka_server), partitions=settings.survey.topic_partitions,
                    confirm_seconds=settings.survey.confirm_seconds),
        places,
        topic,
        nights=nights,
        version=schema_version(alert_schema or settings.survey.schema_version),
        pace=_pace(settings, flush_every, rate),
        progress=lambda _, report: shown(report),
    )  # fmt: skip
    _summary(report)


def _pace(settings: Settings, flush_every: int | None, rate: float | None) -> Any:
    from broker_assets.tom.survey.sending import Pace

    survey = settings.survey
    return Pace(
        flush_every=flush_every or survey.flush_every,
        rate=rate if rate is not None else survey.rate,
        confirm_seconds=survey.confirm_seconds,
    )


def _progress(every: int) -> Any:
    shown = 0

    def show(report: SendReport) -> None:
        nonlocal shown
        if report.alerts // every > shown:
            shown = report.alerts // every
            terminal().print(f"{report.alerts:,} alerts, {report.rate:,.0f}/s", highlight=False)

    return show


def _summary(report: SendReport) -> None:
    topics = ", ".join(f"{number:,} to {topic}" for topic, number in report.messages.items()) or "none"
    left = f", {report.recovered:,} of them begun by a sender that died" if report.recovered else ""
    terminal().print(
        f"{report.alerts:,} alerts sent in {report.seconds:.1f} s ({report.rate:,.0f}/s){left}: {topics}",
        highlight=False,
    )

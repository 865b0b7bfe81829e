"""`broker-assets replay` and `simulate`: send messages to a topic, or write a simulated survey to files."""

from __future__ import annotations

import datetime
import enum
import itertools
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from broker_assets.commands.terminal import terminal
from broker_assets.settings import ClusterSettings, Settings, StreamLocation, StreamSettings, load_settings

if TYPE_CHECKING:
    from broker_assets.replay.packet_files import PacketFileError
    from broker_assets.replay.producer import OutgoingMessage, ReplayReport
    from broker_assets.simulation import SimulatedAlert


class FramingChoice(enum.StrEnum):
    """Framing of the messages."""

    auto = "auto"
    keep = "keep"
    confluent = "confluent"
    container = "container"
    bare = "bare"


class CutoutChoice(enum.StrEnum):
    """Amount of cutout data generated."""

    none = "none"
    small = "small"
    real = "real"


class SurveyChoice(enum.StrEnum):
    """Survey whose packets are imitated."""

    rubin = "rubin"
    ztf = "ztf"


Bootstrap = Annotated[
    str | None,
    typer.Option(
        "--bootstrap-servers", help="Kafka, `host:port,…`; otherwise that of the stream, of the settings or of `up`."
    ),
]
Rate = Annotated[float | None, typer.Option(help="Messages per second; default: as fast as possible.")]
Partitions = Annotated[int, typer.Option(min=1, help="Partitions of the topic, if it has to be created.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress display.")]


def replay(
    paths: Annotated[list[Path], typer.Argument(help="Files, folders, or .tar, .tar.gz and .zip archives.")],
    topic: Annotated[
        str, typer.Option("--topic", "-t", help="Topic or name of a stream to send to; created if it does not exist.")
    ],
    rate: Rate = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many messages.")] = None,
    loop: Annotated[bool, typer.Option("--loop", help="Start over at the end, until Ctrl-C or the limit.")] = False,
    partitions: Partitions = 4,
    framing: Annotated[
        FramingChoice,
        typer.Option(help="Framing to send; `auto`: that of the configured stream of the topic, else unchanged."),
    ] = FramingChoice.auto,
    schema_id: Annotated[
        int | None,
        typer.Option(min=0, help="Schema id for bare datums sent in Confluent framing (Rubin's 9.0 is 900)."),
    ] = None,
    bootstrap_servers: Bootstrap = None,
    quiet: Quiet = False,
) -> None:
    """Send alert packets from files to a Kafka topic.

    Accepts Avro containers (ZTF, ELAsTiCC), Confluent-framed messages and bare datums (Rubin), files of the packet
    archive, folders of these, and the nightly archives of ZTF. Messages of one object go to one partition, and every
    delivery is verified. A file that cannot be read is reported; the others are sent, and the exit code is 1.

    Examples:

    `broker-assets replay ztf_public_20230101.tar.gz --topic ztf-alerts --rate 200`

    `broker-assets replay alerts/ --topic rubin-alerts --limit 1000`

    `broker-assets replay datums/*.avro --topic rubin-alerts --schema-id 900`
    """
    from broker_assets.replay.keys import object_keys
    from broker_assets.replay.packet_files import count_files, read_packets
    from broker_assets.replay.producer import OutgoingMessage

    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise typer.BadParameter(f"{', '.join(missing)} does not exist", param_hint="PATHS")
    settings = load_settings()
    chosen = _framing(framing, settings, topic)

    unreadable: set[str] = set()

    def report(error: PacketFileError) -> None:
        if str(error) not in unreadable:
            terminal(stderr=True).print(str(error), style="red", markup=False, highlight=False)
        unreadable.add(str(error))

    def found() -> Iterator[OutgoingMessage]:
        rounds = itertools.repeat(paths) if loop else iter([paths])
        for round_ in rounds:
            none = True
            for packet, key in object_keys(read_packets(round_, framing=chosen, schema_id=schema_id, on_error=report)):
                none = False
                yield OutgoingMessage(packet.value, key)
            if none and unreadable:
                raise typer.Exit(1)
            if none:
                raise typer.BadParameter("no packets found: only files that end in .avro are read", param_hint="PATHS")

    total = limit if limit is not None else (None if loop else count_files(paths))
    _send(itertools.islice(found(), limit), topic, total, rate, partitions, bootstrap_servers, settings, quiet)
    if unreadable:
        raise typer.Exit(1)


def simulate(
    topic: Annotated[
        str | None,
        typer.Option(
            "--topic", "-t", help="Topic or name of a stream to send to; otherwise rubin-alerts or ztf-alerts."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Write one file per alert to this folder instead.")] = None,
    survey: Annotated[SurveyChoice, typer.Option(help="Survey whose packets are imitated.")] = SurveyChoice.rubin,
    schema: Annotated[str, typer.Option(help="Version of Rubin's schema, 7.0 to 11.1.")] = "11.1",
    objects: Annotated[int, typer.Option(min=0, help="Objects in the footprint.")] = 5000,
    nights: Annotated[int, typer.Option(min=1, help="Nights with alerts.")] = 3,
    first_night: Annotated[
        str | None,
        typer.Option(help="Evening of the first night, YYYY-MM-DD; by default the last one is last night."),
    ] = None,
    history: Annotated[int, typer.Option(min=0, help="Earlier nights, observed but without alerts.")] = 60,
    asteroids: Annotated[int | None, typer.Option(min=0, help="Asteroids; default: a fifth of the objects.")] = None,
    cutouts: Annotated[
        CutoutChoice, typer.Option(help="`small`: images only (26 kB); `real`: as Rubin sends them (139 kB).")
    ] = CutoutChoice.small,
    seed: Annotated[int, typer.Option(min=0, help="A different seed gives a different sky, with different ids.")] = 1,
    limit: Annotated[int | None, typer.Option(min=1, help="Stop after this many alerts.")] = None,
    rate: Rate = None,
    partitions: Partitions = 4,
    truth: Annotated[
        Path | None, typer.Option(help="Write the true class of each object to this Parquet file.")
    ] = None,
    schema_folder: Annotated[
        Path | None, typer.Option(help="Folder of Rubin's schemas; default: the package lsst-alert-packet.")
    ] = None,
    schemas_to: Annotated[
        Path | None, typer.Option(help="Also copy the schemas used to this folder, for the reader.")
    ] = None,
    bootstrap_servers: Bootstrap = None,
    quiet: Quiet = False,
) -> None:
    """Generate the alerts of a simulated survey; the same options, `--first-night` included, give the same alerts.

    Supernovae, variable stars, active galaxies, flares, asteroids and artefacts over the survey's footprint, observed
    night after night. Packets contain up to a year of history, forced photometry and cutouts.

    Examples:

    `broker-assets simulate --nights 2`

    `broker-assets simulate --objects 50000 --history 365 --cutouts real --rate 256`

    `broker-assets simulate --out alerts --schema 9.0 --limit 100`

    `broker-assets simulate --survey ztf --topic ztf-alerts`
    """
    from broker_assets.replay.producer import OutgoingMessage
    from broker_assets.simulation import Survey
    from broker_assets.simulation.cadence import last_night

    if first_night is None:
        last = last_night(datetime.datetime.now(datetime.UTC))
        first_night = (last - datetime.timedelta(days=nights - 1)).isoformat()
    made = Survey(
        survey=survey.value,
        seed=seed,
        objects=objects,
        nights=nights,
        first_night=first_night,
        history=history,
        schema=schema,
        cutouts=cutouts.value,
        asteroids=asteroids,
        schema_folder=schema_folder,
    )
    if schemas_to is not None:
        made.copy_schemas(schemas_to)
    alerts = itertools.islice(made.alerts(), limit)
    if out is not None:
        _write(alerts, out, limit, quiet)
    else:
        settings = load_settings()
        outgoing = (OutgoingMessage(alert.payload, alert.key) for alert in alerts)
        target = topic or f"{survey.value}-alerts"
        _send(outgoing, target, limit, rate, partitions, bootstrap_servers, settings, quiet)
    if truth is not None:
        from pyarrow import parquet

        truth.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(made.truth(), truth)
        terminal().print(f"True classes of the objects: {truth}")


def _framing(framing: FramingChoice, settings: Settings, topic: str) -> Any:
    if framing is not FramingChoice.auto:
        return framing.value
    stream = _stream(settings, topic)
    return stream.framing if stream is not None else "keep"


def _stream(settings: Settings, topic: str) -> StreamSettings | None:
    """The configured stream of this name, else the only one on this topic.

    Raises
    ------
    ValueError
        If several streams have the topic, on different clusters.
    """
    found = [stream for stream in settings.streams if stream.name == topic]
    found = found or [stream for stream in settings.streams if stream.topic == topic]
    if len(found) > 1:
        names = ", ".join(stream.name for stream in found)
        raise ValueError(f"several streams are on the topic {topic!r}: give the name of one of them ({names}) instead")
    return found[0] if found else None


def _target(settings: Settings, topic: str, servers: str | None) -> StreamLocation:
    """Location to which messages for a topic, or for the stream with this name, are sent."""
    stream = _stream(settings, topic)
    if servers is None and (stream is None or settings.location(stream).cluster.bootstrap_servers is None):
        from broker_assets.local.platform import connected

        if settings.kafka.bootstrap_servers is None:
            settings = connected(settings)
    if stream is not None:
        location = settings.location(stream)
    else:
        location = StreamLocation(topic, topic, ClusterSettings().inheriting(settings.kafka))
    if servers is None:
        return location
    return replace(location, cluster=location.cluster.model_copy(update={"bootstrap_servers": servers}))


@contextmanager
def _progress(total: int | None, quiet: bool) -> Iterator[Any]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[size]}"),
        TimeElapsedColumn(),
    )
    shown = terminal(stderr=True)
    with Progress(*columns, console=shown, disable=quiet or not shown.is_terminal, transient=True) as progress:
        task = progress.add_task("Sending", total=total, rate="", size="")
        begin = time.monotonic()

        def show(count: int, size: int) -> None:
            seconds = max(time.monotonic() - begin, 1e-3)
            progress.update(task, completed=count, rate=f"{count / seconds:,.0f}/s", size=f"{size / 1e6:,.1f} MB")

        yield show


def _send(
    outgoing: Iterable[OutgoingMessage],
    topic: str,
    total: int | None,
    rate: float | None,
    partitions: int,
    bootstrap_servers: str | None,
    settings: Settings,
    quiet: bool,
) -> None:
    from broker_assets.replay.producer import produce

    target = _target(settings, topic, bootstrap_servers)
    servers = target.cluster.bootstrap_servers or ""
    with _progress(total, quiet) as show:
        report = produce(
            outgoing,
            bootstrap_servers=servers,
            topic=target.topic,
            rate=rate,
            partitions=partitions,
            client=target.cluster.properties(),
            progress=show,
        )
    _summary(report, servers)
    if report.interrupted:
        terminal().print("Stopped before the end.")
        raise typer.Exit(130)


def _summary(report: ReplayReport, servers: str) -> None:
    terminal().print(
        f"{report.messages:,} messages, {report.bytes / 1e6:,.1f} MB to topic [bold]{report.topic}[/bold] on {servers} "
        f"in {report.seconds:.1f} s ({report.rate:,.0f}/s)",
        highlight=False,
    )
    if report.offsets:
        table = Table(box=None, pad_edge=False)
        for name in ("partition", "messages", "first offset", "next offset"):
            table.add_column(name, justify="right")
        for partition, (first, after) in sorted(report.offsets.items()):
            table.add_row(str(partition), f"{report.partitions[partition]:,}", str(first), str(after))
        terminal().print(table)


def _write(alerts: Iterable[SimulatedAlert], out: Path, total: int | None, quiet: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    count = size = 0
    with _progress(total, quiet) as show:
        for alert in alerts:
            folder = out / alert.night
            folder.mkdir(exist_ok=True)
            suffix = "avro" if alert.payload.startswith(b"Obj\x01") else "confluent.avro"
            (folder / f"{alert.diasourceid}.{suffix}").write_bytes(alert.payload)
            count += 1
            size += len(alert.payload)
            show(count, size)
    terminal().print(f"{count:,} alerts, {size / 1e6:,.1f} MB in {out}", highlight=False)

"""`broker-assets annotator`: external programs and brokers that annotate objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.lists.options import account
from broker_assets.commands.status import connected_or_given, database
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import load_settings

if TYPE_CHECKING:
    from broker_assets.annotations.annotators import Annotator

app = typer.Typer(
    no_args_is_help=True,
    help="Annotators: add, list, show, change, activate, deactivate, remove.",
    add_completion=False,
)

Topic = Annotated[str, typer.Argument(help="Its topic.", show_default=False)]
Owner = Annotated[
    str | None,
    typer.Option(help="Account that may annotate with it; your user name on this machine unless given."),
]
Description = Annotated[str | None, typer.Option(help="What it is.", show_default=False)]
Version = Annotated[str | None, typer.Option(help="Version of annotations that do not state one.", show_default=False)]
Schema = Annotated[
    Path | None,
    typer.Option(help="File with the JSON Schema of classdict.", exists=True, dir_okay=False, show_default=False),
]
Url = Annotated[str | None, typer.Option(help="Page about it.", show_default=False)]
Public = Annotated[
    bool | None, typer.Option("--public/--private", help="Whether others see its annotations.", show_default=False)
]
Kind = Annotated[
    str | None,
    typer.Option(help="Where it comes from: lasair, fink, hopskotch, ampel, babamul, antares, alerce, none."),
]
KafkaTopics = Annotated[
    list[str] | None, typer.Option("--kafka-topic", help="Kafka topic to read; may be repeated.", show_default=False)
]
Cluster = Annotated[
    str | None, typer.Option(help="Cluster of the settings (annotations.clusters).", show_default=False)
]
SourceFile = Annotated[
    Path | None,
    typer.Option("--source", help="File with the whole source as JSON.", exists=True, dir_okay=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]


@app.command()
def add(
    topic: Topic,
    owner: Owner = None,
    description: Description = None,
    version: Version = None,
    schema: Schema = None,
    url: Url = None,
    public: Public = None,
    active: Annotated[bool, typer.Option("--active/--inactive", help="Whether it may annotate.")] = True,
    kind: Kind = None,
    kafka_topic: KafkaTopics = None,
    cluster: Cluster = None,
    source: SourceFile = None,
    create_topic: Annotated[
        bool, typer.Option(help="Create its Kafka topic on the platform's own broker if it does not exist.")
    ] = True,
) -> None:
    """Add an annotator.

    Without a kind, its annotations arrive through the API, by command, or on the Kafka topic `anno_TOPIC` in the format
    of Lasair's producer.

    Examples:

    `broker-assets annotator add fastfinder --public --schema probabilities.json`

    `broker-assets annotator add fink_sn --kind fink --kafka-topic fink_sn_near_galaxy_candidate_lsst`
    """
    from broker_assets.annotations.annotators import add_annotator

    settings = connected_or_given(load_settings())
    with database(settings) as connection:
        added = add_annotator(
            connection,
            topic,
            account(owner),
            description=description or "",
            version=version or "0.1",
            schema=None if schema is None else schema.read_text(encoding="utf-8"),
            url=url,
            active=active,
            public=bool(public),
            source=_source(kind, kafka_topic, cluster, source),
        )
    echo(f"{added.topic} of {added.owner}, {'active' if added.active else 'not active'}")
    reads = added.reads
    if reads.topics:
        where = f"cluster {reads.cluster}" if reads.cluster else "the platform's Kafka"
        echo(f"reads {', '.join(reads.topics)} of {where}, as {reads.form}")
    if create_topic and reads.topics and not reads.cluster and _create_topics(settings, reads.topics):
        _let_write(settings, added.owner, reads.topics)


def _source(
    kind: str | None, topics: list[str] | None, cluster: str | None, file: Path | None
) -> dict[str, Any] | None:
    if file is not None:
        if kind or topics or cluster:
            raise typer.BadParameter("give --source, or --kind, --kafka-topic and --cluster", param_hint="--source")
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise typer.BadParameter(f"{file} is not JSON: {error}", param_hint="--source") from error
        if not isinstance(found, dict):
            raise typer.BadParameter(f"{file} is not a JSON object", param_hint="--source")
        return found
    given = {"kind": kind, "topics": topics or None, "cluster": cluster}
    return {name: value for name, value in given.items() if value is not None} or None


def _create_topics(settings: Any, topics: tuple[str, ...]) -> bool:
    """Create the topics that do not exist; return whether all exist now."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient, NewTopic

    from broker_assets.resources.kafka import client_configuration
    from broker_assets.stream.messages import SourceError

    try:
        cluster = settings.annotation_location("annotator", topics[0], "").cluster
        admin = AdminClient(client_configuration(cluster, log_level=0))
        known = admin.list_topics(timeout=3).topics
        missing = [NewTopic(name, num_partitions=1) for name in topics if name not in known]
        for name, future in admin.create_topics(missing).items() if missing else ():
            future.result(10)
            echo(f"made the Kafka topic {name}")
    except (KafkaException, SourceError) as error:
        echo(f"its Kafka topic was not made: {error}; it is read as soon as it exists")
        return False
    return True


def _let_write(settings: Any, owner: str, topics: tuple[str, ...]) -> None:
    """Restrict writing to the topics to the owner, if the Kafka cluster supports that."""
    from broker_assets.delivery.errors import SinkError
    from broker_assets.delivery.readers import Readers

    try:
        Readers(settings.annotation_location("annotator", topics[0], "").cluster).let_write(owner, topics)
    except SinkError:
        echo("everybody who reaches this Kafka may write to its topics: it has no rules of access")
    else:
        echo(f"{owner} may write to its topics; `broker-assets delivery readers create` gives a user and a password")


@app.command()
def change(
    topic: Topic,
    owner: Annotated[str | None, typer.Option(help="Another owner.", show_default=False)] = None,
    description: Description = None,
    version: Version = None,
    schema: Schema = None,
    no_schema: Annotated[bool, typer.Option("--no-schema", help="Accept any JSON object as classdict.")] = False,
    url: Url = None,
    public: Public = None,
    kind: Kind = None,
    kafka_topic: KafkaTopics = None,
    cluster: Cluster = None,
    source: SourceFile = None,
) -> None:
    """Change the settings of an annotator; earlier settings are kept under their numbers.

    Example: `broker-assets annotator change fastfinder --version 2 --schema new.json`
    """
    from broker_assets.annotations.annotators import AnnotatorChange

    text = "" if no_schema else None if schema is None else schema.read_text(encoding="utf-8")
    now = _change(
        topic,
        AnnotatorChange(
            owner=owner, description=description, version=version, schema=text, url=url, public=public,
            source=_source(kind, kafka_topic, cluster, source),
        ),
    )  # fmt: skip
    if (owner or now.source is not None) and now.reads.topics and not now.reads.cluster:
        _let_write(connected_or_given(load_settings()), now.owner, now.reads.topics)


@app.command()
def activate(topic: Topic) -> None:
    """Activate an annotator; its Kafka topics are read from the last position."""
    from broker_assets.annotations.annotators import AnnotatorChange

    _change(topic, AnnotatorChange(active=True))


@app.command()
def deactivate(topic: Topic) -> None:
    """Refuse annotations of an annotator, and stop reading its Kafka topics; its annotations are kept."""
    from broker_assets.annotations.annotators import AnnotatorChange

    _change(topic, AnnotatorChange(active=False))


def _change(topic: str, changes: Any) -> Annotator:
    from broker_assets.annotations.annotators import change_annotator, get

    with database(load_settings()) as connection:
        change_annotator(connection, topic, changes)
        now = get(connection, topic)
    echo(f"{now.topic} of {now.owner}, {'active' if now.active else 'not active'}, change {now.revision}")
    return now


@app.command()
def remove(
    topic: Topic,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove an annotator and its annotations; their history stays."""
    from broker_assets.annotations.annotators import get, remove_annotator

    with database(load_settings()) as connection:
        get(connection, topic)
        if not yes:
            typer.confirm(f"Remove {topic} and all its annotations?", abort=True)
        count = remove_annotator(connection, topic)
    echo(f"{topic} removed, with {count:,} annotations")


@app.command("list")
def list_annotators(as_json: AsJson = False) -> None:
    """All annotators, with how many objects have their annotations."""
    from broker_assets.annotations.annotators import listing

    with database(load_settings()) as connection:
        found = listing(connection)
        counts = dict(connection.execute("SELECT topic, count(*) FROM annotations GROUP BY topic").fetchall())
        held = dict(connection.execute("SELECT topic, count(*) FROM annotation_waiting GROUP BY topic").fetchall())
    if as_json:
        echo(json.dumps([_document(one) | {"objects": counts.get(one.topic, 0)} for one in found], indent=1))
        return
    if not found:
        echo("There is no annotator yet; see `broker-assets annotator add --help` and docs/annotations.md.")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("topic", "owner", "active", "public", "version", "source", "objects", "waiting"):
        table.add_column(column, overflow="fold", justify="right" if column in ("objects", "waiting") else "left")
    for one in found:
        kind = (one.source or {}).get("kind", "lasair")
        table.add_row(
            one.topic, escape(one.owner), "yes" if one.active else "", "yes" if one.public else "",
            escape(one.version), str(kind), f"{counts.get(one.topic, 0):,}", f"{held.get(one.topic, 0):,}",
        )  # fmt: skip
    terminal().print(table)


@app.command()
def show(topic: Topic, as_json: AsJson = False) -> None:
    """An annotator: settings, source, and its changes."""
    from broker_assets.annotations.annotators import get

    with database(load_settings()) as connection:
        one = get(connection, topic)
        changes = connection.execute(
            "SELECT revision_from, owner, version, active, public FROM annotator_history WHERE topic = %s"
            " ORDER BY revision_from",
            (topic,),
        ).fetchall()
    document = _document(one)
    if as_json:
        echo(json.dumps(document, indent=1))
        return
    for name, value in document.items():
        if value not in (None, ""):
            echo(f"{name}: {value if isinstance(value, str) else json.dumps(value)}")
    for revision, owner, version, active, public in changes:
        state = ", ".join(["active" if active else "not active", "public" if public else "private"])
        echo(f"change {revision}: {owner}, version {version}, {state}")


def _document(one: Annotator) -> dict[str, Any]:
    reads = one.reads
    return {
        "topic": one.topic,
        "owner": one.owner,
        "description": one.description,
        "version": one.version,
        "url": one.url,
        "active": one.active,
        "public": one.public,
        "schema": one.schema,
        "source": {
            "kind": reads.kind,
            "cluster": reads.cluster,
            "topics": list(reads.topics),
            "form": reads.form,
            "fields": dict(reads.fields.places),
        },
        "revision": one.revision,
    }

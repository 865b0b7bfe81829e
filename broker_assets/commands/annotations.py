"""`broker-assets annotation`: what annotators say about an object, and single annotations by hand."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from broker_assets.commands.status import database
from broker_assets.commands.terminal import echo, terminal
from broker_assets.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Annotations of objects: add one, show those of an object.")

Object = Annotated[str, typer.Argument(metavar="OBJECT", help="diaObjectId, or the name of a ZTF object.")]


@app.command()
def add(
    topic: Annotated[str, typer.Argument(help="Topic of the annotator.")],
    object_id: Object,
    classification: Annotated[str, typer.Argument(help="Class, or a short text.")],
    version: Annotated[str | None, typer.Option(help="Version; that of the annotator unless given.")] = None,
    explanation: Annotated[str, typer.Option(help="Explanation in plain text.")] = "",
    classdict: Annotated[str, typer.Option(help="Anything else as a JSON object.")] = "{}",
    url: Annotated[str, typer.Option(help="Link to more.")] = "",
    owner: Annotated[
        str | None, typer.Option(help="Account that annotates; default: an operator, who may use every annotator.")
    ] = None,
) -> None:
    """Annotate an object; the filters that ask for the annotator run within seconds.

    Example: `broker-assets annotation add fastfinder 313853499513569305 kilonova --classdict '{"p": 0.9}'`
    """
    from broker_assets.stream.annotation_followup import annotate

    said: dict[str, Any] = {
        "topic": topic, "diaObjectId": object_id, "classification": classification, "version": version,
        "explanation": explanation, "classdict": classdict, "url": url,
    }  # fmt: skip
    with database(load_settings()) as connection:
        written = annotate(connection, owner, [said])
    if written.refusal is not None:
        raise written.refusal
    known = "; the annotator had said the same before" if written.outcomes == ["known"] else ""
    terminal().print(f"written in batch {written.ingestid}{known}", highlight=False)


@app.command()
def show(
    object_id: Object,
    topic: Annotated[str | None, typer.Option("--topic", "-t", help="Only of this annotator.")] = None,
    history: Annotated[
        bool, typer.Option("--history", help="All annotations ever made, not only the current ones.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """Show what annotators say about an object, public or not.

    Example: `broker-assets annotation show 313853499513569305 --history`
    """
    from broker_assets.annotations.content import object_number
    from broker_assets.annotations.store import of_object
    from broker_assets.stream.annotation_messages import object_named

    identifier = object_number(object_id, object_named)
    with database(load_settings()) as connection:
        found = of_object(connection, identifier, topic=topic, history=history)
    if as_json:
        echo(json.dumps([_plain(one) for one in found], indent=1))
        return
    if not found:
        terminal().print(f"No annotation of object {identifier}.", highlight=False)
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("topic", "version", "classification", "explanation", "classdict", "received", "as of change", "url"):
        table.add_column(column, overflow="fold")
    for one in found:
        until = f" to {one['revision_to']}" if one["revision_to"] is not None else ""
        table.add_row(
            one["topic"], escape(one["version"]), escape(one["classification"]), escape(one["explanation"]),
            escape(json.dumps(one["classdict"])), f"{one['timestamp']:%Y-%m-%d %H:%M:%S}",
            f"{one['revision_from']}{until}", escape(one["url"] or ""),
        )  # fmt: skip
    terminal().print(table)


def _plain(one: dict[str, Any]) -> dict[str, Any]:
    return one | {"timestamp": one["timestamp"].isoformat()}

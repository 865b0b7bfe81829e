"""`broker-assets classifiers`: the models that score alerts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from broker_assets.classifiers.description import ClassifierError, Column, StampInput
from broker_assets.classifiers.store import ClassifierStore, Stored
from broker_assets.commands.terminal import echo, printable, terminal
from broker_assets.settings import load_settings

app = typer.Typer(no_args_is_help=True, help="Models that score alerts.")
Name = Annotated[str, typer.Argument(help="Name of the classifier.")]
Version = Annotated[str | None, typer.Argument(help="Version; by default the active one, or the only one.")]


def _store() -> ClassifierStore:
    return ClassifierStore(load_settings().classifier_folder)


def _said(stored: Stored) -> str:
    active = "active" if stored.active else "not active"
    return f"{stored.name} {stored.version}, {active}, {stored.bytes / 1e6:,.2f} MB"


@app.command()
def add(
    folder: Annotated[Path, typer.Argument(help="Folder with model.onnx and classifier.yaml.")],
    activate: Annotated[bool, typer.Option(help="Score alerts with it from now on.")] = True,
) -> None:
    """Check a model, try it out on made-up alerts, and add it.

    It is refused if its inputs are not known, its outputs do not have the declared shapes, onnxruntime lacks one of its
    operators, weights are in files outside the folder, or its scores are not finite or not within 0 to 1.
    """
    try:
        stored = _store().add(folder, activate=activate)
    except ClassifierError as error:
        raise typer.BadParameter(str(error)) from error
    echo(_said(stored))
    if stored.active:
        echo("Alerts that arrive from now on are scored. Past nights are stale: `broker-assets reprocess --stale`.")


@app.command(name="list")
def list_() -> None:
    """All versions of all classifiers."""
    found = _store().versions()
    if not found:
        echo("There are no classifiers; see `broker-assets classifiers add --help` and docs/classifiers.md.")
        return
    table = Table("classifier", "version", "active", "MB", "from")
    for stored in found:
        table.add_row(
            stored.name, stored.version, "yes" if stored.active else "", f"{stored.bytes / 1e6:,.2f}",
            printable(stored.source),
        )  # fmt: skip
    terminal().print(table)


@app.command()
def show(name: Name, version: Version = None) -> None:
    """One version of a classifier: its inputs, its classes and what they mean."""
    try:
        stored = _store().get(name, version)
        description = stored.description()
    except ClassifierError as error:
        raise typer.BadParameter(str(error)) from error
    echo(f"{_said(stored)}, SHA-256 {stored.sha256}, from {stored.source}")
    if description.description:
        echo(" ".join(description.description.split()))
    table = Table("input", "place", "what", "where it is missing")
    for item in description.inputs:
        if isinstance(item, StampInput):
            what = f"{', '.join(item.stamps)}, {item.size} × {item.size} pixels, normalisation {item.normalisation}"
            table.add_row(item.name, "", what, f"pixels: {item.fill:g}; stamps: no scores")
            continue
        for place, column in enumerate(item.columns):
            table.add_row(item.name, str(place), printable(_column(column)), _fill(column))
    terminal().print(table)
    table = Table("class", "meaning", "scores")
    for output in description.outputs:
        for label, meaning in output.classes.items():
            table.add_row(printable(label), printable(meaning), "add up to 1" if output.sum_to_one else "")
    terminal().print(table)


def _column(column: Column) -> str:
    return f"{column.column}: {', '.join(column.categories)}" if column.categories else column.column


def _fill(column: Column) -> str:
    return "NaN" if column.fill is None else f"{column.fill:g}"


@app.command()
def activate(
    name: Name,
    version: Annotated[str | None, typer.Argument(help="Version.")] = None,
    off: Annotated[bool, typer.Option("--off", help="Use no version: it scores no alerts.")] = False,
) -> None:
    """Score alerts with another version of a classifier, or with none."""
    if off == (version is not None):
        raise typer.BadParameter("name a version, or --off")
    try:
        stored = _store().activate(name, version)
    except ClassifierError as error:
        raise typer.BadParameter(str(error)) from error
    echo(f"{name} {'scores no alerts' if off else stored.version + ' is active'} from now on.")


@app.command()
def remove(name: Name, version: Annotated[str | None, typer.Argument(help="Version; by default all.")] = None) -> None:
    """Remove a classifier, or one of its versions that is not active.

    Scores of past alerts stay for as long as scores are kept; those of objects go with the daily maintenance when no
    version of the classifier is left.
    """
    try:
        removed = _store().remove(name, version)
    except ClassifierError as error:
        raise typer.BadParameter(str(error)) from error
    echo(f"Removed: {', '.join(f'{name} {item}' for item in removed)}.")

"""Traces of telemetry files and products (`broker_assets.tracing`): what was made from a file, and when.

A file and a product have a trace each; a product is linked with the files that contained its packets, and with the
products that it was made from. Its publication is part of its own trace.
"""

from __future__ import annotations

import time

from broker_assets import tracing
from broker_assets.telemetry.archive.product_tree import Outcome
from broker_assets.telemetry.reception.receiver import FileOutcome
from broker_assets.tracing import Subject, product

MOST_LINKS = 128
"""Links of a span, at most: OpenTelemetry's own limit."""


def telemetry_file(name: str) -> Subject:
    """The subject of a telemetry file."""
    return Subject("file", name)


def file_received(outcome: FileOutcome) -> None:
    """Record a telemetry file that was processed or abandoned."""
    if not tracing.active() or outcome.state not in {"processed", "quarantined"}:
        return
    now = time.time()
    subject, began, modified = telemetry_file(outcome.file.name), now - outcome.seconds, outcome.file.modified
    arrived = min(began, modified.timestamp()) if modified is not None else began
    about: tracing.Attributes = {
        "broker.file": outcome.file.name,
        "broker.packets": outcome.packets,
        "broker.packets.new": outcome.new,
        "broker.packets.bad": outcome.bad,
    }
    failure = outcome.reason if outcome.state == "quarantined" else ""
    tracing.record(subject, "file", arrived, now, whole=True, attributes=about, failure=failure)
    tracing.record(subject, "waits in its folder", arrived, began)
    tracing.record(subject, "receive", began, now, attributes=about, failure=failure)


def products_made(outcome: Outcome, began: float, *, run_id: str | None) -> None:
    """Record the product files that were written.

    Parameters
    ----------
    outcome : Outcome
        Files that were made or found unchanged.
    began : float
        When the work on their day began, Unix time, seconds: files of a day are made together.
    run_id : str, optional
        Dagster run.
    """
    if not tracing.active():
        return
    now = time.time()
    written = {path.name for path in outcome.written}
    for file in outcome.files:
        if file.path.name not in written:
            continue
        links = [*map(telemetry_file, file.raw_files), *map(product, file.parents)]
        tracing.record(
            product(file.path.name),
            "product",
            began,
            now,
            whole=True,
            attributes={
                "broker.product": file.path.name,
                "broker.level": file.level,
                "broker.day": file.day.isoformat(),
                "broker.rows": file.rows,
                "broker.run": run_id or "",
            },
            links=links[:MOST_LINKS],
        )

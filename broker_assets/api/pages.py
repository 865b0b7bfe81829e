"""The status page, the same as JSON and for Prometheus, and what a load balancer asks."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, PlainTextResponse, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from broker_assets.api.connections import Connections
from broker_assets.api.documents import Document
from broker_assets.database.engine import DatabaseUnavailableError
from broker_assets.ingest.telemetry_overview import Overview
from broker_assets.status import Status

router = APIRouter(tags=["platform"])

REFRESH = 5
"""Seconds after which the page looks again."""

_templates = Environment(
    loader=PackageLoader("broker_assets.api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:,.0f} h"


def _commands(text: str) -> Markup:
    """Commands stand between backticks."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


_templates.filters["commands"] = _commands
_templates.filters["duration"] = _duration
_templates.filters["number"] = lambda value: "–" if value is None else f"{value:,}"


def _status(request: Request) -> Status:
    found: Status = request.app.state.observer.status()
    return found


def _telemetry(request: Request) -> Overview:
    found: Overview = request.app.state.observer.telemetry()
    return found


@router.get("/", response_class=HTMLResponse, include_in_schema=False)
def page(request: Request) -> Response:
    """The status page."""
    nonce = secrets.token_urlsafe(16)
    content = _templates.get_template("status.html").render(
        status=_status(request),
        telemetry=_telemetry(request),
        nonce=nonce,
        refresh=REFRESH,
        version=request.app.version,
    )
    policy = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; connect-src 'self'; img-src data:;"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return HTMLResponse(content, headers={"Content-Security-Policy": policy, "Cache-Control": "no-store"})


@router.get("/fragment", response_class=HTMLResponse, include_in_schema=False)
def fragment(request: Request) -> Response:
    """The part of the page that changes."""
    content = _templates.get_template("fragment.html").render(status=_status(request), telemetry=_telemetry(request))
    return HTMLResponse(content, headers={"Cache-Control": "no-store"})


@router.get("/health", response_class=Document)
def health(request: Request) -> Response:
    """Whether requests can be answered: 200 if the database answers, else 503."""
    connections: Connections = request.app.state.connections
    try:
        with connections.use() as connection:
            connection.execute("SELECT 1")
    except DatabaseUnavailableError:
        return Document({"status": "the database is away"}, 503)
    return Document({"status": "ok"})


@router.get("/api/status", response_class=Document)
def status(request: Request) -> Response:
    """Services, lag, last batches, quarantine and stale artefacts."""
    return Document(_status(request), headers={"Cache-Control": "no-store"})


@router.get("/api/telemetry", response_class=Document)
def telemetry(request: Request) -> Response:
    """Incoming files, packets, products, kernels, deliveries, and what needs attention."""
    return Document(_telemetry(request), headers={"Cache-Control": "no-store"})


@router.get("/metrics", response_class=PlainTextResponse)
def metrics(request: Request) -> Response:
    """Lag, ledger and quarantine in the text format of Prometheus."""
    return PlainTextResponse(
        _exposition(_status(request), _telemetry(request)), media_type="text/plain; version=0.0.4; charset=utf-8"
    )


def _exposition(found: Status, telemetry: Overview) -> str:
    lines: list[str] = []

    def family(name: str, kind: str, meaning: str, samples: list[tuple[dict[str, Any], float | int | None]]) -> None:
        known = [(labels, value) for labels, value in samples if value is not None]
        if not known:
            return
        lines.extend((f"# HELP broker_{name} {meaning}", f"# TYPE broker_{name} {kind}"))
        for labels, value in known:
            text = ",".join(f'{label}="{_escape(str(item))}"' for label, item in labels.items())
            lines.append(f"broker_{name}{{{text}}} {value}" if text else f"broker_{name} {value}")

    partitions = [
        ({"topic": stream.topic, "partition": one.partition}, one)
        for stream in found.streams
        for one in stream.partitions
    ]
    newest = {batch.topic: batch for batch in reversed(found.batches)}
    family("healthy", "gauge", "1 if nothing is wrong.", [({}, int(found.healthy))])
    family(
        "service_up",
        "gauge",
        "1 if the service runs.",
        [({"service": one.name}, int(one.state == "running")) for one in found.services],
    )
    family("lag", "gauge", "Messages waiting in Kafka.", [(labels, one.lag) for labels, one in partitions])
    family(
        "position", "gauge", "First message not in the tables.", [(labels, one.position) for labels, one in partitions]
    )
    totals = found.totals.model_dump()
    meanings = {
        "batches": "Batches committed.",
        "received": "Messages received.",
        "stored": "Messages that became rows.",
        "duplicate": "Messages whose rows were there already.",
        "quarantined": "Messages that could not be read.",
        "lost": "Messages that Kafka dropped before they were read.",
    }
    for name, meaning in meanings.items():
        family(f"{name}_total", "counter", meaning, [({}, totals[name])])
    waiting: dict[str, int] = {}
    for reason in found.quarantine:
        waiting[reason.topic] = waiting.get(reason.topic, 0) + reason.waiting
    family("quarantine_waiting", "gauge", "Messages in quarantine.", [({"topic": t}, n) for t, n in waiting.items()])
    family("stale_artefacts", "gauge", "Artefacts that must be made again.", [({}, found.stale_count)])
    family(
        "last_batch_timestamp_seconds",
        "gauge",
        "When the last batch was committed.",
        [({"topic": t}, batch.finished_at.timestamp() if batch.finished_at else None) for t, batch in newest.items()],
    )
    family(
        "last_batch_latency_seconds",
        "gauge",
        "Time from Kafka timestamp to committed row in the last batch.",
        [
            ({"topic": topic, "quantile": quantile}, value)
            for topic, batch in newest.items()
            for quantile, value in (("0.5", batch.latency_p50), ("0.9", batch.latency_p90), ("0.99", batch.latency_p99))
        ],
    )
    if telemetry.configured:
        _telemetry_families(telemetry, family)
    return "\n".join(lines) + "\n"


def _telemetry_families(found: Overview, family: Callable[..., None]) -> None:
    """Numbers of telemetry and publication."""
    family("telemetry_healthy", "gauge", "1 if nothing of telemetry needs attention.", [({}, int(found.healthy))])
    family(
        "telemetry_files",
        "gauge",
        "Telemetry files by state.",
        [
            ({"folder": folder.folder, "state": state}, getattr(folder, state))
            for folder in found.folders
            for state in ("new", "staged", "processed", "failed", "quarantined")
        ],
    )
    family(
        "telemetry_packets",
        "gauge",
        "Packets in the packet store.",
        [({"family": one.family}, one.packets) for one in found.families],
    )
    family(
        "product_files",
        "gauge",
        "Current product files.",
        [({"level": level.level, "family": level.family}, level.files) for level in found.levels],
    )
    family(
        "product_files_stale",
        "gauge",
        "Product files that must be made again.",
        [({"level": level.level, "family": level.family}, level.stale) for level in found.levels],
    )
    family(
        "publication_files",
        "gauge",
        "Files by target and state.",
        [
            ({"target": target.target, "state": state}, getattr(target, state))
            for target in found.targets
            for state in ("published", "supplements", "waiting", "held", "errors")
        ],
    )


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

"""A collector of OpenTelemetry on loopback, which takes OTLP over HTTP and keeps the spans."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from loopback import LoopbackServer, QuietHandler
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from broker_assets import tracing
from broker_assets.settings.traces import TraceSettings


@dataclass(frozen=True)
class Span:
    """A span as it arrived; identifiers in hexadecimal, times in seconds."""

    name: str
    trace: str
    identifier: str
    parent: str
    begins: float
    ends: float
    attributes: dict[str, Any]
    links: list[str]
    """Traces."""
    failure: str


@dataclass
class Collector:
    """What arrived."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def of(self, subject: tracing.Subject) -> list[Span]:
        """Spans of the trace of a subject, in the order of their beginnings."""
        tracing.start(TraceSettings())  # which sends what is complete
        return sorted(
            (one for one in self.spans if one.trace == f"{subject.trace_id:032x}"), key=lambda one: one.begins
        )


@contextmanager
def collector(share: float = 1.0) -> Iterator[Collector]:
    """A collector that this process sends its traces to while the block runs."""
    found = Collector()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            found.headers.append({name.lower(): value for name, value in self.headers.items()})
            found.spans += _spans(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

    with LoopbackServer(Handler) as server:
        found.url = f"{server.url}/v1/traces"
        settings = {"endpoint": found.url, "share": share, "headers": {"authorization": "Bearer of-the-test"}}
        tracing.start(TraceSettings.model_validate(settings))
        try:
            yield found
        finally:
            tracing.start(TraceSettings())


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for one in scope.spans:
                yield Span(
                    one.name, one.trace_id.hex(), one.span_id.hex(), one.parent_span_id.hex(),
                    one.start_time_unix_nano / 1e9, one.end_time_unix_nano / 1e9,
                    {entry.key: getattr(entry.value, str(entry.value.WhichOneof("value"))) for entry in one.attributes},
                    [link.trace_id.hex() for link in one.links], one.status.message,
                )  # fmt: skip

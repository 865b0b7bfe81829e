"""Traces of OpenTelemetry: what became of one alert, telemetry file or product, across processes and days.

The identifier of a trace is a hash of the name of its subject, and so is that of its first span. Each process that
works on an alert therefore knows both without asking another one, nothing is stored for them, and a message that is
sent an hour after its alert was committed is in the trace of the alert. Which alerts are traced is decided by the same
hash, so a trace is whole or absent.

Spans are recorded when a step is complete, with the times that it measured anyway. Without an endpoint nothing is
imported, and `active` is all that a step asks. The packages are those of the extra `traces`.
"""

from __future__ import annotations

import hashlib
import logging
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from broker_assets.settings.traces import TraceSettings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import SpanContext

logger = logging.getLogger(__name__)

EXPORT_SECONDS = 5.0
"""Seconds that a thread, or a process at its end, waits for a collector that does not answer."""
QUEUE_SPANS = 32_768
"""Spans that wait for the collector; more are dropped. A batch of 4000 alerts that are all traced has 12,000."""
EXPORT_SPANS = 2_048
"""Spans per request to the collector."""

AGAIN = frozenset({"product"})
"""Kinds whose traces have several first spans: a product is made, and published, again under its name."""

Attributes = Mapping[str, str | int | float | bool]


class Subject(NamedTuple):
    """What a trace is about.

    Examples
    --------
    >>> Subject("alert", "alert/7/8").parent_header()
    '00-9fb808adfd1044ad3b1522a9a3bfc350-c0bbc7934cb90bfd-01'
    """

    kind: str
    """`alert`, `annotation`, `batch`, `file` or `product`."""
    name: str
    """Its name, unique among its kind and never reused."""

    @property
    def trace_id(self) -> int:
        """Identifier of the trace, 128 bits."""
        return _hashed(16, self.kind, self.name)

    @property
    def span_id(self) -> int:
        """Identifier of its first span, 64 bits."""
        return _hashed(8, self.kind, self.name)

    def parent_header(self) -> str:
        """Value of the header `traceparent` (W3C Trace Context) for messages that are sent on."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-01"


def product(name: str) -> Subject:
    """The subject of a product file, by its name or by that of its complete form, as headers and archives have it.

    Examples
    --------
    >>> product("solo_L1_stix-ql-lightcurve_20210116_V02U.fits").name
    'solo_L1_stix-ql-lightcurve_20210116_V02.fits'
    """
    return Subject("product", re.sub(r"(?<=_V\d\d)U", "", name))


def _hashed(size: int, *parts: str) -> int:
    digest = hashlib.blake2b("\n".join(parts).encode(), digest_size=size).digest()
    return int.from_bytes(digest, "big") or 1  # zero is invalid


@dataclass
class _State:
    settings: TraceSettings
    provider: TracerProvider | None = None
    ids: Any = None


_state: _State | None = None
_lock = threading.Lock()


def start(settings: TraceSettings) -> None:
    """Trace from now on, if the settings name an endpoint; the collector is asked when the first span is complete.

    Without an endpoint, what is complete is sent, and nothing is traced from now on.
    """
    global _state
    with _lock:
        if _state is not None and _state.settings == settings:
            return
        _end()
        if settings.endpoint is None:
            return
        try:
            import opentelemetry.exporter.otlp.proto.http
            import opentelemetry.sdk.trace  # noqa: F401
        except ImportError:
            logger.warning("traces are set, but their packages are missing: pip install 'broker_assets[traces]'")
            return
        _state = _State(settings)


def _end() -> None:
    global _state
    if _state is not None and _state.provider is not None:
        _state.provider.shutdown()
    _state = None


def active() -> bool:
    """Whether anything is traced."""
    return _state is not None


def traced(subject: Subject) -> bool:
    """Whether a subject has a trace; the same in every process with the same settings."""
    if _state is None:
        return False
    if subject.kind != "alert":
        return True
    return (subject.trace_id & 0xFFFF_FFFF_FFFF_FFFF) < _state.settings.share * 2.0**64


def record(
    subject: Subject,
    step: str,
    begins: float,
    ends: float,
    *,
    whole: bool = False,
    attributes: Attributes | None = None,
    links: Iterable[Subject] = (),
    failure: str = "",
) -> None:
    """Record a step that is complete; nothing happens if the subject is not traced.

    Parameters
    ----------
    subject : Subject
        Whose trace it belongs to.
    step : str
        Name of the span.
    begins, ends : float
        Unix time, seconds.
    whole : bool
        Whether it is a first span of the trace, the parent of others.
    attributes : mapping, optional
        What is known of it.
    links : iterable of Subject
        Subjects of related traces: the files of a product, the batch of an alert.
    failure : str
        Why it failed; empty if it did not.
    """
    if not traced(subject):
        return
    from opentelemetry import trace

    provider, ids = _provider()
    if provider is None:
        return
    tracer = provider.get_tracer("broker_assets")
    if whole:
        ids.choose(subject.trace_id, 0 if subject.kind in AGAIN else subject.span_id)
        context = trace.set_span_in_context(trace.INVALID_SPAN)
    else:
        context = trace.set_span_in_context(trace.NonRecordingSpan(_context(subject)))
    span = tracer.start_span(
        step,
        context=context,
        start_time=int(begins * 1e9),
        attributes=dict(attributes or {}),
        links=[trace.Link(_context(other)) for other in links],
    )
    if failure:
        span.set_status(trace.Status(trace.StatusCode.ERROR, failure))
    span.end(int(max(begins, ends) * 1e9))


def _context(subject: Subject) -> SpanContext:
    from opentelemetry import trace

    flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
    return trace.SpanContext(subject.trace_id, subject.span_id, is_remote=True, trace_flags=flags)


def _provider() -> tuple[TracerProvider | None, Any]:
    with _lock:
        if _state is None:
            return None, None
        if _state.provider is None:
            _state.provider, _state.ids = _made(_state.settings)
        return _state.provider, _state.ids


def _made(settings: TraceSettings) -> tuple[TracerProvider, Any]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.sdk.trace.sampling import ALWAYS_ON

    class ChosenIds(RandomIdGenerator):
        """Identifiers that the caller chose for the next span of its thread, else random ones."""

        def __init__(self) -> None:
            self._chosen = threading.local()

        def choose(self, trace_id: int, span_id: int) -> None:
            self._chosen.ids = [span_id, trace_id]

        def generate_trace_id(self) -> int:
            return self._take("trace") or super().generate_trace_id()

        def generate_span_id(self) -> int:
            return self._take("span") or super().generate_span_id()

        def _take(self, which: str) -> int:
            left: list[int] = getattr(self._chosen, "ids", [])
            found = left[0 if which == "span" else 1] if left else 0
            if which == "span" and left:  # asked for last
                self._chosen.ids = []
            return found

    ids = ChosenIds()
    provider = TracerProvider(
        sampler=ALWAYS_ON, id_generator=ids, resource=Resource.create({"service.name": "broker_assets"})
    )
    exporter = OTLPSpanExporter(
        endpoint=settings.endpoint,
        headers={name: value.get_secret_value() for name, value in settings.headers.items()},
        timeout=EXPORT_SECONDS,  # type: ignore[arg-type]
    )
    processor = BatchSpanProcessor(exporter, max_queue_size=QUEUE_SPANS, max_export_batch_size=EXPORT_SPANS)
    provider.add_span_processor(processor)
    return provider, ids

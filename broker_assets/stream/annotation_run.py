"""A run that reads the topics of all active annotators, each in a thread of its own, while there is anything to read.

Which topics there are is read from the table again and again during the run, so that an annotator that is added or
activated is read at once. Filters run, and held annotations are settled, in one more thread: reading does not wait for
them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg

from broker_assets.accounting.ledger import StreamBusy
from broker_assets.annotations.content import UnknownAnnotator
from broker_assets.database.engine import connect
from broker_assets.settings import Settings, StreamLocation
from broker_assets.stream.annotation_followup import Triggered, run_filters, settle
from broker_assets.stream.annotation_lag import active_streams, look, stream_location
from broker_assets.stream.annotation_messages import AnnotationStream
from broker_assets.stream.annotations import AnnotationsRead, read_annotations
from broker_assets.stream.messages import MessageSource, SourceError
from broker_assets.stream.topic_ends import Ends

AT_ONCE: Final = 8
"""Streams that are read at the same time."""
LOOK_SECONDS: Final = 2.0
"""Time between two looks at the streams that are not being read."""
FOLLOW_SECONDS: Final = 0.25
"""Time between two looks at what the annotations of this run have left to do."""

OpenSource = Callable[[StreamLocation], MessageSource]


@dataclass
class AnnotationRun:
    """Result of a run."""

    read: dict[str, AnnotationsRead] = field(default_factory=dict)
    """By name of the stream."""
    problems: dict[str, str] = field(default_factory=dict)
    """Streams that could not be read, or not to the end, and annotators whose source cannot be used."""
    matches: int = 0
    """Matches of filters."""
    released: int = 0
    """Annotations whose objects arrived after them."""
    given_up: int = 0
    """Messages whose objects did not arrive."""

    def count(self, name: str) -> int:
        """Sum of a number of `AnnotationsRead` over the streams."""
        return sum(int(getattr(one, name)) for one in self.read.values())


def run_annotations(
    database_url: str,
    settings: Settings,
    open_source: OpenSource,
    ends: Ends,
    *,
    triggered: Triggered | None = None,
    run_id: str | None = None,
    stop: Callable[[], bool] = lambda: False,
    matched: Callable[[], None] = lambda: None,
) -> AnnotationRun:
    """Read what waits on the topics of annotators, until nothing has arrived for a while or the time is over.

    Parameters
    ----------
    database_url : str
        SQLAlchemy URL of the broker's database.
    settings : Settings
        Clusters and limits.
    open_source : callable
        Opens a topic; the source is closed here.
    ends : callable
        Asks where a topic ends.
    triggered : callable, optional
        Runs the filters that ask for new annotations; without it there are none.
    run_id : str, optional
        Goes into the ledger.
    stop : callable
        Whether the run should end early.
    matched : callable
        Called after filters have matched and that is committed, by another thread: messages are due.

    Raises
    ------
    psycopg.OperationalError
        If the database fails.
    Exception
        Of the filters; all annotations that were read are stored, and their filters run next time.
    """
    run = AnnotationRun()
    limits = settings.annotations
    deadline = time.monotonic() + limits.budget_seconds
    follower = _Follower(database_url, settings, triggered, run, run_id, matched)
    reading: dict[str, Future[AnnotationsRead]] = {}
    with (
        connect(database_url, application="broker-assets annotations", autocommit=True) as connection,
        ThreadPoolExecutor(max_workers=AT_ONCE) as pool,
        follower,
    ):
        last = looked = time.monotonic()
        first = True
        while not stop() and time.monotonic() < deadline and not follower.failed:
            for name in [name for name, future in reading.items() if future.done()]:
                if _collect(run, name, reading.pop(name)):
                    last = time.monotonic()
            if first or time.monotonic() - looked > LOOK_SECONDS:
                first, looked = False, time.monotonic()
                lag = look(connection, settings, ends)
                run.problems |= lag.problems
                for stream in active_streams(connection)[0]:
                    if lag.lag.get(stream.name) and stream.name not in reading:
                        reading[stream.name] = pool.submit(
                            _read, stream, database_url, settings, open_source, deadline, run_id
                        )
                if lag.work:
                    last = time.monotonic()
            if not reading and time.monotonic() - last >= limits.idle_seconds:
                break
            time.sleep(0.05)
        for name, future in reading.items():
            _collect(run, name, future)
    return run


def _read(
    stream: AnnotationStream,
    database_url: str,
    settings: Settings,
    open_source: OpenSource,
    deadline: float,
    run_id: str | None,
) -> AnnotationsRead:
    source = open_source(stream_location(settings, stream))
    try:
        return read_annotations(
            source,
            database_url,
            stream,
            settings.annotations,
            attempt_limits=settings.attempts,
            run_id=run_id,
            deadline=deadline,
        )
    finally:
        source.close()


def _collect(run: AnnotationRun, name: str, future: Future[AnnotationsRead]) -> bool:
    """Note what a stream gave; whether that was anything."""
    try:
        found = future.result()
    except (SourceError, StreamBusy, LookupError, OSError, UnknownAnnotator) as error:
        run.problems[name] = str(error)
        return False
    total = run.read.setdefault(name, AnnotationsRead())
    for number in ("received", "stored", "duplicate", "quarantined", "waiting", "batches"):
        setattr(total, number, getattr(total, number) + getattr(found, number))
    total.reasons.update(found.reasons)
    total.latency += found.latency
    run.problems.pop(name, None)
    return found.received > 0


class _Follower:
    """Runs filters and settles held annotations while it is entered; once more on leaving."""

    def __init__(
        self,
        database_url: str,
        settings: Settings,
        triggered: Triggered | None,
        run: AnnotationRun,
        run_id: str | None,
        matched: Callable[[], None],
    ) -> None:
        self._url = database_url
        self._settings = settings
        self._triggered = triggered
        self._run = run
        self._run_id = run_id
        self._matched = matched
        self._ended = threading.Event()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._follow, name="annotation filters", daemon=True)

    @property
    def failed(self) -> bool:
        return self._error is not None

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._ended.set()
        self._thread.join()
        if self._error is not None and kind is None:
            raise self._error

    def _follow(self) -> None:
        try:
            with connect(self._url, application="broker-assets annotations", autocommit=True) as connection:
                while not self._ended.wait(FOLLOW_SECONDS):
                    self._once(connection)
                self._once(connection)
        except BaseException as error:  # noqa: BLE001 - raised by the thread that waits for this one
            self._error = error

    def _once(self, connection: psycopg.Connection[Any]) -> None:
        released, given_up = settle(connection, self._settings.annotations, run_id=self._run_id)
        self._run.released += released
        self._run.given_up += given_up
        matches = run_filters(connection, self._triggered)
        self._run.matches += matches
        if matches:
            self._matched()

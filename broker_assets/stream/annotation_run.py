"""A run that reads the topics of all active annotators, each in a thread of its own, while there is anything to read.

The topics are read from the table repeatedly during the run, so that a new or newly activated annotator is read at
once. Filters run, and held annotations are settled, in another thread, so that reading does not wait for them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Final

import psycopg

from broker_assets.annotations.content import UnknownAnnotator
from broker_assets.database.engine import connect
from broker_assets.settings import Settings, StreamLocation
from broker_assets.stream.annotation_followup import Triggered, run_filters, settle
from broker_assets.stream.annotation_lag import active_streams, look, stream_location
from broker_assets.stream.annotation_messages import AnnotationStream
from broker_assets.stream.annotations import AnnotationsRead, read_annotations
from broker_assets.stream.messages import MessageSource
from broker_assets.stream.streams_run import StreamsRun, read_streams
from broker_assets.stream.topic_ends import Ends

FOLLOW_SECONDS: Final = 0.25
"""Seconds between two checks for work that the annotations of this run have left."""

OpenSource = Callable[[StreamLocation], MessageSource]


@dataclass
class AnnotationRun(StreamsRun[AnnotationsRead]):
    """Result of a run; `problems` also has annotators whose source cannot be used."""

    matches: int = 0
    """Matches of filters."""
    released: int = 0
    """Annotations whose objects arrived after them."""
    given_up: int = 0
    """Messages whose objects did not arrive."""


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
    """Read the topics of annotators until nothing has arrived for a while or the time is up.

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
        Runs the filters that new annotations trigger; None if there are none.
    run_id : str, optional
        Goes into the ledger.
    stop : callable
        Whether the run should end early.
    matched : callable
        Called by another thread after matches are committed: messages are due.

    Raises
    ------
    psycopg.OperationalError
        If the database fails.
    Exception
        Any error of the filters; all annotations that were read are stored, and their filters run next time.
    """
    run = AnnotationRun()
    limits = settings.annotations
    deadline = time.monotonic() + limits.budget_seconds
    follower = _Follower(database_url, settings, triggered, run, run_id, matched)
    streams: dict[str, AnnotationStream] = {}
    with (
        connect(database_url, application="broker-assets annotations", autocommit=True) as connection,
        follower,
    ):

        def look_at(_: Collection[str]) -> tuple[Collection[str], bool]:
            lag = look(connection, settings, ends)
            run.problems |= lag.problems
            streams.update(
                (stream.name, stream) for stream in active_streams(connection)[0] if lag.lag.get(stream.name)
            )
            return [name for name in streams if lag.lag.get(name)], bool(lag.work)

        read_streams(
            run,
            look_at,
            lambda name: _read(streams[name], database_url, settings, open_source, deadline, run_id),
            goes_on=lambda: not stop() and time.monotonic() < deadline and not follower.failed,
            idle_seconds=limits.idle_seconds,
            refused=(UnknownAnnotator,),
        )
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


class _Follower:
    """Context manager that runs filters and settles held annotations until it exits, and once more at the end."""

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

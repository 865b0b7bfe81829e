"""Sends the messages of batches right after they are committed, in a thread of the run that commits them.

Messages that it cannot send stay in the outbox, for the job `deliver`.
"""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import Final, Self

import psycopg

from broker_assets.database.engine import DatabaseUnavailableError
from broker_assets.delivery.sender import Sender, SendReport
from broker_assets.settings import Settings
from broker_assets.stream.enriched_topic import EnrichedTopic
from broker_assets.stream.packet_contents import PacketContents

log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 2.0
"""Seconds between checks of the outbox without a commit: other runs and annotations fill it too."""
LAST_SECONDS: Final = 20.0
"""Time limit for messages that are due when the run ends, seconds."""


def make_sender(settings: Settings, database_url: str) -> Sender:
    """The sender of the platform; the caller closes it."""
    return Sender(
        database_url,
        settings.delivery,
        settings.delivery_cluster,
        PacketContents(),
        pages_url=settings.pages,
        also=EnrichedTopic.of(settings),
    )


class Sending:
    """Context manager that runs a sender in a thread.

    Parameters
    ----------
    sender : Sender
        Closed at the end.

    Examples
    --------
    `committed` is called after each batch::

        with Sending(make_sender(settings, url)) as sending:
            drain(..., progress=lambda _: sending.committed())
    """

    def __init__(self, sender: Sender) -> None:
        self.report = SendReport()
        self._sender = sender
        self._wake = threading.Event()
        self._ends: float | None = None
        self._thread = threading.Thread(target=self._run, name="sender", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ends = time.monotonic() + LAST_SECONDS
        self._wake.set()
        self._thread.join()

    def committed(self) -> None:
        """Note that a batch was committed, so that the outbox is checked."""
        self._wake.set()

    def _run(self) -> None:
        try:
            while True:
                self._wake.wait(LOOK_SECONDS)
                ending = self._ends is not None
                self._wake.clear()
                try:
                    self.report.add(self._sender.send_due(self._is_over, wait=ending))
                except (psycopg.Error, DatabaseUnavailableError) as error:
                    # The run itself reports what is wrong; messages that were begun are searched for before they are
                    # sent again.
                    log.warning("messages wait, the database fails: %s", error)
                except Exception:
                    # A defect must not end the stream; the job `deliver` fails on it, visible to operators.
                    log.exception("messages wait for the job `deliver`")
                    return
                if ending:
                    return
        finally:
            self._sender.close()

    def _is_over(self) -> bool:
        return self._ends is not None and time.monotonic() > self._ends

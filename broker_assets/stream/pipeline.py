"""Processes batches in parallel stages: one is decoded while those ahead of it are archived, enriched and written.

Order is kept: a single thread decodes, one archives, one computes the enrichments, one completes them, one writes, each
first in, first out; archiving and computing of a batch run in parallel. After the first failure nothing further is
done; the caller closes the pipeline and starts again from the database. Archiving has its own thread because it mostly
waits for the disk and the compressor, and completing because it waits for the processes of users' filters.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from broker_assets.accounting.ledger import StaleStreamPosition
from broker_assets.stream.commit import PreparedBatch
from broker_assets.stream.decode import DecodedBatch
from broker_assets.stream.enrichment import Enriched
from broker_assets.stream.errors import BatchError, is_transient, release_frames
from broker_assets.stream.messages import Message
from broker_assets.stream.progress import Committed
from broker_assets.stream.spent import Spent

IN_FLIGHT_BATCHES = 3
"""Batches decoded, archived, enriched or written while the next is gathered. Those being written have released their
payloads, so that memory is limited to three batches."""


class Pipeline:
    """A thread for each stage; a context manager that waits for them at its end.

    Parameters
    ----------
    decode, archive, enrich, complete, commit : callable
        Processing of a batch by each thread; each is called in the order of `submit`.
    """

    def __init__(
        self,
        decode: Callable[[Sequence[Message]], DecodedBatch],
        archive: Callable[[DecodedBatch], PreparedBatch],
        enrich: Callable[[DecodedBatch], Enriched],
        complete: Callable[[DecodedBatch, Enriched], Enriched],
        commit: Callable[[PreparedBatch, Enriched], Committed],
    ) -> None:
        self._decode = decode
        self._archive = archive
        self._enrich = enrich
        self._complete = complete
        self._commit = commit
        self._decoding = ThreadPoolExecutor(1, "decode")
        self._archiving = ThreadPoolExecutor(1, "archive")
        self._enriching = ThreadPoolExecutor(1, "enrich")
        self._completing = ThreadPoolExecutor(1, "complete")
        self._committing = ThreadPoolExecutor(1, "commit")
        self._queue: deque[Future[Committed]] = deque()
        self._failed = threading.Event()
        self._decoding_failed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._failed.set()
        self._decoding.shutdown(wait=True, cancel_futures=True)
        self._archiving.shutdown(wait=True, cancel_futures=True)
        self._enriching.shutdown(wait=True, cancel_futures=True)
        self._completing.shutdown(wait=True, cancel_futures=True)
        self._committing.shutdown(wait=True, cancel_futures=True)

    def __len__(self) -> int:
        return len(self._queue)

    def submit(self, messages: Sequence[Message], read: Spent) -> None:
        """Submit a batch; does not wait.

        Parameters
        ----------
        messages : sequence of Message
            Not empty.
        read : Spent
            Time needed to collect them, for the ledger.
        """
        # The data kept for the report of a failure must not reference the payloads.
        places = [message._replace(value=b"") for message in messages]
        decoded = self._decoding.submit(self._guarded_decode, messages)
        prepared = self._archiving.submit(self._guarded_archive, decoded)
        begun = self._enriching.submit(self._guarded_enrich, decoded)
        enriched = self._completing.submit(self._guarded_complete, decoded, begun)
        self._queue.append(self._committing.submit(self._guarded_commit, places, prepared, enriched, read))

    def completed(self, *, leave: int) -> Iterator[Committed]:
        """Results in order: available ones, then wait for more until at most `leave` batches are being processed.

        Raises
        ------
        BatchError
            If a batch failed because of its content or the code; the cause is attached.
        Exception
            Any failure of an external system, as raised.
        """
        while self._queue and (len(self._queue) > leave or self._queue[0].done()):
            yield self._queue.popleft().result()

    def _guarded_decode(self, messages: Sequence[Message]) -> DecodedBatch:
        self._require_good()
        if self._decoding_failed:
            raise CancelledError  # batches ahead of the one that failed may still be written, none behind it
        try:
            return self._decode(messages)
        except BaseException:
            self._decoding_failed = True
            raise

    def _guarded_archive(self, decoded: Future[DecodedBatch]) -> PreparedBatch:
        batch = decoded.result()
        self._require_good()
        return self._archive(batch)

    def _guarded_enrich(self, decoded: Future[DecodedBatch]) -> Enriched:
        batch = decoded.result()
        self._require_good()
        return self._enrich(batch)

    def _guarded_complete(self, decoded: Future[DecodedBatch], begun: Future[Enriched]) -> Enriched:
        batch, enriched = decoded.result(), begun.result()
        self._require_good()
        return self._complete(batch, enriched)

    def _require_good(self) -> None:
        if self._failed.is_set():
            raise CancelledError

    def _guarded_commit(
        self,
        places: Sequence[Message],
        prepared: Future[PreparedBatch],
        enriching: Future[Enriched],
        read: Spent,
    ) -> Committed:
        try:
            batch, enriched = prepared.result(), enriching.result()
            self._require_good()
            batch.spent["consume"] = read
            return self._commit(batch, enriched)
        except CancelledError:
            raise
        except Exception as error:
            self._failed.set()
            release_frames(error)
            if is_transient(error) or isinstance(error, StaleStreamPosition):
                raise
            raise BatchError(places) from error

"""Runs asynchronous queries in a few threads of the server: taken from the database, one after the other.

Every process of the server may run any job. While jobs run, a thread reports every few seconds that they do, and
cancels the statement of a job that was aborted, deleted, or taken over by another process. A server that shuts down
gives its jobs back; those of a server that died are started again after a while without a report
(`filters.tap_jobs.take`).
"""

from __future__ import annotations

import logging
import threading
from typing import Any, Final

import psycopg

from broker_assets.api.connections import Connections
from broker_assets.api.vo.parameters import VoError
from broker_assets.api.vo.tap_questions import question
from broker_assets.database.engine import DatabaseUnavailableError
from broker_assets.database.table_formats import MEDIA_TYPES, encode
from broker_assets.filters import tap_jobs
from broker_assets.filters.adql_polygons import AdqlError
from broker_assets.filters.tap import TookTooLong, reading
from broker_assets.filters.tap_jobs import Job
from broker_assets.filters.tap_uploads import BadUpload, read_upload

log = logging.getLogger(__name__)

THREADS: Final = 2
"""Jobs that a process of the server runs at once."""
LOOK_SECONDS: Final = 2.0
"""Seconds between two checks whether running jobs should continue."""


class TapWorker:
    """The threads of a process.

    Parameters
    ----------
    connections : Connections
        Connections for the queries of users.
    accounts : Connections
        Connections that write jobs and results.
    """

    def __init__(self, connections: Connections, accounts: Connections) -> None:
        self._connections = connections
        self._accounts = accounts
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._running: dict[str, psycopg.Connection[Any] | None] = {}
        self._again = False
        self._closing = threading.Event()

    def begin(self) -> None:
        """Run the jobs that a server left when it ended; it looks for them in the background."""
        threading.Thread(target=self._begin, daemon=True, name="tap start").start()

    def _begin(self) -> None:
        try:
            with self._accounts.alone() as own:
                waiting = tap_jobs.any_waiting(own)
        except (DatabaseUnavailableError, psycopg.Error) as error:
            log.info("asynchronous queries wait: %s", error)
            return
        if waiting:
            self.wake()

    def wake(self) -> None:
        """Let waiting jobs run, if there is a thread for them."""
        with self._lock:
            self._again = True
            if self._closing.is_set() or len(self._threads) >= THREADS:
                return
            thread = threading.Thread(target=self._work, daemon=True, name="tap")
            self._threads.add(thread)
        thread.start()

    def stop(self) -> None:
        """End the threads; their jobs wait for another process."""
        self._closing.set()
        with self._lock:
            running, threads = list(self._running), list(self._threads)
        if running:
            try:
                with self._accounts.use() as own:
                    tap_jobs.give_back(own, running)
            except DatabaseUnavailableError:
                log.warning("jobs of TAP could not be given back; they begin again by themselves")
        self._cancel(running)
        for thread in threads:
            thread.join(5 if running else 0.2)  # one without a job only waits for the database

    def look(self) -> None:
        """Report which jobs run here, and cancel those that should not continue."""
        with self._lock:
            running = list(self._running)
        if running:
            with self._accounts.use() as own:
                still = tap_jobs.still(own, running)
            self._cancel([one for one in running if one not in still])

    def _cancel(self, jobids: list[str]) -> None:
        with self._lock:
            found = [connection for one in jobids if (connection := self._running.get(one)) is not None]
            for connection in found:
                connection.cancel_safe(timeout=5)

    def _work(self) -> None:
        this = threading.current_thread()
        try:
            while not self._closing.is_set():
                with self._lock:
                    self._again = False
                with self._accounts.use() as own:
                    job = tap_jobs.take(own)
                if job is not None:
                    self._run(job)
                    continue
                with self._lock:
                    if not self._again:
                        self._threads.discard(this)
                        return
        except DatabaseUnavailableError as error:
            log.warning("asynchronous queries wait: %s", error)
        finally:
            with self._lock:
                self._threads.discard(this)

    def _run(self, job: Job) -> None:
        done = threading.Event()
        with self._lock:
            self._running[job.jobid] = None
        keeper = threading.Thread(target=self._keep, args=(done,), daemon=True, name="tap keeper")
        keeper.start()
        try:
            self._result(job)
            said = None
        except (AdqlError, TookTooLong, BadUpload, VoError, tap_jobs.ResultTooLarge) as error:
            said = str(error)
        except tap_jobs.JobEnded:
            return  # its result is no longer wanted
        except DatabaseUnavailableError:
            # The keeper no longer reports the job, which begins again when the database is back.
            log.warning("the query %s was interrupted: the database is unavailable", job.jobid)
            return
        except Exception:
            log.exception("the query %s failed", job.jobid)
            said = "an error that was not foreseen; it is in the log of the server"
        finally:
            done.set()
            with self._lock:
                self._running.pop(job.jobid, None)
        if said is not None:
            with self._accounts.use() as own:
                tap_jobs.finish(own, job, "ERROR", said=said)

    def _result(self, job: Job) -> None:
        asked = question(job.parameters, most=job.most_rows)
        with self._accounts.use() as own:
            uploads = {name: read_upload(content) for name, content in tap_jobs.uploads_of(own, job.jobid).items()}
        with self._connections.use() as connection:
            with self._lock:
                self._running[job.jobid] = connection
            try:
                with (
                    reading(
                        connection, asked.query, limit=asked.rows, seconds=job.duration,
                        viewer=job.username, uploads=uploads, address=job.server,
                    ) as found,
                    self._accounts.use() as own,
                ):  # fmt: skip
                    pieces = encode(found, found.schema, asked.form, name="result", overflows=lambda: found.overflows)
                    size = tap_jobs.keep_result(own, job.jobid, pieces)
            finally:
                with self._lock:
                    self._running[job.jobid] = None
        with self._accounts.use() as own:
            tap_jobs.finish(own, job, "COMPLETED", media_type=MEDIA_TYPES[asked.form], size=size)

    def _keep(self, done: threading.Event) -> None:
        while not done.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception as error:  # noqa: BLE001
                log.warning("jobs of TAP cannot be looked after: %s", error)

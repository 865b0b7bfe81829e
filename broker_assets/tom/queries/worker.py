"""Runs queued SQL, one query after the other, and writes the results to the object store."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import psycopg

from broker_assets.access import accounts, permissions
from broker_assets.access.permissions import ELASTICC_ADMIN
from broker_assets.database.engine import DatabaseUnavailableError, connect
from broker_assets.database.sql_roles import ADMINISTRATORS, EVERYBODY, sql_url
from broker_assets.settings import Settings
from broker_assets.storage import objects
from broker_assets.tom.queries import queue, result_files, running
from broker_assets.tom.queries.own_queue import show_own_queue
from broker_assets.tom.queries.queue import LostError, Queued
from broker_assets.tom.queries.result_store import remove_files, results_folder
from broker_assets.tom.queries.running import QueryError, QueryStoppedError, Watch

log = logging.getLogger(__name__)

SAY_SECONDS: Final = 2.0
"""Seconds between two reports that a run is alive, with which it also notices that its query was cancelled."""
OFF: Final = "users' SQL is off: set BROKER_DATABASE__SQL_PASSWORD"


@dataclass(frozen=True)
class Done:
    """What became of a query."""

    query: Queued
    rows: int
    size: int
    """Bytes of the result."""
    failure: str
    """Why there is no result; empty if there is one."""


class QueryWorker:
    """Runs queued queries.

    Parameters
    ----------
    url : str
        URL of the database for the owner of the tables.
    settings : Settings
        Settings with the limits, and the location of results.
    stop : callable
        Asked whether the run must end; its query then waits for another run.
    """

    def __init__(self, url: str, settings: Settings, stop: Callable[[], bool] = lambda: False) -> None:
        self._settings = settings
        self._url = url
        self._stop = stop
        self._folder = results_folder(settings)

    def run_next(self) -> Done | None:
        """Run the next query in turn; None if none waits.

        Raises
        ------
        DatabaseUnavailableError
            If the database does not answer.
        """
        with connect(self._url, application="broker-assets queue", autocommit=True) as connection:
            query = queue.take(connection)
            if query is None:
                return None
            state = _State()
            try:
                rows, size = self._result(connection, query, state)
            except QueryStoppedError:
                if state.lost:
                    return Done(query, state.rows, 0, queue.CANCELLED)
                queue.give_back(connection, query)
                return Done(query, state.rows, 0, "the run ends; the query waits for another")
            except QueryError as error:
                return self._failed(connection, query, state, str(error))
            except DatabaseUnavailableError as error:
                queue.give_back(connection, query)
                log.warning("query %s waits: %s", query.queryid, error)
                raise
            except Exception as error:
                log.exception("query %s failed", query.queryid)
                return self._failed(connection, query, state, f"it failed: {type(error).__name__}")
            if not queue.finish(connection, query, rows, size):
                remove_files(self._folder, [query])
                return Done(query, rows, 0, queue.CANCELLED)
            return Done(query, rows, size, "")

    def _failed(self, connection: psycopg.Connection[Any], query: Queued, state: _State, why: str) -> Done:
        queue.fail(connection, query, why)
        return Done(query, state.rows, 0, why)

    def _result(self, connection: psycopg.Connection[Any], query: Queued, state: _State) -> tuple[int, int]:
        name, url = self._session_of(connection, query)
        limits = self._settings.tom
        with (
            tempfile.TemporaryDirectory(prefix="query-") as folder,
            running.session(url, limits.queued_seconds, who=name) as (own, watch),
            self._said(query, state, watch),
        ):
            show_own_queue(connection, own, query.userid, query.statements)
            target = Path(folder) / query.file
            found = running.pieces(own, query.statements, begun=state.begin)
            rows = result_files.write(found, target, query.format, most_bytes=limits.queued_bytes, read=state.read)
            objects.store(self._folder / query.file, target)
            return rows, target.stat().st_size

    def _session_of(self, connection: psycopg.Connection[Any], query: Queued) -> tuple[str, str]:
        """Name of the account, and the URL of the role that it has now."""
        row = connection.execute(
            f"SELECT {accounts.USER_COLUMNS} FROM access.users WHERE userid = %s AND active AND date_removed IS NULL",  # noqa: S608
            (query.userid,),
        ).fetchone()
        if row is None:
            raise QueryError("its account is no longer active")
        user = accounts.user_of(row)
        secret = self._settings.database.sql_password
        admin = permissions.may(connection, user, ELASTICC_ADMIN)
        url = sql_url(self._url, None if secret is None else secret.get_secret_value(), admin=admin)
        if url is None:
            raise QueryError(OFF)
        return user.username, url

    @contextlib.contextmanager
    def _said(self, query: Queued, state: _State, watch: Watch) -> Iterator[None]:
        """Report every few seconds that the query is running, and stop it if necessary."""
        over = threading.Event()
        keeper = threading.Thread(target=self._keep, args=(query, state, watch, over), daemon=True, name="queue keeper")
        keeper.start()
        try:
            yield
        finally:
            over.set()
            keeper.join(10)

    def _keep(self, query: Queued, state: _State, watch: Watch, over: threading.Event) -> None:
        while not over.wait(SAY_SECONDS):
            try:
                with connect(self._url, application="broker-assets queue", autocommit=True) as connection:
                    queue.say(connection, query, state.statement, state.rows)
            except LostError:
                state.lost = True
                watch.stop()
                return
            except (DatabaseUnavailableError, psycopg.Error) as error:
                log.warning("query %s: %s", query.queryid, error)
            if self._stop():
                watch.stop()
                return


class _State:
    """Progress of a query."""

    def __init__(self) -> None:
        self.statement = 0
        self.rows = 0
        self.lost = False

    def begin(self, number: int) -> None:
        self.statement = number

    def read(self, rows: int) -> None:
        self.rows = rows


def expire(url: str, settings: Settings, days: float | None = None) -> int:
    """Remove queries that ended more than some days ago, and their results; return how many."""
    folder, removed = results_folder(settings), 0
    with connect(url, application="broker-assets queue", autocommit=True) as connection:
        while old := queue.expired(connection, settings.tom.results_days if days is None else days):
            remove_files(folder, old)
            queue.forget(connection, old)
            removed += len(old)
    return removed


def end_overdue(connection: psycopg.Connection[Any], settings: Settings) -> int:
    """Terminate sessions of users' SQL that ignore being cancelled; return how many.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection of the owner of the tables.
    settings : Settings
        Settings with the longest time that SQL may take.
    """
    longest = max(settings.tom.query_seconds, settings.tom.queued_seconds) + 120
    row = connection.execute(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = ANY(%s)"
        " AND datname = current_database() AND backend_start < clock_timestamp() - make_interval(secs => %s)",
        ([EVERYBODY, ADMINISTRATORS], longest),
    ).fetchone()
    return 0 if row is None else int(row[0])

"""Queued SQL is worked on with the rights of its account, and its result kept until it expires."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts
from broker_assets.database import engine
from broker_assets.settings import Settings, TomSettings
from broker_assets.tom.queries import queue, worker
from broker_assets.tom.queries.statements import statements_of
from broker_assets.tom.queries.worker import Done, QueryWorker, end_overdue, expire

pytestmark = pytest.mark.database


@dataclass
class Bench:
    url: str
    connection: psycopg.Connection[Any]
    settings: Settings
    folder: Path

    def submit(self, query: Any, values: Any = None, *, userid: int = 1, form: str = "csv") -> Any:
        return queue.submit(self.connection, userid, statements_of(query, values), form)

    def work(self) -> Done:
        done = QueryWorker(self.url, self.settings).run_next()
        assert done is not None
        return done


@pytest.fixture
def bench(database_url: str, tmp_path: Path) -> Iterator[Bench]:
    """Account 1 administers, account 2 does not."""
    settings = Settings(home=tmp_path, tom=TomSettings(queued_seconds=20))
    with engine.connect(database_url, autocommit=True) as connection:
        accounts.add(connection, "root", None, roles=["administrator"])
        accounts.add(connection, "anna", None)
        yield Bench(database_url, connection, settings, tmp_path / "archive" / "query_results")


def test_a_result_is_kept_until_it_expires(bench: Bench) -> None:
    identifier = bench.submit("SELECT %(a)s::int AS a WHERE 'x' IN %(l)s", {"a": 3, "l": ["x", "y"]})
    done = bench.work()
    assert (done.failure, done.rows) == ("", 1)
    file = bench.folder / f"{identifier}.csv"
    assert file.read_text() == ",a\n0,3\n"
    assert queue.get(bench.connection, 1, identifier).resultbytes == done.size == len(",a\n0,3\n")
    assert QueryWorker(bench.url, bench.settings).run_next() is None
    assert expire(bench.url, bench.settings) == 0
    assert expire(bench.url, bench.settings, 0.0) == 1
    assert not file.exists()
    assert queue.listed(bench.connection, 1) == []


def test_it_runs_with_the_rights_of_its_account(bench: Bench) -> None:
    for userid, failure in ((1, ""), (2, "permission denied")):
        bench.submit("SELECT * FROM elasticc2_diaobjecttruth", userid=userid, form="parquet")
        assert failure in bench.work().failure
    identifier = bench.submit("SELECT 1", userid=2)
    accounts.update(bench.connection, "anna", active=False)
    assert bench.work().failure == "its account is no longer active"
    assert queue.get(bench.connection, 2, identifier).state == "error"


def test_errors_are_kept(bench: Bench) -> None:
    identifier = bench.submit(["CREATE TEMP TABLE a (b int)", "SELECT nothing FROM a"])
    assert "does not exist" in bench.work().failure
    assert "does not exist" in str(queue.get(bench.connection, 1, identifier).errortext)
    bench.settings.tom.queued_seconds = 0.2
    bench.submit("SELECT pg_sleep(30)")
    assert "longer than 0.2 s" in bench.work().failure


def test_a_query_is_cancelled_while_it_runs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "SAY_SECONDS", 0.05)
    identifier = bench.submit("SELECT pg_sleep(30)")

    def cancel() -> None:
        with engine.connect(bench.url, autocommit=True) as connection:
            while queue.get(connection, 1, identifier).statement == 0:
                pass
            assert queue.cancel(connection, 1, identifier)

    thread = threading.Thread(target=cancel)
    thread.start()
    assert bench.work().failure == "cancelled"
    thread.join(30)
    assert queue.get(bench.connection, 1, identifier).errortext == "cancelled"


def test_a_run_that_ends_leaves_its_query_to_another(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "SAY_SECONDS", 0.05)
    identifier = bench.submit("SELECT pg_sleep(30)")
    done = QueryWorker(bench.url, bench.settings, stop=lambda: True).run_next()
    assert done is not None
    assert "waits for another" in done.failure
    query = queue.get(bench.connection, 1, identifier)
    assert (query.state, query.attempts) == ("queued", 0)


def test_sessions_beyond_their_time_are_ended(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from broker_assets.database.sql_roles import sql_url

    url = sql_url(bench.url, None, admin=False)
    assert url is not None
    with engine.connect(url) as connection:
        connection.execute("SELECT 1")
        assert end_overdue(bench.connection, bench.settings) == 0
        late = bench.settings.model_copy(
            update={"tom": TomSettings.model_construct(query_seconds=0, queued_seconds=-999)}
        )
        monkeypatch.setattr(late.tom, "query_seconds", -999)
        assert end_overdue(bench.connection, late) == 1
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")

"""Asynchronous queries in the database: owners, phases, limits, and what becomes of interrupted ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts
from broker_assets.database.engine import connect
from broker_assets.filters import tap_jobs
from broker_assets.filters.tap_jobs import JobEnded, Owner, ParametersTooLong, ResultTooLarge, TooManyJobs, UnknownJob

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def opened(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(module_database_url, autocommit=True) as connection:
        for name in ("ann", "bob"):
            accounts.add(connection, name, None)
        yield connection


@pytest.fixture
def connection(opened: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    opened.execute("DELETE FROM access.tap_jobs")
    return opened


def owner(connection: psycopg.Connection[Any], name: str) -> Owner:
    return Owner(accounts.get(connection, name).userid, "somewhere")


def make(connection: psycopg.Connection[Any], of: Owner, **options: Any) -> str:
    given: dict[str, Any] = {"uploads": {}, "most_rows": 5, "duration": 10, "server": "http://b"} | options
    return tap_jobs.make(connection, of, {"QUERY": "SELECT 1"}, **given)


def test_the_life_of_a_job(connection: psycopg.Connection[Any]) -> None:
    ann = owner(connection, "ann")
    job = make(connection, ann, uploads={"t": b"<VOTABLE/>"})
    assert tap_jobs.take(connection) is None  # it is pending
    assert not tap_jobs.any_waiting(connection)
    tap_jobs.change(connection, job, parameters={"QUERY": "SELECT 2"}, duration=20)
    tap_jobs.queue(connection, job)
    assert tap_jobs.any_waiting(connection)
    with pytest.raises(JobEnded):
        tap_jobs.queue(connection, job)
    with pytest.raises(JobEnded):
        tap_jobs.change(connection, job, duration=30)
    with pytest.raises(ParametersTooLong):
        tap_jobs.change(connection, job, parameters={"QUERY": "x" * 50_000})
    taken = tap_jobs.take(connection)
    assert taken is not None
    assert (taken.jobid, taken.username, taken.phase, taken.duration) == (job, "ann", "EXECUTING", 20)
    assert tap_jobs.uploads_of(connection, job) == {"t": b"<VOTABLE/>"}
    assert tap_jobs.keep_result(connection, job, [b"a" * 700_000, b"b" * 700_000, b"c"]) == 1_400_001
    tap_jobs.finish(connection, taken, "COMPLETED", media_type="text/csv", size=1_400_001)
    assert len(b"".join(tap_jobs.result(connection, job))) == 1_400_001
    found = tap_jobs.get(connection, ann.userid, job)
    assert (found.phase, found.ended, found.parameters) == ("COMPLETED", True, {"QUERY": "SELECT 2"})
    assert tap_jobs.uploads_of(connection, job) == {}  # they are not needed any more
    tap_jobs.abort(connection, job)  # too late
    assert [one.phase for one in tap_jobs.listed(connection, ann.userid or 0)] == ["COMPLETED"]
    accounts.remove(connection, "ann")
    assert connection.execute("SELECT count(*) FROM access.tap_results").fetchone() == (0,)
    accounts.add(connection, "ann", None)


def test_owners(connection: psycopg.Connection[Any]) -> None:
    ann, bob = owner(connection, "ann"), owner(connection, "bob")
    job, anybody = make(connection, ann), make(connection, Owner(None, "1.2.3.4"))
    for other in (bob.userid, None):
        with pytest.raises(UnknownJob):
            tap_jobs.get(connection, other, job)
        assert tap_jobs.get(connection, other, anybody).username == ""
    assert [one.jobid for one in tap_jobs.listed(connection, ann.userid or 0, phases=["PENDING"], last=1)] == [job]
    assert tap_jobs.listed(connection, bob.userid or 0) == []


def test_limits(connection: psycopg.Connection[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    ann = owner(connection, "ann")
    made = [make(connection, ann) for _ in range(tap_jobs.MOST_UNFINISHED)]
    with pytest.raises(TooManyJobs, match="have not ended"):
        make(connection, ann)
    make(connection, Owner(None, "1.2.3.4"))  # others still may
    monkeypatch.setattr(tap_jobs, "MOST_OF_GUESTS", 1)
    with pytest.raises(TooManyJobs, match="visitors"):
        make(connection, Owner(None, "4.3.2.1"))
    monkeypatch.setattr(tap_jobs, "KEPT", 3)
    connection.execute("UPDATE access.tap_jobs SET phase = 'COMPLETED', bytes = 100, asked_at = now()")
    newest = make(connection, ann)
    assert len(tap_jobs.listed(connection, ann.userid or 0)) == 3
    monkeypatch.setattr(tap_jobs, "MOST_BYTES", 150)
    tap_jobs.destroy_expired(connection)
    left = {one.jobid for one in tap_jobs.listed(connection, ann.userid or 0)}
    assert (newest in left, len(left), len(set(made) & left)) == (True, 2, 1)
    monkeypatch.setattr(tap_jobs, "LARGEST_RESULT", 10)
    with pytest.raises(ResultTooLarge):
        tap_jobs.keep_result(connection, newest, [b"x" * 11])


def test_a_job_whose_process_died_begins_again_once(connection: psycopg.Connection[Any]) -> None:
    job = make(connection, Owner(None, "a"))
    tap_jobs.queue(connection, job)
    old = "UPDATE access.tap_jobs SET seen_at = now() - interval '1 hour'"
    first = tap_jobs.take(connection)
    assert first is not None
    assert tap_jobs.still(connection, [job, "x"]) == {job}
    assert tap_jobs.take(connection) is None
    tap_jobs.keep_result(connection, job, [b"half"])
    connection.execute(old)
    again = tap_jobs.take(connection)
    assert again is not None
    assert (again.jobid, again.attempts) == (job, 2)
    tap_jobs.finish(connection, first, "ERROR", said="late")  # the process that was taken for dead
    assert tap_jobs.get(connection, None, job).phase == "EXECUTING"
    assert list(tap_jobs.result(connection, job)) == []
    connection.execute(old)
    assert tap_jobs.take(connection) is None
    found = tap_jobs.get(connection, None, job)
    assert (found.phase, found.said) == ("ERROR", tap_jobs.INTERRUPTED)


def test_nobody_keeps_others_waiting(connection: psycopg.Connection[Any]) -> None:
    ann, bob = owner(connection, "ann"), owner(connection, "bob")
    jobs = [make(connection, of) for of in (ann, ann, ann, bob)]
    for one in jobs:
        tap_jobs.queue(connection, one)
    taken = [tap_jobs.take(connection) for _ in range(3)]
    assert [one.username for one in taken if one] == ["ann", "bob", "ann"]
    tap_jobs.give_back(connection, [jobs[0]])
    assert tap_jobs.get(connection, ann.userid, jobs[0]).attempts == 0
    tap_jobs.abort(connection, jobs[3])
    assert tap_jobs.still(connection, jobs) == {jobs[1]}

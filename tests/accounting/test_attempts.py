"""Messages that end the process that reads them are found from what runs began and did not finish."""

from __future__ import annotations

import datetime
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broker_assets.accounting import attempts, ledger
from broker_assets.accounting.attempts import Suspect
from broker_assets.settings import AttemptSettings

pytestmark = pytest.mark.database
LIMITS = AttemptSettings(narrow_after=2, condemn_after=2)


def commit(connection: psycopg.Connection[Any], first: int, end: int, topic: str = "t") -> None:
    """A batch of partition 0."""
    now = datetime.datetime.now(datetime.UTC)
    ingestid = ledger.open_batch(connection, topic=topic, kind="stream", code_version="1", started_at=now)
    span = ledger.Range(partition=0, first_offset=first, next_offset=end, received=end - first)
    ledger.advance(connection, ingestid, topic, [span])


def test_runs_that_died_are_counted_whatever_the_ends_of_their_batches(connection: psycopg.Connection[Any]) -> None:
    attempts.begin(connection, "t", {0: (100, 200), 1: (5, 9)}, "a")
    assert attempts.suspects(connection, "t", {0: 100, 1: 5}, LIMITS) == {}
    attempts.begin(connection, "t", {0: (100, 170)}, "b")
    assert attempts.suspects(connection, "t", {0: 100, 1: 5}, LIMITS) == {0: Suspect(200)}
    assert attempts.suspects(connection, "other", {0: 100}, LIMITS) == {}


def test_a_message_that_ended_runs_alone_is_condemned(connection: psycopg.Connection[Any]) -> None:
    attempts.begin(connection, "t", {0: (7, 8)}, "a")
    attempts.begin(connection, "t", {0: (7, 8)}, "b")
    (found,) = attempts.suspects(connection, "t", {0: 7}, LIMITS).values()
    assert found == Suspect(8, {7: 2})
    assert "2 runs died" in found.reason(7)
    commit(connection, 7, 8)
    assert attempts.suspects(connection, "t", {0: 8}, LIMITS) == {}


def test_only_a_message_that_was_alone_is_condemned(connection: psycopg.Connection[Any]) -> None:
    """Batches of one message, of several partitions or one after the other, are in flight together."""
    for run in ("a", "b"):
        attempts.begin(connection, "t", {0: (7, 8), 1: (3, 4)}, run)
        attempts.begin(connection, "t", {0: (8, 9)}, run)
    assert attempts.suspects(connection, "t", {0: 7, 1: 3}, LIMITS) == {0: Suspect(9), 1: Suspect(4)}
    attempts.begin(connection, "t", {0: (7, 8)}, "c")
    assert attempts.suspects(connection, "t", {0: 7, 1: 3}, LIMITS)[0].condemned == {7: 3}


def test_offsets_without_messages_before_the_one_that_kills(connection: psycopg.Connection[Any]) -> None:
    for run in ("a", "b"):
        attempts.begin(connection, "t", {0: (7, 9)}, run)
    assert attempts.suspects(connection, "t", {0: 5}, LIMITS) == {0: Suspect(9)}


def test_a_run_counts_once_however_often_it_tries(connection: psycopg.Connection[Any]) -> None:
    for _ in range(5):
        attempts.begin(connection, "t", {0: (7, 8)}, "a")
    assert attempts.suspects(connection, "t", {0: 7}, LIMITS) == {}


def test_a_run_that_ends_in_order_takes_its_attempts_back(connection: psycopg.Connection[Any]) -> None:
    attempts.begin(connection, "t", {0: (7, 8)}, "dead")
    for run in ("a", "b", "c"):
        attempts.begin(connection, "t", {0: (7, 8)}, run)
        attempts.release(connection, "t", run)
        assert attempts.suspects(connection, "t", {0: 7}, LIMITS) == {}
    attempts.begin(connection, "t", {0: (7, 8)}, "c")
    assert attempts.suspects(connection, "t", {0: 7}, LIMITS)[0].condemned == {7: 2}


def test_entries_go_with_the_transaction_that_moves_the_position(connection: psycopg.Connection[Any]) -> None:
    attempts.begin(connection, "t", {0: (0, 10)}, "a")
    attempts.begin(connection, "t", {0: (10, 20)}, "a")
    commit(connection, 0, 4)
    assert left(connection) == [(0, 10), (10, 20)]
    commit(connection, 4, 10)
    assert left(connection) == [(10, 20)]
    now = datetime.datetime.now(datetime.UTC)
    ingestid = ledger.open_batch(connection, topic="t", kind="stream", code_version="1", started_at=now)
    ledger.record_gap(connection, "t", 0, 10, 0, reason="recreated", ingestid=ingestid)
    assert left(connection) == []


def left(connection: psycopg.Connection[Any]) -> list[tuple[int, int]]:
    """Ranges begun and not finished."""
    return connection.execute('SELECT "offset", next_offset FROM stream_attempt ORDER BY "offset"').fetchall()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    messages=st.integers(1, 60),
    killers=st.sets(st.integers(0, 59), max_size=3),
    sizes=st.lists(st.integers(1, 40), min_size=1, max_size=6),
    flight=st.integers(1, 3),
)
def test_killers_are_condemned_and_nothing_else(
    connection: psycopg.Connection[Any], messages: int, killers: set[int], sizes: list[int], flight: int
) -> None:
    """Runs with any batches, several in flight, pass every message after a few deaths for each killer."""
    attempts.forget(connection, "p", 0)
    killers = {killer for killer in killers if killer < messages}
    position, condemned, run = 0, [], 0
    while position < messages:
        run += 1
        assert run <= 1 + (LIMITS.narrow_after + LIMITS.condemn_after) * (len(killers) + 1), "the partition is stuck"
        suspect = attempts.suspects(connection, "p", {0: position}, LIMITS).get(0, Suspect(0))
        alive, at = True, position
        while alive and position < messages:
            begun: list[tuple[int, int]] = []
            for number in range(1 if at < suspect.until else flight):
                size = 1 if at < suspect.until else sizes[(run + number) % len(sizes)]
                end = min(at + size, messages)
                if at < end and at not in suspect.condemned:
                    attempts.begin(connection, "p", {0: (at, end)}, str(run))
                begun.append((at, end))
                at = end
            for first, end in begun:
                if first in suspect.condemned and end == first + 1:
                    condemned.append(first)
                elif killers & set(range(first, end)):
                    alive = False
                    break
                attempts.forget(connection, "p", 0, passed=end)
                position = end
    assert sorted(condemned) == sorted(killers)

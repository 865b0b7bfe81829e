"""One message after the other: no message stops the next, whatever it does to the process."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from broker_assets.accounting import ledger
from broker_assets.database import engine
from broker_assets.settings import AttemptSettings
from broker_assets.stream.messages import Message, SourceUnavailableError
from broker_assets.stream.one_by_one import Handled, Topic, consume

pytestmark = pytest.mark.database
Connection = psycopg.Connection[Any]
INSERT = "INSERT INTO code (asset, code_version) VALUES (%s, '1')"
QUICK: dict[str, Any] = {"settings": AttemptSettings(), "idle_seconds": 0.1}


def topic(handle: Callable[[Connection, bytes], Any], largest: int = 1000) -> Topic:
    """A topic whose messages are stored by name, after something was done with them."""

    def store(connection: Connection, content: bytes, _ingestid: int) -> Handled:
        connection.execute(INSERT, (content.decode("latin-1"),))
        handle(connection, content)
        return Handled(True, "stored")

    return Topic("t", store, "1", largest)


def stored(database_url: str) -> list[str]:
    """Messages that were stored."""
    with engine.connect(database_url) as connection:
        return [name for (name,) in connection.execute("SELECT asset FROM code ORDER BY asset")]


def quarantined(database_url: str) -> list[tuple[bytes, str]]:
    """Messages in quarantine, with the reasons."""
    with engine.connect(database_url) as connection:
        return connection.execute("SELECT payload, reason FROM quarantine ORDER BY quarantineid").fetchall()


class PanicException(BaseException):
    """As libraries in Rust raise it."""


def _raise(error: BaseException) -> None:
    raise error


@pytest.mark.parametrize(
    "fail",
    [
        lambda connection: _raise(ValueError("wrong")),
        lambda connection: _raise(RecursionError("deep")),
        lambda connection: _raise(OSError("Header missing END card.")),
        lambda connection: _raise(PanicException("index out of bounds")),
        lambda connection: connection.execute("SELECT 1/0"),
        lambda connection: connection.execute("SELECT %s::text", ("nul \0",)),
        lambda connection: connection.execute("SELECT %s", ({"no": "type"},)),
        lambda connection: connection.execute("SELECT '9999-12-31'::timestamptz + interval '300000 years'"),
        # PostgreSQL has no room for it in an index and calls that an operational error.
        lambda connection: connection.execute(INSERT, (os.urandom(9000).hex(),)),
        lambda connection: connection.execute("INSERT INTO quarantine (topic) VALUES ('t')"),
    ],
)  # fmt: skip
def test_whatever_a_message_raises_is_quarantined_and_the_next_is_stored(
    database_url: str, packets: Any, fail: Callable[[Connection], Any]
) -> None:
    def fail_once(connection: Connection, content: bytes) -> None:
        if content == b"bad":
            fail(connection)

    source = packets.ListSource.of([b"before", b"bad", b"after"])
    done = consume(source, database_url, topic(fail_once), **QUICK)
    assert (done.stored, done.quarantined) == (2, 1)
    assert stored(database_url) == ["after", "before"]  # and nothing of the bad one
    [(payload, reason)] = quarantined(database_url)
    assert payload == b"bad"
    assert reason
    with engine.connect(database_url) as connection:
        assert ledger.positions(connection, "t") == {0: 3}
        assert connection.execute("SELECT count(*) FROM stream_attempt").fetchone() == (0,)


@pytest.mark.parametrize(
    "error",
    [psycopg.OperationalError("server closed the connection"), ConnectionResetError(), OSError(28, "disk full"),
     psycopg.errors.UndefinedTable(), SourceUnavailableError("away"), KeyboardInterrupt()],
)  # fmt: skip
def test_failures_of_the_surroundings_are_left_to_the_next_run(
    database_url: str, packets: Any, error: BaseException
) -> None:
    failing = [error]

    def fail_once(connection: Connection, content: bytes) -> None:
        if content == b"second" and failing:
            raise failing.pop()

    source = packets.ListSource.of([b"first", b"second"])
    with pytest.raises(type(error)):
        consume(source, database_url, topic(fail_once), **QUICK)
    assert stored(database_url) == ["first"]
    with engine.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM stream_attempt").fetchone() == (0,)
    assert consume(source, database_url, topic(fail_once), **QUICK).stored == 1
    assert (stored(database_url), quarantined(database_url)) == (["first", "second"], [])


def _killed(connection: Connection, content: bytes) -> None:
    if content == b"killer":
        os.kill(os.getpid(), signal.SIGKILL)


def _out_of_memory(connection: Connection, content: bytes) -> None:
    if content == b"killer":
        raise MemoryError


@pytest.mark.parametrize("die", [_killed, _out_of_memory])
def test_a_message_that_ends_the_process_is_quarantined_after_some_runs(
    database_url: str, packets: Any, die: Callable[[Connection, bytes], None]
) -> None:
    source = packets.ListSource.of([b"first", b"killer", b"last"])
    runs = multiprocessing.get_context("fork")
    codes = []
    for _ in range(AttemptSettings().condemn_after + 1):
        run = runs.Process(target=consume, args=(source, database_url, topic(die)), kwargs=QUICK)
        run.start()
        run.join(60)
        codes.append(run.exitcode)
    assert codes[-1] == 0
    assert 0 not in codes[:-1]
    assert stored(database_url) == ["first", "last"]
    [(payload, reason)] = quarantined(database_url)
    assert payload == b"killer"
    assert "died" in reason


def test_messages_that_are_too_large_or_odd_are_not_read(database_url: str, packets: Any) -> None:
    source = packets.ListSource.of([b"x" * 1001, b"y"])
    source.logs[0][0] = source.logs[0][0]._replace(timestamp_ms=2**62)
    source.logs[0].append(Message(0, 2, -1, b"\xff", b""))
    done = consume(source, database_url, topic(lambda connection, content: None), **QUICK)
    assert (done.stored, done.quarantined) == (2, 1)
    assert quarantined(database_url)[0][1] == "1001 bytes, more than 1000"

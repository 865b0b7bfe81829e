from dataclasses import dataclass, field

import psycopg
import pytest

from broker_assets.accounting import attempts, ledger
from broker_assets.database.engine import conninfo
from broker_assets.settings import AttemptSettings
from broker_assets.stream.decode import Reason
from broker_assets.stream.messages import Message
from broker_assets.stream.topic_batches import BatchRun

pytestmark = pytest.mark.database


@dataclass(kw_only=True)
class Noted(BatchRun):
    """Notes what is written together; a message `bad` is refused by the database, with `gone` the database is away."""

    bad: bytes = b"bad"
    written: list[tuple[list[int], str | None]] = field(default_factory=list)

    def write(self, messages, condemned):
        if condemned is None and any(message.value == self.bad for message in messages):
            raise psycopg.errors.CheckViolation("not that one")
        if any(message.value == b"gone" for message in messages):
            raise psycopg.OperationalError("gone")
        self.written.append(([message.offset for message in messages], condemned and condemned.reason))


def messages(*values):
    return [Message(0, offset, 0, None, value) for offset, value in enumerate(values)]


@pytest.fixture
def run(database_url):
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
        yield Noted(
            connection=connection, stream="t", kind="annotation", code_version="1", run_id=None, attempt_id="a",
            positions={0: 0},
        )  # fmt: skip


def test_the_message_that_the_database_refuses_is_found_by_halving(run):
    run.apply(messages(b"a", b"b", b"c", b"bad", b"e"))
    assert [(offsets, why is None) for offsets, why in run.written] == [
        ([0, 1], True), ([2], True), ([3], False), ([4], True),
    ]  # fmt: skip


def test_an_error_of_the_environment_is_not_a_messages(run):
    with pytest.raises(psycopg.OperationalError):
        run.apply(messages(b"a", b"gone"))
    assert run.written == []


def test_messages_at_which_runs_have_died_are_written_alone(run):
    for number in range(4):
        attempts.begin(run.connection, "t", {0: (0, 2)}, f"dead-{number}")
    run.suspects = attempts.suspects(run.connection, "t", {0: 0}, AttemptSettings())
    run.apply(messages(b"a", b"b", b"c", b"d"))
    assert [offsets for offsets, _ in run.written] == [[0], [1], [2, 3]]


def test_ranges_end_with_the_messages(run):
    found = run.ranges([Message(0, 4, 0, None, b""), Message(0, 6, 0, None, b"")])
    assert found == [ledger.Range(partition=0, first_offset=0, next_offset=7, received=2)]


def test_no_messages_are_no_batch(run):
    run.apply([])
    assert run.written == []
    assert Reason("x").reason == "x"

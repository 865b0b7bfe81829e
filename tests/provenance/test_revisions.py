"""Numbers of changes, and waiting for batches under way."""

from __future__ import annotations

import threading
import time

import pytest
from psycopg.errors import LockNotAvailable

from broker_assets.database import engine
from broker_assets.provenance.revisions import (
    BatchesDoNotEnd,
    alone,
    begin_batch,
    current_revision,
    next_revision,
    wait_for_batches,
)

pytestmark = pytest.mark.database


def test_a_rematch_waits_for_batches_that_began_before(database_url: str) -> None:
    with (
        engine.connect(database_url) as batch,
        engine.connect(database_url) as later,
        engine.connect(database_url, autocommit=True) as waiting,
    ):
        wait_for_batches(waiting, seconds=0.0)
        begin_batch(batch)
        with pytest.raises(BatchesDoNotEnd, match="1 batch"):
            wait_for_batches(waiting, seconds=0.1)
        ended: list[float] = []

        def wait() -> None:
            wait_for_batches(waiting)
            ended.append(time.monotonic())

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.3)
        begin_batch(later)  # a new batch neither waits nor is waited for
        assert not ended
        batch.commit()
        thread.join(10)
        assert ended


def test_numbers_follow_the_order_of_commits(database_url: str) -> None:
    with (
        engine.connect(database_url) as first,
        engine.connect(database_url) as second,
        engine.connect(database_url, autocommit=True) as reader,
    ):
        before = current_revision(reader)
        assert next_revision(first) == before + 1
        taken: list[int] = []

        def take() -> None:
            taken.append(next_revision(second))
            second.commit()

        thread = threading.Thread(target=take)
        thread.start()
        time.sleep(0.3)
        # the second change waits for the first, and nobody sees a number whose change is not committed
        assert not taken
        assert current_revision(reader) == before
        first.commit()
        thread.join(10)
        assert taken == [before + 2]
        assert current_revision(reader) == before + 2


def test_a_number_is_given_back_with_its_transaction(database_url: str) -> None:
    with engine.connect(database_url) as connection:
        before = current_revision(connection)
        next_revision(connection)
        connection.rollback()
        assert next_revision(connection) == before + 1


def test_a_batch_sees_the_changes_up_to_its_number(database_url: str) -> None:
    with engine.connect(database_url) as batch, engine.connect(database_url) as editor:
        batch.execute("SELECT 1")  # its transaction has begun before the change
        number = next_revision(editor)
        editor.commit()
        assert begin_batch(batch) == number


def test_work_that_no_batch_may_overlap_waits_for_a_moment_without_any(database_url: str) -> None:
    with (
        engine.connect(database_url) as batch,
        engine.connect(database_url) as other,
        engine.connect(database_url) as working,
    ):
        begin_batch(batch)
        assert not alone(working, seconds=0.1)
        begin_batch(other)  # was not made to wait
        batch.rollback()
        other.rollback()
        assert alone(working, seconds=0.1)
        batch.execute("SET LOCAL lock_timeout = '100ms'")
        with pytest.raises(LockNotAvailable):
            begin_batch(batch)

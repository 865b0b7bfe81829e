"""Batches share a night with one another; a reprocessing has it alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.stream.night_locks import own_night, share_nights

pytestmark = pytest.mark.database

FIRST, SECOND = np.datetime64("2026-01-01"), np.datetime64("2026-01-02")
Connect = Callable[[], psycopg.Connection[Any]]


@pytest.fixture
def connect(database_url: str) -> Iterator[Connect]:
    """Connections that give up waiting for a lock after a moment."""
    opened: list[psycopg.Connection[Any]] = []

    def one() -> psycopg.Connection[Any]:
        opened.append(engine.connect(database_url, lock_timeout=0.2))
        return opened[-1]

    yield one
    for connection in opened:
        connection.close()


def test_many_batches_write_one_night(connect: Connect) -> None:
    one, two = connect(), connect()
    share_nights(one, [FIRST, SECOND, FIRST])
    share_nights(two, [SECOND, FIRST])
    one.commit()
    reprocessing = connect()
    for night in ("2026-01-01", "2026-01-02"):
        with pytest.raises(psycopg.errors.LockNotAvailable):
            own_night(reprocessing, night)
        reprocessing.rollback()


def test_reprocessing_waits_for_batches_and_batches_for_it(connect: Connect) -> None:
    batch, reprocessing = connect(), connect()
    share_nights(batch, [FIRST])
    with pytest.raises(psycopg.errors.LockNotAvailable):
        own_night(reprocessing, "2026-01-01")
    reprocessing.rollback()
    batch.commit()
    own_night(reprocessing, "2026-01-01")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        share_nights(batch, [SECOND, FIRST])
    batch.rollback()
    share_nights(batch, [SECOND])


def test_two_reprocessings_of_a_night_follow_one_another(connect: Connect) -> None:
    one, two = connect(), connect()
    own_night(one, "2026-01-01")
    own_night(two, "2026-01-02")
    with pytest.raises(psycopg.errors.LockNotAvailable):
        own_night(two, "2026-01-01")
    two.rollback()
    one.rollback()
    own_night(two, "2026-01-01")

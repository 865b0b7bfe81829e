"""Transactions with a turn of the same name wait for one another; those with another name do not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.database.turns import in_turn, session_turn, turn_is_free

pytestmark = pytest.mark.database


def test_one_after_the_other(database_url: str) -> None:
    with (
        engine.connect(database_url) as first,
        engine.connect(database_url) as second,
        ThreadPoolExecutor(1) as thread,
    ):
        in_turn(first, "letters")
        second.execute("SET lock_timeout = '100ms'")
        second.commit()
        in_turn(second, "numbers")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            in_turn(second, "letters")
        second.rollback()
        second.execute("SET lock_timeout = 0")
        waiting = thread.submit(in_turn, second, "letters")
        first.commit()
        assert waiting.result(timeout=30) is None


def test_a_turn_that_is_taken_is_not_waited_for(database_url: str) -> None:
    with engine.connect(database_url) as first, engine.connect(database_url, autocommit=True) as second:
        assert turn_is_free(first, "letters")
        with session_turn(second, "letters") as free, session_turn(second, "numbers") as other:
            assert (free, other) == (False, True)
            assert not turn_is_free(first, "numbers")
        first.rollback()
        with suppress(ZeroDivisionError), session_turn(second, "letters") as free:
            assert free
            assert not turn_is_free(first, "letters")
            raise ZeroDivisionError
        assert turn_is_free(first, "letters")
        assert turn_is_free(first, "numbers")

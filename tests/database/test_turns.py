"""Transactions with a turn of the same name wait for one another; those with another name do not."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.database.turns import in_turn

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

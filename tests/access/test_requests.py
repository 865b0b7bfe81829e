"""Requests of an hour."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import psycopg
import pytest

from broker_assets.access import accounts, requests
from broker_assets.access.requests import TooManyRequests
from broker_assets.database import engine

pytestmark = pytest.mark.database


def test_as_many_as_allowed_and_again_when_the_hour_is_over(connection: psycopg.Connection[Any]) -> None:
    user = accounts.add(connection, "ann", "correct horse")
    other = accounts.add(connection, "bob", "correct horse")
    assert [requests.count(connection, user.userid, 3) for _ in range(3)] == [1, 2, 3]
    with pytest.raises(TooManyRequests, match="3 requests") as refused:
        requests.count(connection, user.userid, 3)
    assert 3500 < refused.value.seconds <= 3600
    assert requests.count(connection, other.userid, 3) == 1
    connection.execute("UPDATE access.requests SET minute = minute - interval '61 minutes'")
    assert requests.count(connection, user.userid, 3) == 1


def test_workers_agree(connection: psycopg.Connection[Any], module_database_url: str) -> None:
    user = accounts.add(connection, "ann", "correct horse")
    granted: list[int] = []

    def ask() -> None:
        with engine.connect(module_database_url, autocommit=True) as own:
            for _ in range(20):
                with contextlib.suppress(TooManyRequests):
                    granted.append(requests.count(own, user.userid, 30))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(granted) == list(range(1, 31))

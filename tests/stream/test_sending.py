"""What a batch queued leaves a moment after it is committed, and a database that fails ends nothing."""

from __future__ import annotations

import time
from typing import Any

import psycopg
import pytest
from delivery_peers import receiver, settings
from queued_messages import add_sink, queue

from broker_assets.database import engine
from broker_assets.settings import Settings
from broker_assets.stream.sending import Sending, make_sender

pytestmark = pytest.mark.database


def test_messages_leave_while_the_run_goes_on_and_when_it_ends(database_url: str) -> None:
    with receiver() as hook, engine.connect(database_url, autocommit=True) as connection:
        add_sink(connection, target=hook.url())
        configured = Settings(delivery=settings())
        with Sending(make_sender(configured, database_url)) as sending:
            queue(connection, [1, 2])
            sending.committed()
            deadline = time.monotonic() + 30
            while len(hook.accepted) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.02)
            queue(connection, [3])
        assert len(hook.accepted) == 3, "what is due when the run ends is still sent"
        assert sending.report.delivered == 3


def test_a_database_that_fails_ends_nothing(database_url: str) -> None:
    with receiver() as hook, engine.connect(database_url, autocommit=True) as connection:
        add_sink(connection, target=hook.url())
        with Sending(make_sender(Settings(delivery=settings()), database_url)) as sending:
            _end_other_sessions(connection)
            queue(connection, [1])
            sending.committed()
        assert len(hook.accepted) == 1


def _end_other_sessions(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )

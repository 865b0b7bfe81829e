"""Queued SQL from the command line."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.access import accounts
from broker_assets.database.engine import connect
from broker_assets.tom.queries import queue
from broker_assets.tom.queries.statements import statements_of

pytestmark = pytest.mark.database


def test_the_queue_is_worked_on_and_pruned(command: Any, database_url: str) -> None:
    with connect(database_url, autocommit=True) as connection:
        accounts.add(connection, "anna", None)
        for number in range(3):
            queue.submit(connection, 1, statements_of(f"SELECT {number} AS a", None), "pandas")
        assert "1 rows" in command("tom", "long_query_runner", "-o").output
        assert [one.state for one in queue.listed(connection, 1)] == ["queued", "queued", "finished"]
        assert command("tom", "long-query-runner").output.count("1 rows") == 2
        done = command("tom", "long_query_runner", "-p", "0.")
        assert done.exit_code == 0
        assert "3 queries removed" in done.output
        assert queue.listed(connection, 1) == []

"""`broker-assets delivery`: messages."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Done, invoke
from delivery_peers import KEY, receiver
from queued_messages import add_sink, queue

from broker_assets.database.engine import connect

pytestmark = pytest.mark.database

Command = Callable[..., Done]


@pytest.fixture
def command(database_url: str, tmp_path: Path) -> Command:
    def run(*arguments: str, **environment: str) -> Done:
        given = {"BROKER_HOME": str(tmp_path), "BROKER_DATABASE__URL": database_url, **environment}
        return invoke("delivery", *arguments, folder=tmp_path, columns=200, **given)

    return run


def test_from_backlog_to_receipt(command: Command, database_url: str) -> None:
    assert "0 messages wait" in command("backlog").stdout
    with receiver() as hook, connect(database_url, autocommit=True) as connection:
        add_sink(connection, target=hook.url())
        queue(connection, [1, 2])
        hook.answer = lambda request: 410 if b"alert/0/2" in request.body else 200
        sent = command("send", BROKER_DELIVERY__WEBHOOK_KEY=KEY, BROKER_DELIVERY__PRIVATE_ADDRESSES="true")
        assert "1 delivered, 1 given up" in sent.stdout
        document = json.loads(command("backlog", "--json").stdout)
        assert (document["waiting"], document["dead"], len(document["sinks"])) == (0, 1, 1)
        (row,) = [json.loads(line) for line in command("dead-letters", "list", "--json").stdout.splitlines()]
        assert "answers 410" in row["failure"]
        assert "alert/0/2" in command("dead-letters", "list").stdout
        number = row["deliveryid"]
        assert '"status": 200' in command("show", str(number - 1)).stdout
        assert json.loads(command("show", str(number), "--json").stdout)["state"] == "dead"
        assert command("dead-letters", "retry").returncode == 2, "it says what is missing"
        assert "1 messages are sent again" in command("dead-letters", "retry", str(number)).stdout
        connection.execute("UPDATE deliveries SET state = 'dead' WHERE state = 'pending'")
        assert "1 messages are dismissed" in command("dead-letters", "dismiss", "--all").stdout
        assert "There are none" in command("dead-letters", "list").stdout
        assert "none of these is among the dead letters: 999" in command("dead-letters", "retry", "999").stderr


def test_an_unknown_message(command: Command) -> None:
    done: Any = command("show", "7")
    assert done.returncode != 0
    assert "no message 7" in done.stderr

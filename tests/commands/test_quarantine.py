"""`broker-assets quarantine`; `stream/test_retry` shows that a retry stores what can be read now."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import Done, invoke

from broker_assets.accounting import quarantine
from broker_assets.database.engine import transaction

pytestmark = pytest.mark.database

Command = Callable[..., Done]


@pytest.fixture
def command(database_url: str, tmp_path: Path) -> Command:
    """The command, over four messages of two topics."""
    with transaction(database_url) as connection:
        connection.execute(
            "INSERT INTO ingest_batch (topic, kind, code_version, started_at) VALUES ('a', 'stream', '1', now())"
        )
        quarantine.add(
            connection,
            1,
            [
                quarantine.QuarantinedMessage(
                    topic=topic, partition=0, offset=offset, payload=b"\x00" * offset, reason=f"reason {offset}",
                    traceback="Traceback: here" if offset == 2 else None,
                )
                for topic, offset in (("a", 1), ("a", 2), ("a", 3), ("b", 4))
            ],
        )  # fmt: skip

    def run(*arguments: str) -> Done:
        given = {"BROKER_HOME": str(tmp_path), "BROKER_DATABASE__URL": database_url}
        return invoke("quarantine", *arguments, folder=tmp_path, columns=200, **given)

    return run


def listed(done: Done) -> list[tuple[str, int]]:
    return [(entry["topic"], entry["offset"]) for entry in map(json.loads, done.stdout.splitlines())]


def test_list_and_dismiss(command: Command) -> None:
    assert listed(command("list", "--json")) == [("a", 1), ("a", 2), ("a", 3), ("b", 4)]
    assert listed(command("list", "--json", "--topic", "b")) == [("b", 4)]
    assert listed(command("list", "--json", "--limit", "2")) == [("a", 1), ("a", 2)]
    assert "Showing the first 2" in command("list", "--limit", "2").stdout
    assert command("dismiss", "1", "4").returncode == 0
    assert listed(command("list", "--json")) == [("a", 2), ("a", 3)]
    everything = command("list", "--json", "--all")
    assert [json.loads(line)["state"] for line in everything.stdout.splitlines()] == [
        "dismissed",
        "open",
        "open",
        "dismissed",
    ]
    assert "payload" not in everything.stdout


def test_show_the_reason_or_write_the_bytes(command: Command, tmp_path: Path) -> None:
    shown = command("show", "2").stdout
    for part in ("a, partition 0, offset 2", "2 bytes, open", "reason 2", "Traceback: here", "first bytes: 00 00"):
        assert part in shown
    assert command("show", "3", "--out", "taken").returncode == 0
    assert (tmp_path / "taken").read_bytes() == b"\x00" * 3


def test_what_is_not_there_is_said(command: Command) -> None:
    for arguments in (("show", "99"), ("retry", "99"), ("show", "0")):
        done = command(*arguments)
        assert done.returncode == 1
        assert "Error: " in done.stderr
    assert command("show", "x").returncode == 2
    command("dismiss", "1", "2", "3", "4")
    assert "The quarantine is empty" in command("list").stdout
    assert "The quarantine is empty" in command("retry").stdout

"""`broker-assets quarantine`; `stream/test_retry` shows that a retry stores what can be read now."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Done, invoke
from dagster import AssetCheckKey, AssetKey, DagsterInstance
from platform_in_process import Platform, platform, survey

from broker_assets.accounting import quarantine
from broker_assets.database.engine import transaction

__all__ = ["platform", "survey"]

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
    assert listed(command("list", "--entries", "--json")) == [("a", 1), ("a", 2), ("a", 3), ("b", 4)]
    assert listed(command("list", "--entries", "--json", "--topic", "b")) == [("b", 4)]
    assert listed(command("list", "--entries", "--json", "--limit", "2")) == [("a", 1), ("a", 2)]
    assert "Showing the first 2" in command("list", "--entries", "--limit", "2").stdout
    assert command("dismiss", "1", "4").returncode == 0
    assert listed(command("list", "--entries", "--json")) == [("a", 2), ("a", 3)]
    everything = command("list", "--json", "--all")
    assert [json.loads(line)["state"] for line in everything.stdout.splitlines()] == [
        "dismissed",
        "open",
        "open",
        "dismissed",
    ]
    assert "payload" not in everything.stdout


def test_list_by_kind_of_reason_with_an_example_and_totals(command: Command) -> None:
    shown = command("list").stdout
    lines = [line.split() for line in shown.splitlines()]
    assert next(line for line in lines if line[-2:] == ["reason", "…"])[:2] == ["3", "a"]
    assert "4 wait: 3 of a, 1 of b; 0 of them failed again." in shown
    groups = [json.loads(line) for line in command("list", "--json").stdout.splitlines()]
    assert [(one["topic"], one["waiting"], one["kind"], one["example"], one["reason"]) for one in groups] == [
        ("a", 3, "reason …", 1, "reason 1"),
        ("b", 1, "reason …", 4, "reason 4"),
    ]
    assert "1 wait: 1 of b" in command("list", "--topic", "b").stdout
    command("dismiss", "1")
    assert "3 wait: 2 of a, 1 of b; 0 of them failed again (1 dismissed)." in command("list").stdout


def test_dismiss_by_topic_or_reason(command: Command) -> None:
    assert command("dismiss").returncode == 2
    assert command("dismiss", "--reason", "nothing like it", "--yes").stdout.startswith("No waiting message")
    assert command("dismiss", "--topic", "a").returncode == 1, "it asks, and nobody answers"
    assert command("dismiss", "--topic", "a", "--reason", "reason 2", "--yes").stdout == "1 of 1 dismissed.\n"
    assert listed(command("list", "--entries", "--json")) == [("a", 1), ("a", 3), ("b", 4)]
    assert command("dismiss", "--topic", "a", "--reason", "reason …", "--yes").stdout == "2 of 2 dismissed.\n"
    assert listed(command("list", "--entries", "--json")) == [("b", 4)]
    assert command("dismiss", "--topic", "b", "4").returncode == 0
    assert command("dismiss", "--topic", "b", "4").returncode == 1, "it waits no longer"


def test_retry_is_known_to_dagster_at_once_with_its_checks(platform: Platform, survey: Any, tmp_path: Path) -> None:
    """A fault of the database stands for one of the code: the messages of one object are refused until it is fixed."""
    platform.execute("ALTER TABLE objects ADD CONSTRAINT fault CHECK (diaobjectid <> 2)")
    platform.append(list(survey(objects=3, visits=2).packets()))
    platform.drain()
    assert platform.query("SELECT count(*) FROM quarantine") != [(0,)]
    platform.execute("ALTER TABLE objects DROP CONSTRAINT fault")
    home = tmp_path / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    streams = json.dumps([json.loads(stream.model_dump_json()) for stream in platform.settings.streams])
    done = invoke(
        "quarantine",
        "retry",
        folder=tmp_path,
        columns=200,
        BROKER_HOME=str(tmp_path),
        BROKER_DATABASE__URL=platform.database.url,
        BROKER_STREAMS=streams,
        DAGSTER_HOME=str(home),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    nights = {str(night) for (night,) in platform.query("SELECT night FROM diasources WHERE diaobjectid = 2")}
    assert nights
    with DagsterInstance.from_config(str(home)) as instance:
        for asset in ("packet_archive", "sources", "objects"):
            assert instance.get_materialized_partitions(AssetKey(asset)) == nights
        for asset, check in (("packet_archive", "archive_is_complete"), ("sources", "ledger_balances")):
            history = instance.event_log_storage.get_asset_check_execution_history(
                AssetCheckKey(AssetKey(asset), check), limit=10
            )
            assert {(item.partition, item.status.value) for item in history} == {(n, "SUCCEEDED") for n in nights}


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

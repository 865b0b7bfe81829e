"""`broker-assets telemetry files`."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest
from telemetry_arrivals import NAME, make_site
from telemetry_records import Records
from typer.testing import CliRunner

from broker_assets.commands.telemetry.application import app
from broker_assets.monitoring.telemetry.judgements import failing_files
from broker_assets.settings import load_settings
from broker_assets.telemetry.reception.folders import folders
from broker_assets.telemetry.reception.receiver import Receiver, ingest_session

pytestmark = pytest.mark.database


@pytest.fixture
def call(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command, on the database of the test."""
    monkeypatch.setenv("BROKER_DATABASE__URL", database_url)
    monkeypatch.chdir(tmp_path)
    load_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, ["files", *arguments], env={"COLUMNS": "200"})
    load_settings.cache_clear()


def test_files_are_listed_shown_and_tried_again(call: Any, tmp_path: Path, database_url: str) -> None:
    assert "no such files" in call("list").output
    site = make_site(tmp_path)
    good = site.content(range(3))
    text = site.packet(1).hex().encode()
    (site.incoming / NAME.format(number=1)).write_bytes(good.replace(text, text[:-6]))
    (site.incoming / NAME.format(number=2)).write_text("nothing of ours")
    telemetry = site.telemetry
    with ingest_session(database_url) as session, telemetry.store() as store:
        incoming = folders(site.settings.telemetry)
        databases = telemetry.inputs().databases
        Receiver(session, incoming, telemetry.folders.incoming, store, databases, stable_seconds=0).run()
    listed = call("list").output
    assert "processed" in listed
    assert "quarantined" in listed
    (entry,) = [json.loads(line) for line in call("list", "-s", "quarantined", "--json").output.splitlines()]
    assert entry["name"] == NAME.format(number=2)
    (shown,) = [json.loads(line) for line in call("show", NAME.format(number=1), "--json").output.splitlines()]
    assert len(shown["bad"]) == shown["bad_packets"] == 1
    assert shown["next"] == "LB housekeeping of 2023-11-01 waits for the job ingest_telemetry"
    assert entry["next"] == "reception waits for an operator: `broker-assets telemetry files retry`"
    assert "at byte" in call("show", NAME.format(number=1)).output
    assert "waits for the job ingest_telemetry" in call("show", NAME.format(number=1)).output
    assert call("show", "nothing.xml").exit_code == 1
    assert call("list", "--state", "lost").exit_code == 2
    assert "1 files" in call("retry", str(entry["telemetryfileid"])).output
    assert call("retry", str(entry["telemetryfileid"])).exit_code == 1
    assert "staged" in call("list").output


def test_files_that_nobody_can_send_again_are_dismissed(call: Any, tmp_path: Path, database_url: str) -> None:
    records = Records(database_url, tmp_path, datetime.datetime.now(datetime.UTC))
    number = str(records.file("broken.xml", state="quarantined", reason="no packet in it"))
    assert not records.judge(failing_files).passed
    assert call("dismiss", number).output == "1 of 1 dismissed.\n"
    assert records.judge(failing_files).passed
    assert call("dismiss", number).exit_code == 1
    assert "0 files" in call("retry").output
    assert "1 files" in call("retry", number).output


def test_file_that_was_replaced_is_no_longer_a_problem(tmp_path: Path, database_url: str) -> None:
    records = Records(database_url, tmp_path, datetime.datetime.now(datetime.UTC))
    records.file("broken.xml", state="quarantined", reason="no packet in it")
    records.file("broken.xml", state="staged", version=2)
    assert not records.judge(failing_files).passed
    records.execute("UPDATE telemetry_file SET state = 'processed' WHERE version = 2")
    assert records.judge(failing_files).passed

"""`broker-assets telemetry status`, run as a user runs it, without Dagster."""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer
from telemetry_records import FOLDER, Records
from typer.testing import CliRunner, Result

from broker_assets.commands.telemetry.status import status
from broker_assets.database.tables import notification, telemetry_quarantine
from broker_assets.settings import load_settings

app = typer.Typer()
app.command()(status)
NOW = datetime.datetime.now(datetime.UTC)
Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Run]:
    """Runs the command with settings of the environment."""
    monkeypatch.setenv("BROKER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    def invoke(*arguments: str, **settings: str) -> Result:
        for name, value in settings.items():
            monkeypatch.setenv(f"BROKER_{name}", value)
        load_settings.cache_clear()
        return CliRunner().invoke(app, list(arguments))

    yield invoke
    load_settings.cache_clear()


def test_without_telemetry_it_says_so_and_all_is_well(run: Run) -> None:
    result = run()
    assert result.exit_code == 0
    assert "Telemetry is not configured" in result.stdout
    assert "BROKER_TELEMETRY__INCOMING" in result.stdout


def test_database_that_is_away_needs_attention(run: Run) -> None:
    result = run(
        TELEMETRY__INCOMING=f'["{FOLDER}"]',
        DATABASE__URL="postgresql+psycopg://nobody@127.0.0.1:1/broker?connect_timeout=1",
    )
    assert result.exit_code == 1
    assert "Something needs attention" in result.stdout
    assert "127.0.0.1" in result.stdout


@pytest.mark.database
def test_all_numbers_are_shown(run: Run, database_url: str, tmp_path: Path) -> None:
    records = Records(database_url, tmp_path, NOW)
    today = NOW.date()
    days = [today - datetime.timedelta(days=back) for back in (5, 4, 2)]
    for day in days:
        levelb = records.product("LB", day.isoformat())
        hk = records.product("LB", day.isoformat(), kind="hk-mini", family="housekeeping")
        records.product("L0", day.isoformat(), parent=levelb)
        records.product("L0", day.isoformat(), kind="hk-mini", family="housekeeping", parent=hk)
    published = records.product("L1", days[0].isoformat(), made=20 * 24)
    records.decision(published, "published")
    records.decision("held.fits", "held", ago=5, reason="fewer rows")
    records.file("waiting.xml", seen=0.1)
    done = records.file("done.xml", "processed", processed_at=records.hours(0.5), reported_at=records.hours(0.5))
    records.file("broken.xml", "quarantined", tries=5, reason="no telemetry at all")
    records.insert(telemetry_quarantine, telemetryfileid=done, position=1, reason="CRC is wrong", data=b"x")
    records.insert(notification, fingerprint="f", subject="error: telemetry_register: backlog", body="",
                   cause="check telemetry_register/backlog")  # fmt: skip
    records.insert(notification, fingerprint="g", subject="error: sources", body="", cause="check sources/balances")
    settings = {
        "DATABASE__URL": database_url,
        "TELEMETRY__INCOMING": f'["{FOLDER}"]',
        "PUBLICATION__TARGETS": '[{"name": "soar", "url": "/soar"}]',
    }
    result = run(**settings)
    assert result.exit_code == 1
    text = result.stdout
    missing = (today - datetime.timedelta(days=3)).isoformat()
    for part in (FOLDER, "broken.xml", "no telemetry at all", "CRC is wrong", "housekeeping", missing, "soar",
                 "fewer rows", "error: telemetry_register: backlog", "no folder of kernels is configured"):  # fmt: skip
        assert part in text, f"{part} is not in {text}"
    assert "error: sources" not in text
    found = json.loads(run("--json", **settings).stdout)
    assert found["healthy"] is False
    assert {item["subject"] for item in found["attention"]} == {
        "telemetry_register/failing_files", "telemetry_register/bad_packets", "lb_quicklook/days_missing",
        "lb_housekeeping/days_missing",
    }  # fmt: skip
    assert found["attention"][0]["severity"] == "error"
    assert found["waiting"] == 1
    assert found["folders"][0]["quarantined"] == 1
    assert [(level["level"], level["family"], level["files"]) for level in found["levels"]] == [
        ("LB", "housekeeping", 3), ("LB", "quicklook", 3), ("L0", "housekeeping", 3), ("L0", "quicklook", 3),
        ("L1", "quicklook", 1),
    ]  # fmt: skip
    assert [family["missing_days"] for family in found["families"]] == [missing, missing]
    (target,) = found["targets"]
    assert (target["published"], target["held"], target["waiting"]) == (1, 1, 0)


@pytest.mark.database
def test_all_is_well(run: Run, database_url: str, tmp_path: Path) -> None:
    records = Records(database_url, tmp_path, NOW)
    records.file("done.xml", "processed", processed_at=records.hours(0.5), reported_at=records.hours(0.5))
    result = run(DATABASE__URL=database_url, TELEMETRY__INCOMING=f'["{FOLDER}"]')
    assert result.exit_code == 0, result.stdout
    assert "All is well" in result.stdout


@pytest.mark.database
def test_a_blacklist_that_is_gone_hides_nothing_else(run: Run, database_url: str, tmp_path: Path) -> None:
    Records(database_url, tmp_path, NOW).file("old.xml", seen=9)
    result = run(
        "--json",
        DATABASE__URL=database_url,
        TELEMETRY__INCOMING=f'["{FOLDER}"]',
        PUBLICATION__TARGETS='[{"name": "soar", "url": "/soar"}]',
        PUBLICATION__BLACKLIST=str(tmp_path / "gone.txt"),
    )
    assert result.exit_code == 1
    found = json.loads(result.stdout)
    assert found["waiting"] == 1
    assert "telemetry_register/backlog" in [item["subject"] for item in found["attention"]]
    assert "gone.txt" in found["problems"][0]

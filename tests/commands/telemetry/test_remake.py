"""`broker-assets telemetry stale` and `remake` over a real database, packet store and archive."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from telemetry_platform import BEFORE, DAY, Mission, complete, mission, settled
from typer.testing import CliRunner, Result

from broker_assets.cli import app
from broker_assets.settings import load_settings

__all__ = ["complete", "mission", "settled"]

pytestmark = [pytest.mark.database, pytest.mark.slow]


@pytest.fixture
def call(complete: Mission, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Result]]:
    """Run a command with the settings of the mission, and other processing versions."""

    def run(*words: str, versions: dict[str, int] | None = None) -> Result:
        telemetry = complete.settings.telemetry.model_dump(mode="json", exclude_defaults=True)
        for name, value in {**telemetry, "versions": versions or {}}.items():
            text = value if isinstance(value, str) else json.dumps(value)
            monkeypatch.setenv(f"BROKER_TELEMETRY__{name.upper()}", text)
        monkeypatch.setenv("BROKER_HOME", str(complete.settings.home))
        monkeypatch.setenv("BROKER_DATABASE__URL", complete.database.url)
        load_settings.cache_clear()
        return CliRunner().invoke(app, ["telemetry", *words], catch_exceptions=False)

    yield run
    load_settings.cache_clear()


def listed(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_bump_look_and_remake_here(complete: Mission, call: Callable[..., Result]) -> None:
    """What is stale is listed, made again without Dagster, and not stale any more."""
    assert call("stale").exit_code == 0
    bump = {"L1/hk-mini": 3}
    shown = call("stale", versions=bump)
    assert shown.exit_code == 1
    assert "hk-mini 2 → 3" in " ".join(shown.stdout.split())
    stale = listed(call("stale", "--json", versions=bump))
    assert {item["day"] for item in stale} == {BEFORE, DAY}
    assert {item["name"].split("_")[2] for item in stale} == {"stix-hk-mini"}
    before = complete.tree()
    done = call("remake", "--stale", "--days", DAY, "--local", versions=bump)
    assert done.exit_code == 0
    assert f"l1_housekeeping {DAY}: 1 files written" in done.stdout
    after = complete.tree()
    assert {path: after[path] for path in before} == before
    assert [path.rsplit("/", 1)[-1] for path in after.keys() - before.keys()] == [
        "solo_L1_stix-hk-mini_20210117_V03U.fits"
    ]
    assert {item["day"] for item in listed(call("stale", "--json", versions=bump))} == {BEFORE}
    call("remake", "--stale", "--local", versions=bump)
    assert call("stale", versions=bump).exit_code == 0
    assert "nothing to rebuild" in call("remake", "--stale", versions=bump).stdout


def test_remake_of_an_asset(call: Callable[..., Result]) -> None:
    done = call("remake", "--asset", "l0_science", "--asset", "l1_science", "--local")
    assert done.exit_code == 0
    made = [line.split(" ")[0] for line in done.stdout.splitlines()]
    assert made == sorted(made)
    assert set(made) == {"l0_science", "l1_science"}
    assert "1 unchanged" in done.stdout
    assert call("remake").exit_code == 2
    assert call("remake", "--asset", "sources").exit_code == 2

"""`broker-assets notices`: a file applied, and what is shown of its event."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from event_notices import icecube, voevent
from typer.testing import CliRunner, Result

from broker_assets.cli import app
from broker_assets.settings import load_settings

pytestmark = pytest.mark.database
Command = Callable[..., Result]
LISTS = [
    {"name": "GCN bursts", "topics": ["bursts"], "days_after": 20_000},
    {"name": "neutrinos", "topics": ["nu"], "days_after": 20_000},
]


@pytest.fixture
def command(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Run `broker-assets notices …` with two moving lists in the settings."""
    monkeypatch.setenv("BROKER_DATABASE__URL", database_url)
    monkeypatch.setenv("BROKER_NOTICES__LISTS", json.dumps(LISTS))
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    load_settings.cache_clear()
    yield lambda *arguments, stdin=None: CliRunner().invoke(app, ["notices", *arguments], input=stdin)
    load_settings.cache_clear()


def test_a_notice_is_applied_listed_and_shown(command: Command, tmp_path: Path) -> None:
    assert "notices.lists" in command("list").output
    (tmp_path / "xrt.xml").write_bytes(voevent())
    done = command("apply", "xrt.xml", "--list", "gcn bursts")
    assert done.exit_code == 0, done.output
    assert "GCN bursts: 1299999 initial: 1 cone added" in done.output
    assert "already known" in command("apply", "-", "--list", "GCN bursts", stdin=voevent()).output
    command("apply", "-", "--list", "neutrinos", stdin=icecube(1))
    shown = command("list").output
    assert "1299999" in shown
    assert "36′" in shown
    command("apply", "-", "--list", "neutrinos", stdin=icecube(2, "retraction"))
    assert "IceCube" not in command("list").output
    [gone] = json.loads(command("list", "--list", "neutrinos", "--ended", "--json").output)
    assert (gone["name"], gone["ended"], gone["hits"]) == ("IceCube-261128A", "retracted", 0)
    kinds = [row["kind"] for row in json.loads(command("show", gone["event"], "--json").output)]
    assert kinds == ["initial", "retraction"]


def test_what_cannot_be_done_is_said(command: Command) -> None:
    for arguments, said in ((["-"], "--list is needed"), (["-", "--list", "x"], "no moving list 'x'")):
        failed = command("apply", *arguments, stdin=voevent())
        assert failed.exit_code == 1
        assert said in failed.output
    failed = command("apply", "-", "--list", "neutrinos", stdin=b"{}")
    assert "names no event" in failed.output
    assert command("show", "nothing").exit_code == 1

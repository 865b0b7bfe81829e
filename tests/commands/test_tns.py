"""`broker-assets tns` against a server that speaks the protocol of TNS."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from broker_assets.cli import app
from broker_assets.settings import load_settings


@pytest.fixture
def peer(tns: ModuleType) -> Iterator[Any]:
    """A TNS with one object."""
    with tns.TnsPeer() as peer:
        peer.objects["2026abc"] = tns.tns_row(1, "2026abc", 10.0, -5.0, object_type={"name": "SN Ia", "id": 3})
        yield peer


@pytest.fixture
def command(peer: Any, tns: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("BROKER_HOME", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    for name, value in (
        ("KEY", tns.KEY), ("BOT_ID", str(tns.BOT_ID)), ("BOT_NAME", tns.BOT_NAME), ("SEARCH_URL", peer.search_url)
    ):  # fmt: skip
        monkeypatch.setenv(f"BROKER_TNS__{name}", value)
    load_settings.cache_clear()
    yield lambda *arguments: CliRunner().invoke(app, ["tns", *arguments])
    load_settings.cache_clear()


def test_an_object(command: Any, peer: Any) -> None:
    shown = command("show", "SN 2026abc")
    assert shown.exit_code == 0, shown.output
    assert json.loads(peer.requests[0].form["data"])["objname"] == "2026abc"
    rows = {line.split()[0]: line.split(maxsplit=1)[1].strip() for line in shown.stdout.splitlines()}
    assert (rows["objid"], rows["declination"], rows["object_type"]) == ("1", "-5.0", "SN Ia")
    assert "creationdate" not in rows
    assert json.loads(command("show", "2026abc", "--json").stdout)["ra"] == 10.0
    missing = command("show", "2026xyz")
    assert (missing.exit_code, missing.stderr) == (1, "Error: TNS has no object 2026xyz\n")


def test_a_position(command: Any, peer: Any) -> None:
    found = command("near", "00:40:00", "-5.0", "--radius", "10")
    assert (found.exit_code, found.stdout) == (0, "AT 2026abc\n")
    question = json.loads(peer.requests[0].form["data"])
    assert (question["ra"], question["dec"], question["radius"]) == ("10.0000000", "-5.0000000", "10")
    assert json.loads(command("near", "10", "-5", "--json").stdout) == [{"objname": "2026abc", "prefix": "AT"}]
    peer.objects.clear()
    nothing = command("near", "10", "-5")
    assert (nothing.exit_code, nothing.stderr) == (1, "TNS has no object within 3″.\n")
    wrong = command("near", "ten", "-5")
    assert wrong.exit_code == 2
    assert "'ten' is neither decimal degrees" in wrong.stderr


def test_without_a_bot_the_settings_are_named(command: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BROKER_TNS__KEY")
    load_settings.cache_clear()
    done = command("show", "2026abc")
    assert done.exit_code == 1
    assert "TNS is not configured: set BROKER_TNS__KEY" in done.stderr

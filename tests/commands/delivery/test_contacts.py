"""`broker-assets delivery contacts`."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Done, invoke

pytestmark = pytest.mark.database


def test_addresses(database_url: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> Done:
        given = {"BROKER_HOME": str(tmp_path), "BROKER_DATABASE__URL": database_url}
        return invoke("delivery", "contacts", *arguments, folder=tmp_path, columns=200, **given)

    assert "No owner" in run("list").stdout
    assert run("set", "ann", "ann@example.org").returncode == 0
    assert "ann@example.org" in run("list").stdout
    refused = run("set", "ann", "nowhere")
    assert refused.returncode != 0
    assert "not an e-mail address" in refused.stderr
    run("remove", "ann")
    assert "ann@example.org" not in run("list").stdout

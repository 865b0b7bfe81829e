"""`broker-assets delivery sinks`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Done, invoke
from delivery_peers import KEY

from broker_assets.database.engine import connect

pytestmark = pytest.mark.database


def test_sinks_are_added_listed_and_removed(database_url: str, tmp_path: Path) -> None:
    def run(*arguments: str) -> Done:
        given = {
            "BROKER_HOME": str(tmp_path), "BROKER_DATABASE__URL": database_url, "BROKER_DELIVERY__WEBHOOK_KEY": KEY,
            "BROKER_DELIVERY__READERS__PUBLIC": "kafka.example:9092",
        }  # fmt: skip
        return invoke("delivery", "sinks", *arguments, folder=tmp_path, columns=200, **given)

    with connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO filters (owner, name, public, version) VALUES ('ann', 'bright', true, 1)")
    assert "There are no sinks" in run("list").stdout
    made = run("add", "1", "kafka", "--format", "lite").stdout
    assert "lasair_annbright, lite" in made
    assert "kafka.example:9092" in made
    assert "whsec_" in run("add", "1", "webhook", "https://ann.example/hook").stdout
    mail = run("add", "1", "email", "ann@example.org", "--schedule", "day")
    assert "No mail server is configured" in mail.stdout
    assert "not one of" in run("add", "1", "pigeon").stderr
    rows = [json.loads(line) for line in run("list", "1", "--json").stdout.splitlines()]
    assert [row["kind"] for row in rows] == ["kafka", "webhook", "email"]
    assert "is removed" in run("remove", "1").stdout
    assert "removed" in run("list", "--all").stdout

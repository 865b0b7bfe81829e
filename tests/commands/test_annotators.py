"""`broker-assets annotator`: settings of annotators by command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import Done, invoke

pytestmark = pytest.mark.database


@pytest.fixture
def command(database_url: str, tmp_path: Path) -> Callable[..., Done]:
    def run(*arguments: str, **environment: Any) -> Done:
        given = {"BROKER_HOME": str(tmp_path), "BROKER_DATABASE__URL": database_url, **environment}
        return invoke("annotator", *arguments, folder=tmp_path, columns=200, **given)

    return run


def test_an_annotator_from_its_addition_to_its_end(command: Callable[..., Done], tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text('{"required": ["p"]}')
    done = command("add", "fastfinder", "--owner", "anna", "--public", "--schema", "schema.json", "--no-create-topic")
    assert (done.returncode, "reads anno_fastfinder" in done.stdout) == (0, True)
    done = command("add", "fink_sn", "--owner", "otto", "--kind", "fink", "--kafka-topic", "fink_sn_lsst")
    assert "reads fink_sn_lsst of cluster fink, as keyed-avro" in done.stdout
    found = json.loads(command("list", "--json").stdout)
    assert [(one["topic"], one["owner"], one["active"], one["public"]) for one in found] == [
        ("fastfinder", "anna", True, True), ("fink_sn", "otto", True, False),
    ]  # fmt: skip
    assert "fink_sn" in command("list").stdout
    assert command("deactivate", "fastfinder").returncode == 0
    assert command("change", "fastfinder", "--version", "2", "--no-schema").returncode == 0
    assert command("activate", "fastfinder").returncode == 0
    shown = json.loads(command("show", "fastfinder", "--json").stdout)
    assert (shown["active"], shown["version"], shown["schema"]) == (True, "2", None)
    text = command("show", "fastfinder").stdout
    assert text.count("change ") == 4
    assert command("remove", "fastfinder", "--yes").stdout.startswith("fastfinder removed")
    assert [one["topic"] for one in json.loads(command("list", "--json").stdout)] == ["fink_sn"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("add", "1st", "--owner", "anna"), "cannot be the topic of an annotator"),
        (("add", "a", "--owner", "anna", "--kind", "pigeon"), "no kind of source"),
        (("add", "a", "--owner", "anna", "--kind", "fink"), "needs topics"),
        (("add", "a", "--owner", "anna", "--source", "bad.json"), "is not JSON"),
        (("add", "a", "--owner", "anna", "--source", "list.json"), "is not a JSON object"),
        (("add", "a", "--owner", "anna", "--source", "list.json", "--kind", "fink"), "give --source, or"),
        (("add", "a", "--owner", "anna", "--schema", "list.json"), "not a JSON object"),
        (("show", "nobody"), "no annotator with topic nobody"),
        (("activate", "nobody"), "no annotator with topic nobody"),
        (("remove", "nobody", "--yes"), "no annotator with topic nobody"),
    ],
)
def test_what_cannot_be_is_one_readable_line(
    command: Callable[..., Done], tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "bad.json").write_text("{")
    (tmp_path / "list.json").write_text("[]")
    done = command(*arguments)
    assert done.returncode != 0
    assert message in " ".join((done.stdout + done.stderr).replace("│", " ").split())
    assert "Traceback" not in done.stderr


def test_no_annotator_yet(command: Callable[..., Done]) -> None:
    assert "There is no annotator yet" in command("list").stdout


@pytest.mark.kafka
def test_its_topic_is_made_on_the_platforms_broker(command: Callable[..., Done], kafka: str) -> None:
    from confluent_kafka.admin import AdminClient

    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    try:
        done = command("add", "maker", "--owner", "anna", BROKER_KAFKA__BOOTSTRAP_SERVERS=kafka)
        assert "made the Kafka topic anno_maker" in done.stdout
        assert "has no rules of access" in done.stdout
        assert "anno_maker" in admin.list_topics(timeout=10).topics
        assert command("remove", "maker", "--yes").returncode == 0
        done = command("add", "maker", "--owner", "anna", BROKER_KAFKA__BOOTSTRAP_SERVERS=kafka)
        assert (done.returncode, "made the Kafka topic" in done.stdout) == (0, False)
    finally:
        for future in admin.delete_topics(["anno_maker"]).values():
            future.exception(30)
    away = command("add", "other", "--owner", "anna", BROKER_KAFKA__BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert (away.returncode, "its Kafka topic was not made" in away.stdout) == (0, True)

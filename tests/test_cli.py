"""The command line as users see it, in a process of its own where that matters."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from command_line import Done, invoke

from broker_assets.cli import COMMANDS, _load, explain, pipeline, publisher


def run(*arguments: str, home: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `broker-assets` in a narrow terminal, without the settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BROKER_", "DAGSTER_"))}
    kept |= {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb", **environment}
    if home is not None:
        kept["BROKER_HOME"] = str(home)
    command = [sys.executable, "-m", "broker_assets.cli", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=kept, timeout=240, cwd=home or Path.cwd())


@pytest.mark.parametrize("name", COMMANDS)
def test_an_application_of_one_command_keeps_the_name_of_the_command(name: str) -> None:
    module, _, attribute = COMMANDS[name].target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        loaded = typer.main.get_command(found)
        if [command.callback.__name__ for command in found.registered_commands if command.callback] == [name]:
            assert not hasattr(loaded, "commands"), "the command is the application itself"
        else:
            assert len(getattr(loaded, "commands", {})) >= len(found.registered_commands)


def test_help_lists_every_command_and_loads_none() -> None:
    begin = time.monotonic()
    done = run("--help")
    assert time.monotonic() - begin < 5
    assert done.returncode == 0
    for name in COMMANDS:
        assert f" {name} " in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80
    code = (
        "import sys; from broker_assets.cli import app;"
        " print([name for name in ('dagster', 'numba', 'numpy') if name in sys.modules])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_no_option_is_infinite_or_nan(name: str) -> None:
    """Such values would become positions, radii and times with which nothing can be compared."""

    def numbers(command: Any) -> Any:
        yield from (one for one in command.params if one.type_descriptor.annotation is float)
        for below in getattr(command, "commands", {}).values():
            yield from numbers(below)

    for parameter in numbers(_load(name)):
        for value in ("nan", "inf", "-inf", "1e400"):
            with pytest.raises(typer.BadParameter, match=r"finite|should be (greater|less)"):
                parameter.process_value(None, value)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help(name: str, tmp_path: Path) -> None:
    done = invoke(name, "--help", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Usage: " in done.stdout


def test_version() -> None:
    assert run("--version").stdout.startswith("broker-assets ")


def test_an_unknown_command_is_wrong_usage() -> None:
    done = run("raplay")
    assert done.returncode == 2
    assert "No such command" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_error_is_one_line_and_debug_shows_where_it_came_from(tmp_path: Path) -> None:
    done = run("simulate", "--schema", "99.9", "--out", str(tmp_path / "out"), home=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "11.1" in done.stderr
    assert "Traceback" not in done.stderr
    assert "Traceback" in run("--debug", "simulate", "--schema", "99.9", "--out", "out", home=tmp_path).stderr


def test_a_reader_that_ends_early_is_not_an_error() -> None:
    """As in `broker-assets … | head`: no message."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "broker_assets.cli", "telemetry", "process", "--help"]
    try:
        ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, timeout=240)
    finally:
        os.close(writing)
    assert ended.stderr == ""


def test_simulated_files_are_read_by_the_offline_commands(tmp_path: Path) -> None:
    out, truth = tmp_path / "alerts", tmp_path / "truth.parquet"
    options = ("--objects", "300", "--nights", "1", "--history", "3", "--limit", "5", "--schema", "9.0")
    done = run("simulate", "--out", str(out), "--truth", str(truth), *options, home=tmp_path)
    assert done.returncode == 0, done.stderr
    files = sorted(out.rglob("*.avro"))
    assert len(files) == 5
    assert truth.is_file()
    shown = invoke("packets", "show", *map(str, files), folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    documents = [json.loads(line) for line in shown.stdout.splitlines() if line.strip()]
    assert {document["survey"] for document in documents} == {"rubin"}


def test_commands_without_a_platform_say_how_to_start_one(tmp_path: Path) -> None:
    for arguments in (("quarantine", "list"), ("why", "1"), ("simulate", "--nights", "1", "--objects", "1")):
        done = invoke(*arguments, folder=tmp_path, BROKER_HOME=str(tmp_path))
        assert done.returncode == 1
        assert "broker-assets up" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_status_without_a_platform_is_unhealthy(tmp_path: Path) -> None:
    done = invoke("status", "--json", folder=tmp_path, BROKER_HOME=str(tmp_path))
    assert done.returncode == 1
    status = json.loads(done.stdout)
    assert status["healthy"] is False
    assert {service["state"] for service in status["services"]} == {"unavailable"}
    table = run("status", home=tmp_path)
    assert table.returncode == 1
    assert "Something does not work" in table.stdout
    assert max(map(len, table.stdout.splitlines())) <= 80


def test_missing_paths_are_wrong_usage(tmp_path: Path) -> None:
    done = invoke("replay", "nowhere.avro", "--topic", "t", folder=tmp_path)
    assert done.returncode == 2
    assert "does not exist" in done.stderr


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.database
def test_simulate_drain_status_and_quarantine(kafka: str, topic: str, database_url: str, tmp_path: Path) -> None:
    streams = json.dumps([{"topic": topic, "survey": "rubin", "framing": "confluent"}])
    environment: dict[str, Any] = {
        "BROKER_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "BROKER_DATABASE__URL": database_url,
        "BROKER_DATABASE__DAGSTER_URL": database_url,
        "BROKER_STREAMS": streams,
    }

    def call(*arguments: str) -> Done:
        return invoke(*arguments, folder=tmp_path, BROKER_HOME=str(tmp_path), **environment)

    done = call("simulate", "--topic", topic, "--objects", "300", "--nights", "2", "--history", "4", "--limit", "40")
    assert done.returncode == 0, done.stderr
    assert "40 messages" in done.stdout
    (tmp_path / "broken.avro").write_bytes(b"no packet")
    done = call("replay", "broken.avro", "--topic", topic, "--framing", "keep")
    assert done.returncode == 0, done.stderr
    assert "1 messages" in done.stdout

    waiting = json.loads(call("status", "--json").stdout)
    assert waiting["healthy"] is True
    assert waiting["streams"][0]["lag"] == 41

    drain(topic, kafka, database_url, tmp_path)
    seen = json.loads(call("status", "--json").stdout)
    assert seen["streams"][0]["lag"] == 0
    assert (seen["totals"]["stored"], seen["totals"]["quarantined"]) == (40, 1)
    table = run("status", home=tmp_path, **environment)
    assert table.returncode == 0, table.stdout
    assert max(map(len, table.stdout.splitlines())) <= 80

    (group,) = [json.loads(line) for line in call("quarantine", "list", "--json").stdout.splitlines()]
    number = str(group["example"])
    assert "not in Confluent wire format" in call("quarantine", "show", number).stdout
    assert call("quarantine", "show", number, "--out", "taken.avro").returncode == 0
    assert (tmp_path / "taken.avro").read_bytes() == b"no packet"
    assert call("quarantine", "retry").returncode == 1
    assert call("quarantine", "dismiss", number).returncode == 0
    assert "The quarantine is empty" in call("quarantine", "list").stdout
    assert call("quarantine", "show", "999").returncode == 1

    nights = sorted(night["night"] for night in seen["nights"])
    done = call("reprocess", "--nights", f"{nights[0]}..{nights[-1]}", "--local")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("packets from") == len(nights)
    assert call("reprocess", "--nights", "1999-01-01", "--local").returncode == 1
    again = json.loads(call("status", "--json").stdout)
    assert again["healthy"] is True
    assert again["stale_count"] == 0

    from broker_assets.database.engine import connect

    with connect(database_url) as connection:
        row = connection.execute("SELECT diasourceid FROM diasources WHERE archivefileid IS NOT NULL").fetchone()
    assert row is not None
    found = json.loads(call("why", str(row[0]), "--json").stdout)
    assert found[0]["packet"]["topic"] == topic
    assert "archive file" in call("why", str(row[0])).stdout
    assert call("why", "12345").returncode == 1


def drain(topic: str, kafka: str, database_url: str, home: Path) -> None:
    """What a drain run does, in this process."""
    from broker_assets.packets.decoder import AlertDecoder
    from broker_assets.packets.registry import schema_source
    from broker_assets.resources.kafka import KafkaSource
    from broker_assets.settings import DrainSettings, KafkaSettings
    from broker_assets.sky.matching import SkyMatching
    from broker_assets.stream.drain import drain as drain_stream
    from broker_assets.stream.enrichment import EnrichmentPlan

    source = KafkaSource(KafkaSettings(bootstrap_servers=kafka), topic)
    schemas = schema_source()
    drain_stream(
        source,
        database_url,
        (home / "archive").as_uri(),
        lambda: AlertDecoder("rubin", "confluent", schemas),
        DrainSettings(idle_seconds=1.0),
        topic=topic,
        partitions=source.partitions(),
        run_id="test",
        plan=EnrichmentPlan([SkyMatching(home / "sky")]),
    )


def test_errors_are_told_in_one_line() -> None:
    assert explain(ValueError("two\nlines")) == "two lines"
    assert explain(RuntimeError("x")) == "RuntimeError: x"
    assert explain(KeyError("no stream is configured")) == "no stream is configured"
    assert explain(AssertionError()) == "AssertionError"


@pytest.mark.parametrize(
    ("program", "words", "expected"),
    [
        (pipeline, ["--update_rid_lut", "-b", "L2", "-e", "LB"], "end level LB is before start level L2"),
        (publisher, ["-t", "/a", "-T", "one", "-T", "two"], "one folder is on one host"),
    ],
)
def test_programs_under_the_names_of_the_original(
    program: Callable[[], None],
    words: list[str],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["program", *words])
    with pytest.raises(SystemExit) as ended:
        program()
    assert ended.value.code == 2
    assert expected in " ".join(capsys.readouterr().err.replace("│", " ").split())

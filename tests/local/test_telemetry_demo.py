"""The demonstration's telemetry: settings that hold for who has none, files dropped whole, progress and its end."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from rich.console import Console

from broker_assets.database.engine import connect
from broker_assets.local import demo_settings, telemetry_demo
from broker_assets.local.demo_settings import DemoFolders, with_demonstration
from broker_assets.local.platform import Addresses
from broker_assets.local.telemetry_demo import EXPECTED, TelemetryDemonstration
from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import PublicationTarget, Settings, TelemetrySettings


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with the demonstration's mission."""
    folder = tmp_path_factory.mktemp("home")
    said: list[str] = []
    telemetry_demo.prepare(Settings(home=folder), said.append)
    assert said == ["Simulating a day of telemetry …"]
    telemetry_demo.prepare(Settings(home=folder), said.append)
    assert len(said) == 1
    return folder


@pytest.fixture
def settings(home: Path) -> Settings:
    """What the services of that home get."""
    return with_demonstration(Settings(home=home))


@pytest.fixture
def output() -> io.StringIO:
    """What the demonstration says."""
    return io.StringIO()


@pytest.fixture
def demonstration(settings: Settings, database_url: str, output: io.StringIO) -> Iterator[TelemetryDemonstration]:
    """A demonstration over an empty database; nothing answers on the webserver's port."""
    addresses = Addresses(
        home=str(settings.home),
        database_url=database_url,
        dagster_url="",
        bootstrap_servers="",
        broker="none",
        dagster_home="",
        webserver_url="http://127.0.0.1:9",
        api_url="",
        code_server_host="",
        code_server_port=0,
    )
    yield TelemetryDemonstration(settings, addresses, Console(file=output, width=160))
    folders = DemoFolders.of(settings)
    for path in [*folders.incoming.iterdir(), folders.root / "dropped.json"]:
        path.unlink(missing_ok=True)


def test_settings_reach_other_processes(home: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables give the same settings, and inputs that can be read; given twice they change nothing."""
    variables = demo_settings.environment(Settings(home=home))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    found = Settings(home=home)
    assert found.telemetry == settings.telemetry
    assert found.publication == settings.publication
    assert found.publication.targets[0].waiting_hours == 0
    assert demo_settings.environment(found) == {}
    telemetry = Telemetry.of(found)
    assert telemetry.watched
    assert telemetry.inputs().kernels is not None


def test_own_telemetry_is_left_alone(home: Path, tmp_path: Path) -> None:
    """Who has telemetry of his own gets nothing of the demonstration; targets of others get nothing of it either."""
    own = Settings(home=home, telemetry=TelemetrySettings(databases=tmp_path))
    assert with_demonstration(own) is own
    said: list[str] = []
    telemetry_demo.prepare(Settings(home=tmp_path, telemetry=own.telemetry), said.append)
    assert not said
    assert list(tmp_path.iterdir()) == []
    archive = Settings(home=home)
    archive.publication.targets.append(PublicationTarget(name="esa", url="sftp://archive/in"))
    assert [target.name for target in with_demonstration(archive).publication.targets] == ["demonstration"]


def test_nothing_without_a_mission(tmp_path: Path) -> None:
    """Settings stay as they are until the demonstration has been written."""
    plain = Settings(home=tmp_path)
    assert with_demonstration(plain) is plain
    assert demo_settings.environment(plain) == {}


def test_files_are_dropped_once(demonstration: TelemetryDemonstration, settings: Settings) -> None:
    """All files of the mission, whole; not again after a day was followed to its end."""
    folders = DemoFolders.of(settings)
    assert demonstration.drop()
    mission = sorted((folders.mission / "incoming").iterdir())
    dropped = sorted(folders.incoming.iterdir())
    assert [path.name for path in dropped] == [path.name for path in mission]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(mission, dropped, strict=True))
    for path in dropped:
        path.unlink()
    (folders.root / "dropped.json").write_text("{}")
    assert demonstration.drop()
    assert not list(folders.incoming.iterdir())


@pytest.mark.database
def test_it_gives_up_with_a_message(
    demonstration: TelemetryDemonstration, output: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where nothing happens, it says where to look, and what there is."""
    monkeypatch.setattr(telemetry_demo, "PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(telemetry_demo, "POLL_SECONDS", 0.1)
    demonstration.drop()
    demonstration.follow(threading.Event())
    said = output.getvalue()
    assert "Telemetry files received: 0 of 6, no change" in said
    assert "daemon.log" in said
    assert "Telemetry: 0 files" in said


@pytest.mark.database
def test_it_ends_with_the_platform(
    demonstration: TelemetryDemonstration, output: io.StringIO, database_url: str
) -> None:
    """A platform that ends is not waited for, and nothing is summed up."""
    ending = threading.Event()
    demonstration.drop()
    timer = threading.Timer(0.5, ending.set)
    timer.start()
    demonstration.follow(ending)
    timer.join()
    assert "Telemetry:" not in output.getvalue()


@pytest.mark.database
def test_it_follows_to_the_end(
    demonstration: TelemetryDemonstration,
    settings: Settings,
    database_url: str,
    output: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Received, made, published: each step begins when the one before is whole, and is summed up."""
    folders = DemoFolders.of(settings)
    monkeypatch.setattr(telemetry_demo, "POLL_SECONDS", 0.05)
    asked: list[str] = []
    demonstration.drop()
    with connect(database_url, autocommit=True) as connection:

        def publish(_: TelemetryDemonstration) -> str:
            """Stands in for the webserver: what the job does to the tables."""
            assert made(connection) == len(EXPECTED)
            asked.append("run")
            connection.execute(
                "INSERT INTO publication (target, name, path, digest, archive_name, subject, version, status, settled,"
                " facts, source_size, source_mtime, run_id, delivered_at)"
                " SELECT 'demonstration', name, path, digest, name, name, 2, 'published', true, '{}', 1, 1, 'r', now()"
                " FROM product_file WHERE level = 'L1'"
            )
            connection.execute(
                "INSERT INTO publication_run (run_id, target, started_at, finished_at)"
                " VALUES ('run', 'demonstration', now() + interval '1 s', now() + interval '2 s')"
            )
            return "0123456789"

        monkeypatch.setattr(TelemetryDemonstration, "_submit", publish)
        receive(connection, folders)
        for level, family in sorted(EXPECTED):
            make(connection, level, family or "auxiliary")
        demonstration.follow(threading.Event())
    said = output.getvalue()
    assert asked == ["run"]
    assert "6 files, 600 packets of which 540 new, 0 unusable" in said
    assert [line.split() for line in said.splitlines() if line.startswith("L1 ")] == [["L1", "5", "50", "0.0", "5"]]
    assert "/assets/l1_quicklook?view=partitions&partition=2026-11-20" in said
    assert len(json.loads((folders.root / "dropped.json").read_text())["files"]) == 6
    output.truncate(0)
    demonstration.follow(threading.Event())
    assert "at an earlier start" in output.getvalue()
    assert asked == ["run"]


def made(connection: psycopg.Connection[Any]) -> int:
    """Different levels and families of product files."""
    row = connection.execute("SELECT count(DISTINCT (level, family)) FROM product_file").fetchone()
    return int(row[0]) if row else 0


def receive(connection: psycopg.Connection[Any], folders: DemoFolders) -> None:
    """What the register has of the dropped files when they have been received."""
    for path in folders.incoming.iterdir():
        connection.execute(
            "INSERT INTO telemetry_file (folder, url, name, version, size, state, packets, new_packets, bad_packets)"
            " VALUES (%s, %s, %s, 1, %s, 'processed', 100, 90, 0)",
            (folders.incoming.as_uri(), path.as_uri(), path.name, path.stat().st_size),
        )


def make(connection: psycopg.Connection[Any], level: str, family: str) -> None:
    """What the table of product files has of a level and family."""
    kind = "ql-lightcurve" if family == "quicklook" else family
    name = f"solo_{level}_stix-{kind}_20261120_V02.fits"
    connection.execute(
        "INSERT INTO product_file (path, name, level, family, kind, version, day, rows, starts, ends, digest, size,"
        " incomplete, code_version) VALUES (%s, %s, %s, %s, %s, 2, '2026-11-20', 10, '', '', '', 1000, false, '1')",
        (f"{level}/{name}", name, level, family, kind),
    )

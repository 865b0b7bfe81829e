"""The demonstration's telemetry: settings that hold for who has none, files dropped whole, progress and its end."""

from __future__ import annotations

import datetime
import io
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance
from rich.console import Console

from broker_assets.build import build_defs
from broker_assets.local import demo_settings, telemetry_demo
from broker_assets.local.demo_settings import DemoFolders, with_demonstration
from broker_assets.local.telemetry_demo import FAMILIES, PUBLISH_JOB, TelemetryDemonstration
from broker_assets.monitoring.state_file import Addresses
from broker_assets.resources.database import Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import Settings, TelemetrySettings


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
def addresses(settings: Settings, database_url: str) -> Addresses:
    """A platform with an empty database; nothing answers on the webserver's port."""
    return Addresses(
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


@pytest.fixture
def demonstration(settings: Settings, addresses: Addresses, output: io.StringIO) -> Iterator[TelemetryDemonstration]:
    """A demonstration over an empty database; nothing answers on the webserver's port."""
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
    """Who has telemetry of his own gets nothing of the demonstration."""
    own = Settings(home=home, telemetry=TelemetrySettings(databases=tmp_path))
    assert with_demonstration(own) is own
    said: list[str] = []
    telemetry_demo.prepare(Settings(home=tmp_path, telemetry=own.telemetry), said.append)
    assert not said
    assert list(tmp_path.iterdir()) == []


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
@pytest.mark.usefixtures("demonstration")  # which removes what is delivered
def test_it_follows_to_the_end(
    addresses: Addresses,
    settings: Settings,
    database_url: str,
    output: io.StringIO,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The day is received, made at every level and published by the definitions, and summed up; a second time not."""
    folders = DemoFolders.of(settings)
    monkeypatch.setattr(telemetry_demo, "POLL_SECONDS", 0.05)
    telemetry = settings.telemetry.model_copy(update={"stable_seconds": 0.0})
    definitions = build_defs(
        settings=settings.model_copy(update={"telemetry": telemetry}),
        resource_overrides={"database": Database(database_url)},
    )
    day = (datetime.datetime.now(datetime.UTC).date() - datetime.timedelta(days=1)).isoformat()
    runs: list[str] = []
    with DagsterInstance.ephemeral() as instance:

        def start(_: Addresses, job: str) -> str:
            """What a click on the job's page does, in this process."""
            result = definitions.resolve_job_def(job).execute_in_process(instance=instance)
            runs.append(job)
            return result.run_id

        following = TelemetryDemonstration(settings, addresses, Console(file=output, width=160), start=start)
        following.drop()
        assert definitions.resolve_job_def("ingest_telemetry").execute_in_process(instance=instance).success
        made = [
            *(f"{level}_{family}" for level in ("l0", "l1") for family in FAMILIES),
            *("l2_quicklook", "l2_auxiliary"),
        ]
        definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[AssetKey(name) for name in made], partition_key=day
        )
        following.follow(threading.Event())
        curve = instance.fetch_materializations(AssetKey("l1_quicklook"), limit=1).records[0].asset_materialization
    assert curve is not None
    assert "data:image/png;base64" in str(curve.metadata["light curve"].value)
    said = output.getvalue()
    assert "6 files, 1,992 packets of which 1,827 new, 0 unusable" in said
    levels = {line.split()[0]: line.split() for line in said.splitlines() if line.split()[-1:] != ["published"]}
    assert levels["L1"][1] == levels["L0"][1] == "20"
    assert levels["L1"][4] == "15"
    assert [levels[level][4] for level in ("LB", "ANC", "LL03")] == ["0", "1", "1"]
    assert f"/assets/l1_quicklook?view=partitions&partition={day}" in said
    assert len(list(folders.archive.rglob("*.fits"))) >= 30
    assert len(json.loads((folders.root / "dropped.json").read_text())["files"]) == 6
    output.truncate(0)
    following.follow(threading.Event())
    assert "at an earlier start" in output.getvalue()
    assert runs == [PUBLISH_JOB, "check_telemetry"]

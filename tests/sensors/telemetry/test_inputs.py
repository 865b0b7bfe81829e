"""Files of inputs are observed when they have come to rest, and the days for which they say something else reported."""

from __future__ import annotations

from pathlib import Path

import pytest
from dagster import AssetKey, build_sensor_context
from telemetry_platform import DAY, Mission, mission

from broker_assets.assets.telemetry.folders import input_files_key
from broker_assets.resources.database import Database
from broker_assets.resources.telemetry import Telemetry
from broker_assets.settings import Settings, TelemetrySettings
from broker_assets.telemetry import RawPacket

__all__ = ["mission"]

pytestmark = pytest.mark.database

REQUESTS = "input_files/request_table"


def observed(mission: Mission) -> dict[str, list[str]]:
    """Data versions of the observations of each input's files, oldest first."""
    found: dict[str, list[str]] = {}
    for name in ("instrument_database", "instrument_configuration", "spice_kernels", "request_table"):
        key = input_files_key(name)
        records = mission.instance.fetch_observations(key, limit=100).records[::-1]
        events = [record.asset_observation for record in records]
        versions = [(event.tags or {})["dagster/data_version"] for event in events if event is not None]
        if versions:
            found[key.to_user_string()] = versions
    return found


def recorded(mission: Mission) -> dict[str, str]:
    return dict(
        mission.query("SELECT asset, data_version FROM artefact WHERE asset LIKE 'input_files/%' ORDER BY asset")
    )


def test_files_are_observed_when_they_change_and_only_those(mission: Mission) -> None:
    assert mission.watch() == "0 versions were new"
    first = observed(mission)
    assert first.keys() == {"input_files/instrument_configuration", "input_files/instrument_database", REQUESTS}
    assert recorded(mission) == {name: versions[-1] for name, versions in first.items()}
    assert mission.watch() == "no file has changed"
    assert observed(mission) == first

    mission.folders.write_requests([(1234567, "a flare"), (1234568, "another")])
    mission.watch()
    second = observed(mission)
    assert len(second.pop(REQUESTS)) == 2
    assert second == {name: versions for name, versions in first.items() if name != REQUESTS}

    mission.folders.write_kernels(100)
    mission.watch()
    assert len(observed(mission)["input_files/spice_kernels"]) == 1
    assert mission.instance.get_runs() == [], "no run is needed"


def test_files_that_still_change_are_not_observed(mission: Mission) -> None:
    for number in range(3):
        mission.folders.write_requests([(1234567 + number, f"flare {number}")])
        assert "once they stay the same" in single_tick(mission)
    assert observed(mission) == {}


def single_tick(mission: Mission) -> str:
    """The reason why the tick asked for no run."""
    sensor = mission.definitions.get_repository_def().get_sensor_def("telemetry_inputs")
    context = build_sensor_context(
        instance=mission.instance,
        cursor=mission.sensor_cursor,
        resources={"database": mission.database, "telemetry": mission.telemetry},
    )
    message = str(sensor.evaluate_tick(context).skip_message)
    mission.sensor_cursor = context.cursor
    return message


def test_lineage_of_a_day_leads_to_the_files(mission: Mission, packet_pool: list[RawPacket]) -> None:
    mission.watch()
    mission.receive(packet_pool[:20])
    [version] = observed(mission)["input_files/instrument_database"]
    days = [record for record in mission.materialisations("instrument_database") if record.partition_key == DAY]
    assert days
    event = days[0].asset_materialization
    assert event is not None
    assert event.tags is not None
    assert event.tags["dagster/input_data_version/input_files/instrument_database"] == version


def test_an_unreadable_input_is_named_and_tried_again(mission: Mission, packet_pool: list[RawPacket]) -> None:
    mission.receive(packet_pool[:20])
    requests = mission.settings.telemetry.requests
    assert requests is not None
    content = requests.read_bytes()
    requests.write_bytes(b"\xff\xfe\x00 not a table")
    message = mission.watch()
    assert message.startswith("inputs cannot be compared; the next tick will retry")
    requests.write_bytes(content)
    assert "versions were new" in mission.watch()


def test_the_version_of_files_does_not_depend_on_where_they_are(tmp_path: Path) -> None:
    telemetry = Telemetry.of(Settings(home=tmp_path, telemetry=TelemetrySettings()))
    place, moved = tmp_path / "kernels", tmp_path / "elsewhere"
    (place / "mk").mkdir(parents=True)
    assert telemetry.files_version(place) is None
    (place / "mk" / "meta.tm").write_text("KERNELS")
    (place / ".part").write_text("being delivered")
    version = telemetry.files_version(place)
    assert version is not None
    place.rename(moved)
    assert telemetry.files_version(moved) == version
    (moved / "mk" / "meta.tm").rename(moved / "mk" / "other.tm")
    assert telemetry.files_version(moved) not in (None, version)
    assert telemetry.files_version(tmp_path / "absent") is None


def test_without_settings_nothing_is_observed(mission: Mission) -> None:
    mission.telemetry = Telemetry.of(Settings(home=mission.settings.home, telemetry=TelemetrySettings()))
    assert "BROKER_TELEMETRY__DATABASES" in single_tick(mission)
    mission.telemetry = Telemetry.of(mission.settings)
    mission.database = Database(mission.database.url + "_absent")
    single_tick(mission)
    assert single_tick(mission).startswith("inputs cannot be compared")
    assert mission.instance.get_latest_materialization_event(AssetKey("instrument_database")) is None

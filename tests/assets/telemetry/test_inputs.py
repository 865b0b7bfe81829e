"""Inputs of a day, determined again by hand; what is missing for the day is named and keeps its old version."""

from __future__ import annotations

import pytest
from telemetry_platform import DAY, Mission, mission

from broker_assets.assets.telemetry.folders import input_files_key
from broker_assets.assets.telemetry.inputs import DESCRIPTIONS, build_telemetry_inputs
from broker_assets.telemetry import RawPacket
from broker_assets.telemetry.archive.input_versions import INPUTS

__all__ = ["mission"]


def test_every_input_has_an_asset_and_its_files() -> None:
    made = build_telemetry_inputs()
    assert {key.to_user_string() for key in made.keys} == set(INPUTS) == set(DESCRIPTIONS)
    for spec in made.specs:
        assert [dependency.asset_key for dependency in spec.deps] == [input_files_key(spec.key.to_user_string())]


@pytest.mark.database
def test_inputs_of_a_day_are_determined_by_hand(mission: Mission, packet_pool: list[RawPacket]) -> None:
    mission.receive(packet_pool[:20])
    known = dict(mission.query(f"SELECT asset, data_version FROM artefact WHERE \"partition\" = '{DAY}'"))
    result = mission.make("instrument_database", "spice_kernels")
    assert result.success, "an input that says nothing for the day is skipped, not an error"
    made = {event.asset_key.to_user_string() for event in result.get_asset_materialization_events() if event.asset_key}
    assert made == {"instrument_database"}, "there are no kernels, and the other inputs were not chosen"
    again = dict(mission.query(f"SELECT asset, data_version FROM artefact WHERE \"partition\" = '{DAY}'"))
    assert again == known
    messages = [entry.user_message for entry in mission.instance.all_logs(result.run_id)]
    assert f"spice_kernels has no version for {DAY}: products that need it wait" in messages

"""One sensor for each source: a run when something is new, an alert when the source cannot be reached."""

from __future__ import annotations

from pathlib import Path

from dagster import DagsterInstance, RunRequest, SkipReason, build_sensor_context

from broker_assets.jobs.fetch_inputs import build_fetch_inputs
from broker_assets.monitoring.alerts import TROUBLE
from broker_assets.resources.telemetry import Telemetry
from broker_assets.sensors.telemetry.fetching import build_fetching_sensors
from broker_assets.settings import Settings


def test_looks(tmp_path: Path) -> None:
    there = tmp_path / "there"
    settings = Settings.model_validate(
        {
            "home": tmp_path,
            "telemetry": {
                "kernels": tmp_path / "kernels",
                "sources": [
                    {"input": "spice_kernels", "url": str(there), "minutes": 15},
                    {"input": "observation_plan", "url": str(there)},
                ],
            },
        }
    )
    telemetry = Telemetry.of(settings)
    kernels, plans = build_fetching_sensors(settings, build_fetch_inputs())
    assert (kernels.name, kernels.minimum_interval_seconds) == ("fetch_spice_kernels", 900)
    with DagsterInstance.ephemeral() as instance:

        def look(sensor: object) -> object:
            context = build_sensor_context(instance=instance, resources={"telemetry": telemetry})
            return sensor(context)  # type: ignore[operator]

        away = look(kernels)
        assert isinstance(away, SkipReason)
        assert str(away.skip_message).startswith(TROUBLE)
        assert str(look(plans).skip_message).startswith(TROUBLE)  # type: ignore[attr-defined]
        (there / "mk").mkdir(parents=True)
        (there / "mk" / "a.tm").write_text("x")
        asked = look(kernels)
        assert isinstance(asked, RunRequest)
        assert asked.run_config["ops"]["fetch_input"]["config"] == {"source": "spice_kernels"}
        telemetry.source("spice_kernels").fetch()
        assert look(kernels).skip_message == "nothing is new"  # type: ignore[attr-defined]
        (there / "mk" / "b.tm").write_text("y")
        assert isinstance(look(kernels), RunRequest)

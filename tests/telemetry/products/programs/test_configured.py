"""Third-party programs as the settings name them."""

from __future__ import annotations

from pathlib import Path

from broker_assets.settings import TelemetrySettings
from broker_assets.telemetry.products.programs.configured import Programs
from broker_assets.telemetry.products.programs.running import Step


def test_absent_programs_are_none(tmp_path: Path) -> None:
    assert Programs.of(TelemetrySettings()) == Programs(None, None)
    only = Programs.of(TelemetrySettings(aspect_command=["solve", "--quiet"]))
    assert only.calibration is None
    assert only.aspect is not None
    assert only.aspect.command == ("solve", "--quiet")
    other = Programs.of(TelemetrySettings(energy_calibration=tmp_path))
    assert other.aspect is None
    assert other.calibration is not None


def test_another_runner_starts_the_same_programs(tmp_path: Path) -> None:
    def runner(step: Step) -> str:
        raise AssertionError(step)

    programs = Programs.of(TelemetrySettings(aspect_command=["solve"], energy_calibration=tmp_path))
    changed = programs.run_by(runner)
    assert changed.aspect is not None
    assert changed.calibration is not None
    assert (changed.aspect.runner, changed.calibration.runner) == (runner, runner)
    assert changed.aspect.command == ("solve",)
    assert Programs().run_by(runner) == Programs()

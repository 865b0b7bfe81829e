"""Programs of others as steps of a run: energy calibration through Dagster Pipes."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from dagster import AssetCheckEvaluation, DagsterInstance
from energy_calibration_programs import write_program, write_programs

from broker_assets.assets.telemetry.products import CHECK
from broker_assets.build import build_defs
from broker_assets.settings import DatabaseSettings, Settings, TelemetrySettings
from broker_assets.telemetry.reception.storing import receive
from broker_assets.telemetry.simulation import write_mission

pytestmark = [pytest.mark.database, pytest.mark.slow]

DAY = datetime.date(2024, 5, 11)


def test_energy_calibration_is_a_step_of_the_run(
    tmp_path: Path, database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the programs a day gets its file, and the run's log what they say; a program that fails is a warning."""
    mission = write_mission(tmp_path / "mission", start=DAY, days=1, seed=4)
    programs = write_programs(tmp_path / "programs")
    for setup in (mission.configuration / "ecc").glob("*/"):
        (setup / "Bkg.cfg").write_text("what the stand-in looks for\n")
    settings = Settings(
        home=tmp_path / "home",
        database=DatabaseSettings(url=database_url),  # type: ignore[arg-type]
        telemetry=TelemetrySettings(
            databases=mission.databases,
            configuration=mission.configuration,
            kernels=mission.kernels,
            energy_calibration=programs,
        ),
    )
    definitions = build_defs(settings=settings)
    telemetry = (definitions.resources or {})["telemetry"]
    with telemetry.store() as store:
        for path in mission.files:
            receive(path, store, telemetry.packet_inputs().databases)

    def run() -> AssetCheckEvaluation:
        """Make the day; the check of its products, next to which the run says whether the asset is up to date."""
        with DagsterInstance.ephemeral() as instance:
            result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance,
                asset_selection=[key for key in definitions.resolve_all_asset_keys() if key.path == ["l2_calibration"]],
                partition_key=DAY.isoformat(),
            )
        (check,) = [item for item in result.get_asset_check_evaluations() if item.check_name == CHECK]
        return check

    check = run()
    assert check.passed, check.description
    (made,) = (telemetry.folders.products / "CAL").rglob("*.fits")
    assert made.name.startswith("solo_CAL_stix-cal-energy_20240511T")
    assert "background made" in "".join(capfd.readouterr())

    write_program(programs / "ECC", "raise SystemExit('no synthetic spectra')")
    check = run()
    assert not check.passed
    assert "no synthetic spectra" in str(check.description)
    assert made.exists()

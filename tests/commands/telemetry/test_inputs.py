"""Options of `telemetry process` that name inputs: unusable ones end the command with what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from broker_assets.commands.telemetry.inputs import find_programs, processing_versions, read_inputs
from broker_assets.telemetry.idb.open_database import write_open_folder


def test_processing_versions() -> None:
    assert processing_versions(None) == processing_versions([]) == {}
    assert processing_versions(["L1/ql-lightcurve=3", "L0/ql-lightcurve=4"]) == {
        "L1/ql-lightcurve": 3, "L0/ql-lightcurve": 4,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("L1/ql-lightcurve", "is not LEVEL/KIND=N"),
        ("L1/ql-lightcurve=100", "is not LEVEL/KIND=N"),
        ("L1/nothing=1", "L1 has no kind nothing; known: "),
        ("L9/ql-lightcurve=1", "none; levels are L0, L1, CAL, ANC and LL03"),
    ],
)
def test_other_forms_are_refused(text: str, reason: str) -> None:
    with pytest.raises(typer.BadParameter, match=reason):
        processing_versions([text])


def test_programs(tmp_path: Path) -> None:
    assert find_programs(None, None, None, None).calibration is None
    with pytest.raises(typer.BadParameter, match="has no Bkg, ECC, STX_Calib"):
        find_programs(tmp_path, None, None, None)
    with pytest.raises(typer.BadParameter, match="requires --aspect-command"):
        find_programs(None, None, True, None)
    with pytest.raises(typer.BadParameter, match="does not exist"):
        find_programs(None, "no-such-program-anywhere --fast", None, None)
    with pytest.raises(typer.BadParameter, match="is not a folder"):
        find_programs(None, "sh", True, tmp_path / "absent")
    assert find_programs(None, "sh -c true", True, tmp_path).aspect is not None
    assert find_programs(None, "sh -c true", False, None).aspect is None, "switched off"


def test_unusable_inputs_end_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    databases = write_open_folder(tmp_path / "databases")
    with pytest.raises(typer.Exit) as ended:
        read_inputs(databases, None, tmp_path / "absent", None, None, None, None, {})
    assert ended.value.exit_code == 2
    assert "error: " in capsys.readouterr().err
    with pytest.raises(typer.Exit):
        read_inputs(databases, "9.9.9", tmp_path, None, None, None, None, {})

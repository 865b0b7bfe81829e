"""`broker-assets telemetry schema`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from product_specimens import specimens
from typer.testing import CliRunner

from broker_assets.cli import app

__all__ = ["specimens"]


def test_command(specimens: list[Path], tmp_path: Path) -> None:
    """Prints documents, checks files and folders, and ends with 1 where something differs."""
    run: Any = CliRunner().invoke
    printed = run(app, ["telemetry", "schema", "ql-lightcurve", "--level", "L1"])
    assert printed.exit_code == 0
    document = json.loads(printed.stdout)
    assert (document["kind"], document["level"], document["form"]) == ("ql-lightcurve", "L1", 1)
    assert [extension["name"] for extension in document["extensions"]] == [
        "CONTROL",
        "DATA",
        "IDB_VERSIONS",
        "ENERGIES",
    ]
    listed = run(app, ["telemetry", "schema"])
    assert "sci-xray-spec" in listed.stdout
    assert run(app, ["telemetry", "schema", "no-such-kind"]).exit_code == 2
    good = next(path for path in specimens if "L0_stix-ql-spectra" in path.name)
    assert run(app, ["telemetry", "schema", "--check", str(good)]).exit_code == 0
    bad = tmp_path / good.name
    bad.write_bytes(good.read_bytes().replace(b"'detector_index'", b"'detector_indey'"))
    failed = run(app, ["telemetry", "schema", "--check", str(good), "--check", str(tmp_path)])
    assert failed.exit_code == 1
    (tmp_path / "broken.fits").write_bytes(b"")
    again = run(app, ["telemetry", "schema", "--check", str(tmp_path)])
    assert again.exit_code == 1
    assert "broken.fits" in again.stdout
    bad.unlink()
    (tmp_path / "broken.fits").unlink()
    assert run(app, ["telemetry", "schema", "--check", str(tmp_path)]).exit_code == 1

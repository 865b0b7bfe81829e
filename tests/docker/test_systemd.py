"""The unit of systemd for one machine: as systemd reads it, and with a command and signals that the platform knows."""

from __future__ import annotations

import configparser
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker_assets.cli import app
from broker_assets.local import supervisor

UNIT = Path(__file__).parents[2] / "docker" / "systemd" / "broker-assets.service"


@pytest.fixture(scope="module")
def service() -> dict[str, list[str]]:
    """Its section `Service`; an option may occur several times."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in UNIT.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif section == "Service" and line and not line.startswith("#"):
            name, value = line.split("=", 1)
            found.setdefault(name, []).append(value)
    return found


def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    # What it names exists on the machine of an installation only.
    text = UNIT.read_text().replace("/opt/broker_assets/.venv/bin/broker-assets up", "/bin/true")
    text = text.replace("User=broker", "User=root").replace("Group=broker", "Group=root")
    text = text.replace("WorkingDirectory=/opt/broker_assets", "WorkingDirectory=/")
    unit = tmp_path / UNIT.name
    unit.write_text(text.replace("file:///opt/broker_assets/docs/operating.md", "file:///bin/true"))
    done = subprocess.run([program, "verify", "--man=no", str(unit)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    wrong = tmp_path / "wrong.service"
    wrong.write_text(text.replace("KillMode=mixed", "KillMode=some"))
    done = subprocess.run([program, "verify", "--man=no", str(wrong)], capture_output=True, text=True)
    assert "kill mode" in done.stderr


def test_its_command_and_signals_are_ours(service: dict[str, list[str]]) -> None:
    (command,) = service["ExecStart"]
    program, *arguments = command.split()
    assert Path(program).name == "broker-assets"
    assert CliRunner().invoke(app, [*arguments, "--help"]).exit_code == 0
    (number,) = service["KillSignal"]
    assert f"signal.{signal.Signals[number].name}" in Path(supervisor.__file__).read_text()
    assert service["KillMode"] == ["mixed"]  # to the supervisor alone, which stops the others in order
    assert service["UMask"] == [f"{0o027:04o}"]


def test_it_writes_into_its_own_folders_only(service: dict[str, list[str]]) -> None:
    parser = configparser.ConfigParser(strict=False, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
    parser.read_string(UNIT.read_text())
    variables = dict(pair.split("=", 1) for line in service["Environment"] for pair in line.split())
    assert service["ProtectSystem"] == ["strict"]
    assert variables["BROKER_HOME"] == os.path.join("/var/lib", parser["Service"]["StateDirectory"])
    assert variables["NUMBA_CACHE_DIR"] == os.path.join("/var/cache", parser["Service"]["CacheDirectory"])
    assert Path(variables["BROKER_SETTINGS"]).parent == Path("/etc") / parser["Service"]["ConfigurationDirectory"]
    assert "AF_UNIX" in service["RestrictAddressFamilies"][0]  # PostgreSQL's socket

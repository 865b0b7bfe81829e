"""`make test` installs the programs that tests need; where it may not, it names them and continues."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import debian_programs
import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = Path(debian_programs.__file__)

APT = """#!/bin/sh
echo "$@" >> {log}
for package; do
    if [ -f {store}/$package ]; then cp {store}/$package {programs}/; fi
    if [ "$package" = stilts ]; then echo "E: Unable to locate package stilts" >&2; exit 100; fi
done
"""


@pytest.fixture
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an `apt-get` whose repository lacks stilts, and nothing else."""
    folders = {name: tmp_path / name for name in ("programs", "store", "apt")}
    for folder in folders.values():
        folder.mkdir()
    for name in ("nginx", "pgbouncer"):
        (folders["store"] / name).write_text("#!/bin/sh\n")
        (folders["store"] / name).chmod(0o755)
    apt = folders["apt"] / "apt-get"
    apt.write_text(APT.format(log=tmp_path / "log", store=folders["store"], programs=folders["programs"]))
    apt.chmod(0o755)
    monkeypatch.setattr(debian_programs, "POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(
        debian_programs,
        "program_path",
        lambda name: str(path) if (path := folders["programs"] / name).exists() else None,
    )
    monkeypatch.setenv("PATH", f"{folders['apt']}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


def test_what_can_be_had_is_installed_and_the_rest_is_named(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    wanted = {name: debian_programs.PACKAGES[name] for name in ("nginx", "stilts", "pgbouncer")}
    monkeypatch.setattr(debian_programs, "PACKAGES", wanted)
    debian_programs.main()
    assert capsys.readouterr().out.splitlines() == [
        "stilts is missing: tests of validation of the VO services are skipped (E: Unable to locate package stilts). "
        "Debian: apt-get install stilts"
    ]
    calls = (bare_machine / "log").read_text().splitlines()
    assert "update" in calls[0]
    assert len(calls) == 5  # update, all at once, then one by one
    assert not debian_programs.POLICY.exists()
    assert debian_programs.missing_programs() == {"stilts": "stilts"}


def test_without_root_nothing_is_installed(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    reasons = debian_programs.install()
    assert set(reasons) == set(debian_programs.PACKAGES)
    assert set(reasons.values()) == {"only root installs packages, with apt-get"}
    assert not (bare_machine / "log").exists()


def test_make_runs_it_beside_the_linters() -> None:
    recipe = (ROOT / "Makefile").read_text()
    prepares = recipe.split("\nready:")[1].split("\n\n")[0]
    assert str(SCRIPT.relative_to(ROOT)) in prepares
    # At full size as well: what is missing would skip the tests that need it.
    assert {"test: ready", "test-all: ready"} <= set(recipe.splitlines())
    done = subprocess.run(
        [sys.executable, SCRIPT], capture_output=True, text=True, env=os.environ | {"PATH": "/nowhere"}
    )
    assert done.returncode == 0

"""Compiling ahead, by a process of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.compiled import TYPES
from broker_assets.local import compiling
from broker_assets.local.compiling import Compiling, missing


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of numba, in which everything is there."""
    folder = tmp_path / "cache"
    for line in TYPES.read_text().splitlines():
        module, function = line.partition("(")[0].split(".")[-2:]
        (folder / module).mkdir(parents=True, exist_ok=True)
        (folder / module / f"{module}.{function}-12.py311.nbi").touch()
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(folder))
    return folder


def test_one_function_that_is_missing_is_noticed(cache: Path) -> None:
    assert not missing()
    next(cache.rglob("*.nbi")).unlink()
    assert missing()


def test_nothing_is_started_where_everything_is_there(cache: Path, tmp_path: Path) -> None:
    said: list[str] = []
    process = Compiling(tmp_path / "log", said.append)
    process.begin()
    process.wait()
    assert (said, (tmp_path / "log").exists()) == ([], False)


def test_a_failure_is_reported_and_stops_nothing(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    next(cache.rglob("*.nbi")).unlink()
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\necho out of memory\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    said: list[str] = []
    process = Compiling(tmp_path / "log", said.append)
    process.begin()
    process.wait()
    assert said[0].startswith("Compiling the loops")
    assert "out of memory" in said[1]


def test_it_is_not_waited_for_without_end(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    next(cache.rglob("*.nbi")).unlink()
    program = tmp_path / "program"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(program))
    monkeypatch.setattr(compiling, "SECONDS", 0.2)
    said: list[str] = []
    process = Compiling(tmp_path / "log", said.append)
    process.begin()
    process.wait()
    assert "still being compiled" in said[1]
    assert process._process is not None
    process._process.kill()
    process._process.wait()

"""A command that runs until it is stopped."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from broker_assets.local.processes import LocalPlatformError
from broker_assets.local.service import Service, program_path


def test_a_service_is_ready_when_it_answers_and_gone_when_stopped(tmp_path: Path) -> None:
    mark = tmp_path / "ready"
    text = f"import pathlib, time; print('hello', flush=True); pathlib.Path({str(mark)!r}).touch(); time.sleep(600)"
    log = tmp_path / "service.log"
    service = Service(
        "test", [sys.executable, "-c", text], log=log, environment=dict(os.environ), healthy=mark.exists, timeout=30
    )
    assert not service.running
    service.start()
    assert service.running
    assert service.pid is not None
    service.stop()
    assert not service.running
    assert "hello" in log.read_text()


def test_one_that_ends_at_once_is_quoted(tmp_path: Path) -> None:
    service = Service(
        "test", [sys.executable, "-c", "raise SystemExit('no room')"], log=tmp_path / "service.log",
        environment=dict(os.environ), healthy=lambda: False, timeout=30,
    )  # fmt: skip
    with pytest.raises(LocalPlatformError, match="no room"):
        service.start()
    assert not service.running


def test_programs_are_ours_first() -> None:
    assert Path(program_path("python")).parent == Path(sys.executable).parent
    with pytest.raises(LocalPlatformError, match="no-such-program is not installed"):
        program_path("no-such-program")

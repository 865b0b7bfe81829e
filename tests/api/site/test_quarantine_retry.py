"""A retry runs apart, one at a time, and what it says is kept."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from broker_assets.api.site.quarantine_retry import QuarantineRetry

WAITS = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.02)\n"


def ended(runner: QuarantineRetry) -> None:
    """Wait until the retry has ended."""
    deadline = time.monotonic() + 60
    while runner.last is None or runner.last.finished_at is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_one_at_a_time_with_its_options(tmp_path: Path) -> None:
    go = tmp_path / "go"
    runner = QuarantineRetry([sys.executable, "-c", WAITS + "print(sys.argv[2:]); sys.exit(1)", str(go)])
    assert runner.last is None
    assert runner.start("alerts", "--all is; $(rm)", by="root")
    assert not runner.start("alerts", "other", by="root")
    go.touch()
    ended(runner)
    assert runner.last is not None
    assert (runner.last.code, runner.last.by, runner.last.topic) == (1, "root", "alerts")
    assert runner.last.said == "['--topic=alerts', '--reason=--all is; $(rm)']"
    assert runner.start("alerts", "other", by="root")
    ended(runner)


def test_a_command_that_cannot_run_is_said(tmp_path: Path) -> None:
    runner = QuarantineRetry([str(tmp_path / "absent")])
    assert runner.start("alerts", "x", by="root")
    ended(runner)
    assert runner.last is not None
    assert runner.last.code == -1
    assert "absent" in runner.last.said

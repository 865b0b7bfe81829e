"""The process of trials: one at a time, started again when it has ended."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from broker_assets.api.site.trial_process import TrialProcess
from broker_assets.settings import Settings


def note(settings: Settings) -> None:
    """What the process does here: leaves its number, and waits."""
    with (settings.home / "seen").open("a") as file:
        file.write(f"{os.getpid()}\n")
    time.sleep(60)


def test_there_is_one_process_until_it_ends(tmp_path: Path) -> None:
    process = TrialProcess(Settings(home=tmp_path), note)

    def seen(count: int) -> list[str]:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            lines = (tmp_path / "seen").read_text().split() if (tmp_path / "seen").exists() else []
            if len(lines) >= count:
                return lines
            time.sleep(0.05)
        raise AssertionError("the process has not begun")

    process.wake()
    process.wake()
    assert len(seen(1)) == 1
    number = int(seen(1)[0])
    process.stop()
    with pytest.raises(ProcessLookupError):
        os.kill(number, 0)
    process.stop()

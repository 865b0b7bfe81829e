"""Damaged and hostile packets, schemas and containers, read in a process of their own so that a crash is seen.

`BROKER_TEST_FULL=1` makes ten times as many rounds; `BROKER_FUZZ_SEED` chooses others than the usual ones. What a run
prints last is the round that failed: `fuzz_packets.py TARGET 1 SEED FOLDER` repeats it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("fuzz_packets.py")
MORE = 10 if os.environ.get("BROKER_TEST_FULL") == "1" else 1
SEED = os.environ.get("BROKER_FUZZ_SEED", "1")


@pytest.mark.parametrize(("target", "rounds"), [("packets", 60), ("schemas", 30), ("containers", 60)])
def test_nothing_ends_the_process_that_reads_it(target: str, rounds: int, tmp_path: Path) -> None:
    path = os.pathsep.join([str(PROGRAM.parents[1] / "peers"), os.environ.get("PYTHONPATH", "")])
    run = subprocess.run(
        [sys.executable, str(PROGRAM), target, str(rounds * MORE), SEED, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": path},
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120 * MORE,
        check=False,
    )
    last = run.stdout.rsplit("\n", 2)[-2:]
    assert run.returncode == 0, f"exit code {run.returncode} after {last}: {run.stderr[-3000:]}"

"""What the performance gate calls slower, and what it keeps."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

from _judgement import judge, write_record  # noqa: E402 - benchmarks run as scripts, by their bare names

costs = st.lists(st.floats(1.0, 1000.0), min_size=1, max_size=7)


@given(costs, st.floats(1.0, 10.0))
def test_what_costs_the_same_or_less_is_never_slower(before: list[float], gain: float) -> None:
    assert not judge("row", before, before).slower
    assert not judge("row", before, [value / gain for value in before]).slower


@given(costs, st.floats(0.0, 0.5))
def test_slower_is_more_than_the_bound_and_than_the_spread(before: list[float], bound: float) -> None:
    spread = (max(before) - min(before)) / statistics.median(before)
    within = 1 + max(bound, spread) * 0.99
    beyond = 1 + max(bound, spread) * 1.01 + 0.01
    assert not judge("row", before, [value * within for value in before], bound).slower
    assert judge("row", before, [value * beyond for value in before], bound).slower


def test_a_figure_that_was_nothing_is_no_reason_to_fail() -> None:
    assert not judge("row", [0.0], [1.0]).slower


def test_record_names_what_figures_depend_on(tmp_path: Path) -> None:
    judged = judge("drain", [100.0], [120.0])
    path = write_record("compare", tmp_path, {"figures": [judged]}, tmp_path / "records")
    kept = json.loads(path.read_text())
    assert path.name.startswith("compare-2")
    assert kept["figures"][0]["slower"] is True
    assert {"processor", "cores", "memory_gb", "load", "python"} <= kept["machine"].keys()
    assert kept["commit"] == "unknown", "this folder is no checkout"


def test_a_commit_that_is_not_here_is_an_error_and_none_is_not() -> None:
    for given_base in ("", "no-such-commit", "--help"):
        done = subprocess.run(
            [sys.executable, str(BENCHMARKS / "compare.py"), f"--base={given_base}"],
            check=False,
            capture_output=True,
            text=True,
        )
        said = done.stderr if given_base else done.stdout
        assert (done.returncode, said.split(":")[0]) == (int(bool(given_base)), "nothing to compare with"), done.stderr

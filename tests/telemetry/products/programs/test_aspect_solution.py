"""Questions to the program of the aspect solution, and its answers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from aspect_program import aspect_command

from broker_assets.telemetry.products.programs.aspect_solution import AspectSolver, solve
from broker_assets.telemetry.products.programs.running import ProgramError, Step


def test_question_and_answer(tmp_path: Path) -> None:
    """The program gets what it is asked as a file; null is no number."""
    change = "answer['y_srf'][1] = None; answer['sas_ok'][1] = 0; answer['error'][1] = question['parentfits']"
    solver = AspectSolver(aspect_command(tmp_path, change), seconds=100, work=tmp_path)
    solution = solve(solver, {"time": ["a", "b"], "parentfits": "parent.fits"}, 2)
    assert np.isnan(solution.y).tolist() == [False, True]
    assert solution.z.tolist() == [33.25, 32.75]
    assert solution.usable.tolist() == [True, False]
    assert solution.error.tolist() == ["", "parent.fits"]
    assert [path.name for path in tmp_path.iterdir()] == ["aspect.py"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("answer['y_srf'].pop()", r"lists of \[1, 2\] rows, not 2"),
        ("del answer['sas_ok']", "is incomplete: KeyError"),
        ("answer = [1]", "is incomplete"),
        ("raise SystemExit('no licence')", "failed with code 1.*no licence"),
        ("sys.argv[2] = 'elsewhere'", "wrote no answer"),
    ],
)
def test_answers_that_are_none(tmp_path: Path, change: str, message: str) -> None:
    """What is wrong with an answer is told."""
    with pytest.raises(ProgramError, match=message):
        solve(AspectSolver(aspect_command(tmp_path, change), seconds=100), {"time": ["a", "b"]}, 2)


def test_the_runner_gets_the_files(tmp_path: Path) -> None:
    """A runner is given command, question and answer."""

    def runner(step: Step) -> str:
        assert step.command[:2] == ("bridge", "--fast")
        asked = json.loads(Path(step.command[2]).read_text())
        answer = {"y_srf": asked["y"], "z_srf": asked["y"], "sas_ok": [1], "error": [""]}
        Path(step.command[3]).write_text(json.dumps(answer))
        return ""

    solution = solve(AspectSolver(("bridge", "--fast"), runner), {"y": [2.5]}, 1)
    assert (solution.y.tolist(), solution.version) == ([2.5], "")

"""Ancillary products where something is missing, and the program for the aspect."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from aspect_program import aspect_command

from broker_assets.telemetry.products.files.tables import Column
from broker_assets.telemetry.products.kinds import KINDS
from broker_assets.telemetry.products.levels.ancillary import DIODES, ancillary_product, durations, flown_until
from broker_assets.telemetry.products.levels.level0 import Inputs, Problem
from broker_assets.telemetry.products.product import Product, VersionRange
from broker_assets.telemetry.products.programs.aspect_solution import AspectSolver, solve
from broker_assets.telemetry.products.programs.running import ProgramError, Step

START = 664200005


@pytest.fixture
def housekeeping() -> Product:
    """Three reports."""
    time = (np.array([START, START + 64, START + 192]) << 16).astype(np.int64)
    control = {
        "index": Column(np.arange(3)),
        "raw_file": Column(np.full(3, "tm.xml")),
        "parent": Column(np.full(3, "solo_L0_stix-hk-maxi_0664156800_V02.fits")),
    }
    data = {"time": Column(time), "timedel": Column(np.zeros(3, dtype=np.int64))}
    data |= {column: Column(np.array([1.0, 1.1, 1.2]), "V") for column in DIODES.values()}
    data["control_index"] = Column(np.arange(3))
    versions = (VersionRange("2.26.34", int(time[0]), int(time[-1])),)
    return Product(KINDS[3, 25, 2], "L1", control, data, None, versions, ("tm.xml",), ())


def test_without_kernels(housekeeping: Product, open_inputs: Inputs) -> None:
    """Nothing is made, and why."""
    problems: list[Problem] = []
    assert ancillary_product(housekeeping, replace(open_inputs, kernels=None), None, problems) is None
    assert "needs SPICE kernels" in problems[0].reason


def test_kernels_without_positions(housekeeping: Product, open_inputs: Inputs) -> None:
    """A clock alone does not say where the spacecraft is."""
    kernels = open_inputs.kernels
    assert kernels is not None
    assert flown_until(kernels) is None
    problems: list[Problem] = []
    assert ancillary_product(housekeeping, open_inputs, None, problems) is None
    assert "there is no flown meta-kernel" in problems[0].reason
    flown = replace(kernels, names=("solo_ANC_soc-flown-mk_V105_20210301_001.tm",), issued=np.datetime64("2021-03-01"))
    problems = []
    assert ancillary_product(housekeeping, replace(open_inputs, kernels=flown), None, problems) is None
    assert "has no positions" in problems[0].reason


def test_durations_are_those_of_each_report() -> None:
    """A report alone has the usual distance to the one before."""
    assert durations(np.array([START << 16])).tolist() == [64.0]
    assert durations(np.array([0, 64, 65, 200]) << 16).tolist() == [64.0, 64.0, 1.0, 135.0]


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
        ("del answer['sas_ok']", "lacks something: KeyError"),
        ("answer = [1]", "lacks something"),
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

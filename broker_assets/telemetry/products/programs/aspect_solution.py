"""The aspect solution, by an external program: where the instrument points, from the voltages of its photo diodes.

The program gets two more arguments: a JSON file to read, and the name of the one to write. The first is an object of
lists, one value per housekeeping report::

    cha_diode0 cha_diode1 chb_diode0 chb_diode1     V
    time                                            UTC, ISO text with microseconds
    scet_time_c scet_time_f                         on-board time, seconds and 1/65536 seconds
    duration                                        s since the report before; the first has that of the second
    spice_disc_size                                 arcsec, apparent radius of the Sun
    y_srf z_srf calib sas_ok error                  0, 0, 0, 0, "": to be filled
    control_index                                   row of the control table

and `parentfits`, the name of the housekeeping file. The answer is an object with the lists `y_srf`, `z_srf` (arcsec),
`sas_ok` (0 or 1), `error` (text) of the same length and order, and `version` (text).
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.products.programs.running import ProgramError, Runner, Step, run_here


@dataclass(frozen=True)
class AspectSolver:
    """The program and how it is run."""

    command: tuple[str, ...]
    """Program and first arguments; setting `telemetry.aspect_command`."""
    runner: Runner = run_here
    seconds: float = 1800.0
    """Time limit for a day."""
    work: Path | None = None
    """Where working folders are made and removed; None means the system's folder for temporary files."""


@dataclass(frozen=True)
class AspectSolution:
    """Where the instrument points, per housekeeping report."""

    y: NDArray[np.float32]
    """(n,) arcsec, frame of the Solar reference."""
    z: NDArray[np.float32]
    usable: NDArray[np.bool_]
    error: NDArray[np.str_]
    version: str
    """Version of the program; empty if there was none."""


def without_solver(rows: int, reason: str) -> AspectSolution:
    """No solution for any row, with the reason."""
    nothing = np.full(rows, np.nan, dtype=np.float32)
    return AspectSolution(nothing, nothing.copy(), np.zeros(rows, dtype=np.bool_), np.full(rows, reason), "")


def solve(solver: AspectSolver, question: Mapping[str, Any], rows: int) -> AspectSolution:
    """Run the program.

    Raises
    ------
    ProgramError
        If the program fails, takes too long, or its answer is invalid.
    """
    with tempfile.TemporaryDirectory(prefix="aspect-", dir=solver.work) as temporary:
        folder = Path(temporary)
        asked, answered = folder / "question.json", folder / "answer.json"
        asked.write_text(json.dumps(question, allow_nan=False), encoding="utf-8")
        output = solver.runner(Step((*solver.command, str(asked), str(answered)), folder, solver.seconds))
        try:
            answer = json.loads(answered.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            end = f"its output ends with: {output or 'nothing'}"
            raise ProgramError(f"the aspect program wrote no answer: {error}; {end}") from error
    try:
        solution = AspectSolution(
            _numbers(answer["y_srf"]),
            _numbers(answer["z_srf"]),
            np.array([bool(int(value)) for value in answer["sas_ok"]], dtype=np.bool_),
            np.array([str(text) for text in answer["error"]], dtype=np.str_),
            str(answer.get("version", "")),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ProgramError(f"the answer of the aspect program is incomplete: {error!r}") from error
    lengths = {len(solution.y), len(solution.z), len(solution.usable), len(solution.error)}
    if lengths != {rows}:
        raise ProgramError(f"the answer of the aspect program has lists of {sorted(lengths)} rows, not {rows}")
    return solution


def _numbers(values: list[float | None]) -> NDArray[np.float32]:
    """Numbers; null, which JSON has for NaN and infinity, becomes NaN."""
    return np.array([np.nan if value is None else value for value in values], dtype=np.float32)

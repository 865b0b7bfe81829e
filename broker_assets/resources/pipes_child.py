"""The process started by a Pipes client: runs the program of a step, reports its output and result to the run."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from dagster_pipes import PipesContext, open_dagster_pipes

from broker_assets.telemetry.products.programs.running import ProgramError, Step, run_here

STEP: Final = "step"
OUTPUT: Final = "output"
ERROR: Final = "error"


def main() -> None:
    """Run the step given in the extras of the Pipes session."""
    with open_dagster_pipes() as pipes:
        _run(pipes)


def _run(pipes: PipesContext) -> None:
    described = pipes.get_extra(STEP)
    step = Step(tuple(described["command"]), Path(described["folder"]), described["seconds"], described["environment"])
    try:
        output = run_here(step)
    except ProgramError as error:
        pipes.log.error(str(error))
        pipes.report_custom_message({ERROR: str(error)})
        return
    pipes.log.info(f"{step.name} is done" + (f"; its output ends with:\n{output}" if output else ""))
    pipes.report_custom_message({OUTPUT: output})


if __name__ == "__main__":
    main()

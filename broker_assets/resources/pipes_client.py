"""Third-party programs as steps of a Dagster run: started through Pipes, with their output in the log of the run.

`pipes_runner(context)` is a `Runner` for ``telemetry.products.programs.running``: give it to `EnergyCalibration` or
`AspectSolver` in an asset. A Pipes client of another kind (Docker, Kubernetes) needs a runner of its own, which must
give the program the working folder of the step.
"""

from __future__ import annotations

import sys

from dagster import AssetExecutionContext, OpExecutionContext, PipesSubprocessClient

from broker_assets.resources.pipes_child import ERROR, OUTPUT, STEP
from broker_assets.telemetry.products.programs.running import ProgramError, Runner, Step


def pipes_runner(
    context: AssetExecutionContext | OpExecutionContext, client: PipesSubprocessClient | None = None
) -> Runner:
    """Run programs through Dagster Pipes.

    Parameters
    ----------
    context : AssetExecutionContext or OpExecutionContext
        Context of the step whose log the programs write to. Dagster then requires the step to return its results
        explicitly: a `MaterializeResult` for every asset, not None.
    client : PipesSubprocessClient, optional
        Default: a new one.
    """
    chosen = client or PipesSubprocessClient()

    def run(step: Step) -> str:
        described = {
            "command": list(step.command),
            "folder": str(step.folder),
            "seconds": step.seconds,
            "environment": dict(step.environment),
        }
        invocation = chosen.run(
            context=context,
            command=[sys.executable, "-m", "broker_assets.resources.pipes_child"],
            extras={STEP: described},
        )
        for answer in invocation.get_custom_messages():
            if ERROR in answer:
                raise ProgramError(str(answer[ERROR]))
            if OUTPUT in answer:
                return str(answer[OUTPUT])
        raise ProgramError(f"{step.name} ended without a result")

    return run

"""Programs of others as steps of a Dagster run."""

import sys
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetExecutionContext, DagsterInstance, MaterializeResult, asset, materialize

from broker_assets.resources.pipes_client import pipes_runner
from broker_assets.telemetry.products.programs.running import ProgramError, Step

pytestmark = pytest.mark.slow


@pytest.fixture
def outcome(tmp_path: Path) -> Any:
    """A function that runs a step in an asset; gives its output or its error, and the messages of the run's log."""

    def run(text: str, seconds: float = 60.0) -> tuple[str, list[str]]:
        told: list[str] = []

        @asset
        def calibrated(context: AssetExecutionContext) -> MaterializeResult:
            step = Step((sys.executable, "-c", text), tmp_path, seconds, {"WHERE": "in Dagster"})
            try:
                told.append(pipes_runner(context)(step))
            except ProgramError as error:
                told.append(f"error: {error}")
            return MaterializeResult()

        with DagsterInstance.ephemeral() as instance:
            result = materialize([calibrated], instance=instance)
            assert result.success
            assert len(result.asset_materializations_for_node("calibrated")) == 1
            messages = [entry.user_message for entry in instance.all_logs(result.run_id)]
        return told[0], messages

    return run


def test_output_is_given_and_logged(outcome: Any, tmp_path: Path) -> None:
    """A program runs in its folder with its variables; what it says is in the log of the run."""
    output, messages = outcome("import os; print(os.environ['WHERE']); open('result', 'w').write('made')")
    assert output == "in Dagster"
    assert (tmp_path / "result").read_text() == "made"
    assert any("in Dagster" in message for message in messages)


def test_failure_is_an_error_of_the_program(outcome: Any) -> None:
    """Code and output are told as without Dagster."""
    output, messages = outcome("import sys; print('no minimum'); sys.exit(2)")
    assert "failed with code 2; its output ends with: no minimum" in output
    assert any("no minimum" in message for message in messages)


def test_time_limit_holds(outcome: Any) -> None:
    """A program that hangs does not hang the run."""
    output, _ = outcome("import time; time.sleep(600)", seconds=3)
    assert "did not finish within 3 s" in output

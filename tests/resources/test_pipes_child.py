"""The process of a step: what it reports to the run that started it."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, OpExecutionContext, PipesSubprocessClient, job, op

from broker_assets.resources.pipes_child import ERROR, OUTPUT, STEP

pytestmark = pytest.mark.slow

Answer = tuple[list[Any], list[str]]


@pytest.fixture
def child(tmp_path: Path) -> Callable[..., Answer]:
    """A function that runs the child on a step; gives its messages, and the lines of the run's log."""

    def run(*command: str, seconds: float = 60.0, **environment: str) -> Answer:
        answers: list[Any] = []
        described = {
            "command": list(command),
            "folder": str(tmp_path),
            "seconds": seconds,
            "environment": environment,
        }

        @op
        def step(context: OpExecutionContext) -> None:
            invocation = PipesSubprocessClient().run(
                context=context,
                command=[sys.executable, "-m", "broker_assets.resources.pipes_child"],
                extras={STEP: described},
            )
            answers.extend(invocation.get_custom_messages())

        @job
        def steps() -> None:
            step()

        with DagsterInstance.ephemeral() as instance:
            result = steps.execute_in_process(instance=instance)
            assert result.success
            return answers, [entry.user_message for entry in instance.all_logs(result.run_id)]

    return run


def test_output_is_one_message_and_in_the_log(child: Callable[..., Answer], tmp_path: Path) -> None:
    answers, log = child(sys.executable, "-c", "import os; print(os.getcwd(), os.environ['WHO'])", WHO="step")
    assert answers == [{OUTPUT: f"{tmp_path} step"}]
    assert any("is done; its output ends with" in line and f"{tmp_path} step" in line for line in log)


def test_silence_is_an_empty_output(child: Callable[..., Answer]) -> None:
    answers, log = child(sys.executable, "-c", "pass")
    assert answers == [{OUTPUT: ""}]
    assert any(line.endswith("is done") for line in log)


@pytest.mark.parametrize(
    ("command", "seconds", "words"),
    [
        ((sys.executable, "-c", "print('no minimum'); raise SystemExit(3)"), 60.0, "failed with code 3"),
        ((sys.executable, "-c", "import time; time.sleep(600)"), 2.0, "did not finish within 2 s"),
        (("/nowhere/program",), 60.0, "/nowhere/program"),
    ],
)
def test_a_failure_of_the_program_is_a_message_and_none_of_the_process(
    child: Callable[..., Answer], command: tuple[str, ...], seconds: float, words: str
) -> None:
    """The run decides what a failed program means: the process itself succeeds."""
    answers, log = child(*command, seconds=seconds)
    (answer,) = answers
    assert answer.keys() == {ERROR}
    assert words in answer[ERROR]
    assert answer[ERROR] in "\n".join(log)

"""The pause of a sensor after its runs failed."""

from __future__ import annotations

from collections.abc import Sequence

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter, job, op

from broker_assets.backoff import RUNS, pause_after
from broker_assets.sensors.run_history import REMEMBERED_FAILURES, run_history


@op
def nothing() -> None:
    pass


@job
def some_job() -> None:
    nothing()


def test_only_failures_without_progress_up_to_the_last_run_count() -> None:
    filters = RunsFilter(job_name="some_job")
    with DagsterInstance.ephemeral() as instance:

        def run(status: DagsterRunStatus) -> str:
            return instance.create_run_for_job(some_job, status=status).run_id

        none = run_history(instance, filters)
        assert (none.last, none.active, none.failures, none.pause(0.0)) == ("", False, 0, 0.0)
        run(DagsterRunStatus.FAILURE)
        run(DagsterRunStatus.SUCCESS)
        first, second = run(DagsterRunStatus.FAILURE), run(DagsterRunStatus.FAILURE)
        found = run_history(instance, filters)
        assert (found.last, found.active, found.failures) == (second, False, 2)
        assert found.pause(found.ended) == pause_after(2, RUNS)
        assert found.pause(found.ended + 3600) < 0
        assert run_history(instance, filters, lambda _: {first}).failures == 1
        assert run_history(instance, filters, since=found.ended + 1).failures == 0, "of before a deployment"
        asked: list[Sequence[str]] = []

        def progressed(run_ids: Sequence[str]) -> set[str]:
            asked.append(run_ids)
            return {second}

        assert run_history(instance, filters, progressed).failures == 0
        assert asked == [[second, first]]
        run(DagsterRunStatus.STARTED)
        found = run_history(instance, filters)
        assert (found.active, found.failures) == (True, 0)
        for _ in range(REMEMBERED_FAILURES + 2):
            run(DagsterRunStatus.FAILURE)
        assert run_history(instance, filters).failures == REMEMBERED_FAILURES

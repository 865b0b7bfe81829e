"""The queue of the project's own `dagster.yaml` keeps a place for reception."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest
import yaml
from dagster import DagsterEvent, DagsterEventType, DagsterInstance
from dagster_private import (
    QueuedRunCoordinatorDaemon,
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
    create_run_for_test,
)

from broker_assets.automation import BACKGROUND, PROMPT, RECEPTION
from broker_assets.dagster_internals import SubmitRunContext
from broker_assets.local.instance import write_instance
from broker_assets.resources.run_queue import YIELDS, ReceptionQueue

BACKFILL = {"dagster/backfill": "abcdefgh"}
BY_HAND: dict[str, str] = {}
ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("broker"), "__repository__"), "job")


class Queue:
    """Runs of an instance, as its daemon would start them."""

    def __init__(self, instance: DagsterInstance) -> None:
        self.instance = instance
        self._daemon = QueuedRunCoordinatorDaemon(interval_seconds=1)

    def submit(self, tags: Mapping[str, str]) -> str:
        """A run enters the queue, on the way of those of sensors, backfills and pages."""
        run = create_run_for_test(self.instance, tags=dict(tags), remote_job_origin=ORIGIN)
        # The queue asks nothing of the workspace.
        self.instance.run_coordinator.submit_run(SubmitRunContext(run, cast(Any, None)))
        return run.run_id

    def start(self) -> set[str]:
        """Start the runs that are next."""
        config = self.instance.get_concurrency_config()
        runs = self._daemon._get_runs_to_dequeue(self.instance, config, fixed_iteration_time=None)
        for run in runs:
            event = DagsterEvent(DagsterEventType.RUN_STARTING.value, run.job_name)
            self.instance.report_dagster_event(event, run.run_id)
        return {run.run_id for run in runs}


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[Queue]:
    """Over the project's file, with a storage of its own."""
    target = write_instance(tmp_path)
    sections = yaml.safe_load(target.read_text())
    target.write_text(yaml.safe_dump({name: part for name, part in sections.items() if name != "storage"}))
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        yield Queue(instance)


def test_one_place_is_left_to_reception(queue: Queue) -> None:
    """Runs by hand, of backfills and in the background together leave it, and a drain run has it at once."""
    assert isinstance(queue.instance.run_coordinator, ReceptionQueue)
    config = queue.instance.get_concurrency_config().run_queue_config
    assert config is not None
    places = config.max_concurrent_runs
    for tags in (BY_HAND, BACKFILL, BACKGROUND):
        for _ in range(places):
            queue.submit(tags)
    assert len(queue.start()) == places - 1
    assert queue.start() == set()
    drain = queue.submit({"broker/drain": "topic", **RECEPTION})
    assert queue.start() == {drain}
    # All places are taken: now reception waits, too.
    queue.submit({"broker/drain": "other", **RECEPTION})
    assert queue.start() == set()


def test_reception_may_have_every_place(queue: Queue) -> None:
    """It goes first, and what is left of the places is for others."""
    first = queue.submit(BACKGROUND)
    received = {queue.submit({"broker/drain": f"topic {number}", **RECEPTION}) for number in range(2)}
    prompt = queue.submit(PROMPT)
    assert queue.start() == {*received, prompt, first}


@pytest.mark.parametrize("tags", [{"dagster/priority": "0"}, {"dagster/priority": "high"}])
def test_only_a_priority_above_zero_is_prior(queue: Queue, tags: dict[str, str]) -> None:
    run = queue.instance.get_run_by_id(queue.submit(tags))
    assert run is not None
    assert run.tags.items() >= YIELDS.items()

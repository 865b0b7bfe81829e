"""The queue of runs, in which one place is reserved for reception.

While long runs occupy all places, a drain run must wait, whatever its priority, and alerts miss their target of a
minute. Dagster limits runs by their tags, but runs that operators start and backfills from its web pages have no tag in
common. They get one here when they enter the queue; `dagster.yaml` limits it to one run fewer than there are places.
"""

from __future__ import annotations

from typing import Final

from dagster import DagsterRun

from broker_assets.dagster_internals import PRIORITY_TAG, QueuedRunCoordinator, SubmitRunContext

YIELDS: Final = {"broker/place": "any"}
"""Tag of the runs that leave a place free."""


class ReceptionQueue(QueuedRunCoordinator):
    """Dagster's queue; runs without a priority above 0 (`automation.RECEPTION`, `PROMPT`) get the tag `YIELDS`."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Put a run into the queue."""
        run = context.dagster_run
        if not _prior(run.tags.get(PRIORITY_TAG, "0")):
            self._instance.add_run_tags(run.run_id, YIELDS)
        return super().submit_run(context)


def _prior(priority: str) -> bool:
    try:
        return int(priority) > 0
    except ValueError:
        return False  # as does Dagster's queue

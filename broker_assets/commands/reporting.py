"""Reports of commands that do the work of a Dagster run in their own process."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from broker_assets.monitoring.state_file import running
from broker_assets.settings import Settings

if TYPE_CHECKING:
    from dagster import DagsterInstance

    from broker_assets.assets.reporter import Reporter
    from broker_assets.resources.database import Database
    from broker_assets.stream.enrichment import EnrichmentPlan

NO_DAGSTER = "No Dagster runs here and DAGSTER_HOME is not set: the nights are recorded in provenance only."


@contextmanager
def reporting(settings: Settings) -> Iterator[Reporter]:
    """A reporter like that of a run: to Dagster and to provenance.

    It uses the Dagster instance of `DAGSTER_HOME`, else that of the platform running here. Without either, only
    provenance is recorded.

    Examples
    --------
    In a command that rebuilt something::

        with reporting(settings) as reporter:
            reporter.send(reporter.report(entries, partitions=nights, new_inputs=True))
    """
    from broker_assets.assets.reporter import Reporter
    from broker_assets.resources.database import Database

    with dagster_instance(settings) as instance:
        yield Reporter(instance, Database.of(settings), logging.getLogger(__name__))


def dagster_instance(settings: Settings) -> DagsterInstance:
    """The Dagster instance that commands report to; an ephemeral one if there is none."""
    from dagster import DagsterInstance

    if os.environ.get("DAGSTER_HOME"):
        return DagsterInstance.get()
    state = running(settings)
    if state is None or state.addresses is None:
        return DagsterInstance.ephemeral()
    # Its dagster.yaml names the variable.
    os.environ.setdefault("DAGSTER_PG_URL", state.addresses.environment()["DAGSTER_PG_URL"])
    return DagsterInstance.from_config(state.addresses.dagster_home)


def report_nights(
    settings: Settings,
    plan: EnrichmentPlan,
    nights: Collection[str],
    data_versions: Mapping[tuple[str, str], str],
    *,
    adds: bool,
) -> bool:
    """Report nights whose rows were written here: their versions, then a run of their checks.

    Parameters
    ----------
    settings, plan
        Settings of the platform, and the enrichments of alerts.
    nights : collection of str
        Keys of the nights.
    data_versions : mapping
        Version of each asset and night that was written.
    adds : bool
        Whether rows were only added to the nights.

    Returns
    -------
    bool
        Whether they were reported to Dagster; otherwise they are only in provenance.
    """
    from broker_assets.assets.alerts.reports import artefacts, input_entries
    from broker_assets.assets.reporter import Entry, Reporter
    from broker_assets.partitions import nights as partitions
    from broker_assets.resources.database import Database

    database = Database.of(settings)
    with dagster_instance(settings) as instance:
        with database.transaction() as connection:
            row = connection.execute("SELECT coalesce(max(ingestid), 0) FROM ingest_batch").fetchone()
            newest = row[0] if row is not None else 0
            made = artefacts(connection, plan, nights, data_versions, run_id=None, ingestid=newest)
        reporter = Reporter(instance, database, logging.getLogger(__name__))
        reporter.send(reporter.report(input_entries(plan)))
        entries = [Entry(item, adds=adds) for item in made]
        reporter.send(reporter.report(entries, partitions=partitions, new_inputs=True))
        if instance.is_ephemeral:
            return False
        _check(instance, settings, database, sorted(nights))
    return True


def _check(instance: DagsterInstance, settings: Settings, database: Database, nights: list[str]) -> None:
    """Evaluate the checks of nights with a run in this process: only a run can re-evaluate a partition."""
    from dagster import Definitions

    from broker_assets.checks.alerts import NIGHT_CHECKS
    from broker_assets.jobs.check_nights import build_check_nights, check_config
    from broker_assets.resources.object_store import ObjectStore

    resources = {"database": database, "object_store": ObjectStore.of(settings)}
    job = Definitions(jobs=[build_check_nights(NIGHT_CHECKS)], resources=resources).resolve_job_def("check_nights")
    job.execute_in_process(instance=instance, run_config=check_config(nights), raise_on_error=False)

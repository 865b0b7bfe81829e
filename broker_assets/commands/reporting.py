"""What commands report that do in this process what otherwise a run of Dagster does."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from broker_assets.settings import Settings

if TYPE_CHECKING:
    from dagster import PartitionsDefinition

    from broker_assets.assets.reporter import Entry


def report_made(settings: Settings, entries: Iterable[Entry], partitions: PartitionsDefinition[Any]) -> int:
    """Report versions as the run would: to Dagster, if `DAGSTER_HOME` names an instance, and to provenance.

    Parameters
    ----------
    settings : Settings
        Where the database is.
    entries : iterable of Entry
        What was made, parents before their children.
    partitions : PartitionsDefinition
        Partitions of these assets.

    Returns
    -------
    int
        Number of versions that were new, or made from other inputs.
    """
    from dagster import DagsterInstance

    from broker_assets.assets.reporter import Reporter
    from broker_assets.resources.database import Database

    with DagsterInstance.get() if os.environ.get("DAGSTER_HOME") else DagsterInstance.ephemeral() as instance:
        reporter = Reporter(instance, Database.of(settings), logging.getLogger(__name__))
        return reporter.send(reporter.report(entries, partitions=partitions, new_inputs=True))

"""What commands report that do in this process what otherwise a run of Dagster does."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from broker_assets.settings import Settings

if TYPE_CHECKING:
    from broker_assets.assets.reporter import Reporter


@contextmanager
def reporting(settings: Settings) -> Iterator[Reporter]:
    """A reporter like that of a run: to Dagster, if `DAGSTER_HOME` names an instance, and to provenance.

    Examples
    --------
    In a command that rebuilt something::

        with reporting(settings) as reporter:
            reporter.send(reporter.report(entries, partitions=nights, new_inputs=True))
    """
    from dagster import DagsterInstance

    from broker_assets.assets.reporter import Reporter
    from broker_assets.resources.database import Database

    with DagsterInstance.get() if os.environ.get("DAGSTER_HOME") else DagsterInstance.ephemeral() as instance:
        yield Reporter(instance, Database.of(settings), logging.getLogger(__name__))

"""Assets whose nights are built as a whole, outside the stream, from the rows that the night has by then.

The domain packages compute the content of a night; here it is built in one transaction and reported.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import psycopg
from dagster import AssetExecutionContext, MaterializeResult

from broker_assets.accounting.facts import NightRows
from broker_assets.assets.metadata import shown
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.provenance import versions
from broker_assets.resources.database import Database

MakeNight = Callable[[psycopg.Connection[Any], str], tuple[NightRows, Mapping[str, Any]]]
"""Writes the rows of a night; returns what was written, and further metadata for the materialisation."""


def make_night(
    context: AssetExecutionContext,
    database: Database,
    asset: str,
    code_version: str,
    parents: Sequence[str],
    make: MakeNight,
) -> Iterator[MaterializeResult[Any]]:
    """Build the night of the run, and report it with the versions of its parents.

    Parameters
    ----------
    context : AssetExecutionContext
        Context of a run of one night.
    database : Database
        The database.
    asset, code_version : str
        Asset key, and the version of the code that builds it.
    parents : sequence of str
        Assets by night from which it is built.
    make : callable
        Called in the transaction.
    """
    night = context.partition_key
    with database.transaction() as connection:
        # Read first: rows that arrive meanwhile belong to a version that makes the night stale again.
        known = versions.recorded(connection, [(parent, night) for parent in parents])
        made, described = make(connection, night)
    inputs = tuple(
        versions.Input(asset=parent, partition=night, data_version=found.data_version)
        for (parent, _), found in known.items()
    )
    artefact = versions.Artefact(
        asset=asset, partition=night, data_version=made.data_version, code_version=code_version, inputs=inputs
    )
    entry = Entry(artefact, metadata={"dagster/row_count": made.rows, "objects": made.objects, **shown(described)})
    yield from Reporter(context.instance, database, context.log, run_id=context.run.run_id).made(entry)

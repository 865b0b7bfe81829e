"""Keeps the partitions of an observed asset in step with what they represent: lists, catalogues, classifiers.

What exists, and in which version, is read at every tick, so nothing is lost when a tick fails. The sensor of each asset
decides when this happens and what else is done.
"""

from collections.abc import Callable, Collection, Mapping
from logging import Logger

from dagster import DagsterInstance, DynamicPartitionsDefinition

from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.provenance import versions
from broker_assets.resources.database import Database


def follow_partitions(
    instance: DagsterInstance,
    database: Database,
    log: Logger,
    asset: str,
    partitions: DynamicPartitionsDefinition,
    present: Mapping[str, str],
    entry: Callable[[str], Entry],
    *,
    children: Collection[str] = (),
    most: int | None = None,
) -> int:
    """Observe what is new or changed, and forget what is gone; return the number of both together.

    Something that has no partition in Dagster is observed even if provenance knows its version: Dagster's database may
    be new.

    Parameters
    ----------
    instance, database, log
        Dagster's instance, the platform's database, and where the reporter logs.
    asset : str
        Asset key.
    partitions : DynamicPartitionsDefinition
        Its partitions.
    present : mapping of str to str
        Data version of everything that exists, by partition key.
    entry : callable
        Returns the entry that is reported for a key.
    children : collection of str
        Assets with the same keys; their versions of a key are forgotten together with it.
    most : int, optional
        Maximum number that is observed, in the order of the keys.
    """
    name = str(partitions.name)
    with database.transaction() as connection:
        recorded = versions.data_versions(connection, asset)
        made = {key for child in children for key in versions.data_versions(connection, child)}
    known = set(instance.get_dynamic_partitions(name))
    changed = sorted(key for key, version in present.items() if recorded.get(key) != version or key not in known)
    chosen = changed if most is None else changed[: max(most, 0)]
    new = sorted(set(chosen) - known)
    instance.add_dynamic_partitions(name, new)
    with database.transaction() as connection:
        for key in new:
            versions.forget(connection, asset, key)
    reporter = Reporter(instance, database, log)
    number = reporter.send(reporter.observe([entry(key) for key in chosen], partitions=partitions))
    gone = (known | recorded.keys() | made) - present.keys()
    with database.transaction() as connection:
        for key in sorted(gone):
            for forgotten in (asset, *children):
                versions.forget(connection, forgotten, key)
    for key in sorted(gone & known):
        instance.delete_dynamic_partition(name, key)
    return number + len(gone)

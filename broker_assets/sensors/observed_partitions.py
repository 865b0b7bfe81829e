"""Keeps the partitions of an observed asset as what they stand for is: lists, catalogues, classifiers.

What there is, and in which version, is asked each time; so nothing is lost when a tick fails. When an asset is followed
and what is done besides belongs to its sensor.
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
    """Observe what is new or changed, and forget what is gone; gives the number of both.

    What Dagster has no partition for is observed although provenance knows its version, as when Dagster's database is
    new.

    Parameters
    ----------
    instance, database, log
        Dagster's, ours, and where the reporter writes.
    asset : str
        Asset key.
    partitions : DynamicPartitionsDefinition
        Its partitions.
    present : mapping of str to str
        Data version of what there is, by partition key.
    entry : callable
        What is reported of a key.
    children : collection of str
        Assets with the same keys, whose versions are forgotten with those of what is gone.
    most : int, optional
        Observe no more than these, in the order of their keys.
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

"""Pauses filters that fail, take too long, flood, or name a list that their owner may no longer read.

The records of the batches show which (`filter_runs`). Each is paused with a reason, its owner is notified once, and all
others continue. The owner can activate a paused filter again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psycopg

from broker_assets.filters.errors import FilterError
from broker_assets.filters.query import check
from broker_assets.filters.registry import StoredFilter, list_filters, read_definition, unreadable, version_of
from broker_assets.filters.store import pause
from broker_assets.settings.filters import FilterSettings

Notify = Callable[..., int | None]
"""Queues a message to an owner (`delivery.owners.notify`): connection, owner, subject, text, and `cause` by name."""


@dataclass(frozen=True)
class Paused:
    """A filter that was paused."""

    filterid: int
    owner: str
    name: str
    reason: str


def pause_failing(
    connection: psycopg.Connection[Any], settings: FilterSettings, notify: Notify | None = None
) -> list[Paused]:
    """Pause the filters that should not continue.

    Parameters
    ----------
    connection : psycopg.Connection
        Outside a transaction; one is opened for each filter.
    settings : FilterSettings
        The limits.
    notify : callable, optional
        Queues the message to the owner.

    Returns
    -------
    list of Paused
        Filters that were paused by this call.
    """
    reasons: dict[int, str] = {}
    active = {item.filterid: item for item in list_filters(connection, active=True)}
    for item in active.values():
        said = _unreadable(connection, item)
        if said:
            reasons[item.filterid] = said
    reasons |= _floods(connection, settings)
    reasons |= _problems(connection, settings)
    found = []
    for filterid, reason in sorted(reasons.items()):
        item = active[filterid]
        with connection.transaction():
            if not pause(connection, filterid, reason):
                continue
            if notify is not None:
                row = connection.execute("SELECT revision FROM filters WHERE filterid = %s", (filterid,)).fetchone()
                notify(
                    connection,
                    item.owner,
                    f"Your filter {item.name} is paused",
                    f"The filter {item.name} (number {filterid}, version {item.version}) was paused: {reason}.\n\n"
                    "It runs again when you enable it: broker-assets filter enable"
                    f" {filterid} --owner {item.owner}\n",
                    cause=f"filter {filterid} paused at {row[0] if row else 0}",
                )
        found.append(Paused(filterid, item.owner, item.name, reason))
    return found


@dataclass(frozen=True)
class _Named:
    """The names in a filter; much smaller than the filter."""

    watchlists: frozenset[int]
    areas: frozenset[int]
    annotators: frozenset[str]


@functools.lru_cache(maxsize=10_000)
def _named(definition: str) -> _Named | str:
    """The names in a definition, or why it is not accepted; each definition is parsed once."""
    try:
        query = check(read_definition(definition))
    except FilterError as error:
        return error.problems[0].message if error.problems else str(error)
    return _Named(query.watchlists, query.areas, query.annotators)


def _unreadable(connection: psycopg.Connection[Any], item: StoredFilter) -> str | None:
    named = _named(version_of(connection, item.filterid, item.version).definition)
    if isinstance(named, str):
        return f"it is no longer accepted: {named}"
    missing = unreadable(connection, item.owner, named)
    return f"{', '.join(missing)} is deleted, or no longer public" if missing else None


def _floods(connection: psycopg.Connection[Any], settings: FilterSettings) -> dict[int, str]:
    """Filters with more matches in a night than they may have."""
    rows = connection.execute(
        "SELECT runs.filterid, night::text, sum(runs.matches + runs.over_limit) AS passed,"
        " coalesce(now.matches_per_night, %(default)s) AS quota"
        " FROM filter_runs AS runs JOIN ingest_batch AS batch USING (ingestid) JOIN filters AS now USING (filterid)"
        " WHERE now.active AND batch.kind IN ('stream', 'retry', 'annotation') AND night IN"
        " (SELECT recent.night FROM ingest_batch_night AS recent JOIN ingest_batch AS newest USING (ingestid)"
        " WHERE newest.finished_at > now() - interval '1 hour'"
        " UNION SELECT (now() - interval '16 hours')::date)"
        " GROUP BY 1, 2, 4 HAVING sum(runs.matches + runs.over_limit) > coalesce(now.matches_per_night, %(default)s)",
        {"default": settings.matches_per_night},
    ).fetchall()
    return {
        filterid: f"it passed {passed} alerts of the night {night}; its quota is {quota}"
        for filterid, night, passed, quota in rows
    }


def _problems(connection: psycopg.Connection[Any], settings: FilterSettings) -> dict[int, str]:
    """Filters with problems in several of the last batches, since their last change."""
    rows = connection.execute(
        "SELECT runs.filterid, count(DISTINCT runs.ingestid), (array_agg(runs.message ORDER BY runs.ingestid DESC))[1]"
        " FROM filter_runs AS runs JOIN ingest_batch AS batch USING (ingestid) JOIN filters AS now USING (filterid)"
        " WHERE now.active AND runs.version = now.version AND runs.problem IN ('error', 'time', 'memory')"
        " AND batch.kind IN ('stream', 'retry', 'annotation')"
        " AND batch.finished_at > greatest(now() - interval '1 hour', now.date_modified)"
        " GROUP BY 1 HAVING count(DISTINCT runs.ingestid) >= %s",
        (settings.problems_before_pause,),
    ).fetchall()
    return {filterid: f"it failed in {number} batches within an hour: {said}" for filterid, number, said in rows}

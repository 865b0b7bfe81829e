"""Marks the facts that a changed catalogue or changed rules affect, and no others.

The current versions are on disk (catalogues) and in a file (rules); the versions up to which facts were compared are in
the database. A batch that is written after the change uses the new versions (`EnrichmentPlan.renewed`), so the
comparison first waits for running batches, and does not mark what was computed with the new versions.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.context.association import Index
from broker_assets.context.catalogue import Sources
from broker_assets.context.changes import alone, changed_searches, changed_sources, order_for, rules_of, rules_text
from broker_assets.context.in_force import EPOCH_STEP, CataloguesInForce
from broker_assets.context.object_context import ASSET, RULES, catalogue_input
from broker_assets.context.rules import Rules, Search
from broker_assets.context.store import Catalogue, intervals
from broker_assets.database.fetch import fetch
from broker_assets.database.turns import turn_is_free
from broker_assets.provenance.revisions import next_revision, wait_for_batches
from broker_assets.provenance.stale_facts import mark_nights

_RULES: Final = "(rules)"
"""Name of the rules among the catalogues; no catalogue can have this name."""
_LOCK: Final = "broker_assets context comparison"
_INTERVALS: Final = 2_000
"""Intervals of cells for which associations are read at a time."""
_NEAR: Final = pa.schema(
    [("diaobjectid", pa.int64()), ("associationid", pa.int64()), ("ra", pa.float64()), ("decl", pa.float64())]
)


@dataclass(frozen=True)
class Compared:
    """What a comparison found."""

    changed: tuple[str, ...] = ()
    """Catalogues, and `(rules)`, that were compared."""
    marked: int = 0
    """Facts that were marked."""
    nights: int = 0
    """Number of nights that were marked as a whole."""


def pending(connection: psycopg.Connection[Any], in_force: CataloguesInForce) -> list[str]:
    """Catalogues, and `(rules)`, whose current version has not been compared yet, by name."""
    known = _known(connection)
    wanted = in_force.versions() | {_RULES: in_force.rules.version}
    if not known and len(wanted) == 1:
        return []
    return sorted(name for name in known.keys() | wanted.keys() if known.get(name, ("",))[0] != wanted.get(name, ""))


def compare(
    connection: psycopg.Connection[Any],
    in_force: CataloguesInForce,
    *,
    readers: Sequence[str] = (),
    patience: float = 900.0,
) -> Compared:
    """Mark all facts that differ, or may differ, with the catalogues and rules in force.

    Parameters
    ----------
    connection : psycopg.Connection
        In autocommit mode.
    in_force : CataloguesInForce
        What is in force.
    readers : sequence of str
        Assets of facts that are derived from associations, which are marked, too.
    patience : float
        Longest wait for running batches, seconds.

    Returns
    -------
    Compared
        Empty if nothing has changed, or if another process is comparing at the moment.

    Raises
    ------
    BatchesDoNotEnd
        If a batch does not end in time; nothing is marked.
    """
    if not pending(connection, in_force):
        return Compared()
    present = in_force.versions()
    rules = in_force.rules
    wait_for_batches(connection, seconds=patience)
    with connection.transaction():
        if not turn_is_free(connection, _LOCK):
            return Compared()
        known = _known(connection)
        before = {name: version for name, (version, _) in known.items() if name != _RULES}
        found = _Comparison(connection, in_force, rules, (ASSET, *readers))
        changed = [name for name in sorted(before.keys() | present.keys()) if before.get(name) != present.get(name)]
        if not before or not present:
            found.mark_all("first catalogue" if present else "catalogue removed", without=not before)
        else:
            for name in changed:
                found.compare_catalogue(name, before.get(name), present.get(name))
        version, content = known.get(_RULES, (rules.version, None))
        if version != rules.version:
            changed.append(_RULES)
            if before and present:
                found.compare_rules(rules_of(content) if content else None)
        _record(connection, present, rules)
        if changed:
            next_revision(connection)
    for name in before.keys() - present.keys():
        in_force.store.forget(name)
    return Compared(tuple(changed), found.marked, found.nights)


class _Comparison:
    """One comparison, in its transaction."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        in_force: CataloguesInForce,
        rules: Rules,
        assets: Sequence[str],
    ) -> None:
        self._connection = connection
        self._in_force = in_force
        self._rules = rules
        self._assets = list(assets)
        self.marked = self.nights = 0
        row = connection.execute("SELECT min(night), max(night) FROM context_matches").fetchone()
        first, last = row or (None, None)
        years = [2000.0 + (day - datetime.date(2000, 1, 1)).days / 365.25 for day in (first, last) if day is not None]
        steps = np.arange(round(years[0] / EPOCH_STEP) - 1, round(years[1] / EPOCH_STEP) + 2) if years else np.zeros(0)
        self._epochs = steps * EPOCH_STEP
        """All epochs for which associations were made."""

    def mark_all(self, reason: str, *, without: bool) -> None:
        """Mark all nights; with `without`, only those in which some alerts were associated without any catalogue."""
        rows = self._connection.execute(
            "SELECT DISTINCT facts.night::text FROM ingest_batch_facts AS facts JOIN ingest_batch_night AS part"
            " USING (ingestid, night) WHERE facts.asset = %s AND facts.replaced_by IS NULL"
            " AND part.stored + part.duplicate > 0 AND (facts.inputs = '{}') = %s",
            (ASSET, without),
        )
        self._mark_nights([night for (night,) in rows], reason)

    def compare_catalogue(self, name: str, old: str | None, new: str | None) -> None:
        """Mark what the changed sources of a catalogue affect."""
        searches = [search for search in self._rules.searches if search.catalogue == name]
        store = self._in_force.store
        before = store.version(name, old) if old is not None else None
        after = store.version(name, new) if new is not None else None
        reason = f"sources of {name} have changed"
        if (old is not None and before is None) or (new is not None and after is None):
            self._mark_nights(self._all_nights(), f"{name} has changed, and its version before is gone")
            return
        for part in changed_sources(before, after):
            for search in searches:
                chosen = part.take(np.flatnonzero(search.selects(part)))
                if len(chosen):
                    self._mark_near(search, chosen, reason, catalogue_input(name), new or "")

    def compare_rules(self, old: Rules | None) -> None:
        """Mark what the changed searches affect, or everything if more than searches has changed."""
        searches = changed_searches(old, self._rules) if old is not None else None
        if searches is None:
            self._mark_nights(self._all_nights(), "the rules have changed")
            return
        opened = self._in_force.opened().catalogues
        for search in searches:
            if search.catalogue in opened:
                reason = f"a search of {search.catalogue} has changed"
                for sources in self._of_search(search, opened[search.catalogue]):
                    self._mark_near(search, sources, reason, RULES, self._rules.version)

    def _of_search(self, search: Search, catalogue: Catalogue) -> Iterator[Sources]:
        """Sources that a search selects, a part at a time."""
        for part in changed_sources(None, catalogue):
            chosen = part.take(np.flatnonzero(search.selects(part)))
            if len(chosen):
                yield chosen

    def _mark_near(self, search: Search, sources: Sources, reason: str, used: str, version: str) -> None:
        """Mark the facts of positions for which a search finds any of some sources."""
        moving = np.flatnonzero(np.isfinite(sources.pmra) & np.isfinite(sources.pmdec) & np.isfinite(sources.epoch))
        still = sources.take(np.setdiff1d(np.arange(len(sources)), moving))
        moved = [sources.take(moving).at(float(epoch)) for epoch in self._epochs] if moving.size else []
        for places in (still, *moved):
            if not len(places):
                continue
            index = Index(alone(search), {search.catalogue: places})
            for rows in self._near(places, search.radius):
                touched = index.touched(rows[2], rows[3])
                self._mark(rows[0][touched], rows[1][touched], reason, used, version)

    def _near(self, sources: Sources, radius: float) -> Iterator[tuple[NDArray[Any], ...]]:
        """Associations of positions near sources, and some others: object, identifier, ra and dec."""
        low, high = intervals(np.mod(sources.ra, 360.0), sources.dec, order_for(radius))
        for start in range(0, len(low), _INTERVALS):
            part = slice(start, start + _INTERVALS)
            query = sql.SQL(
                "SELECT diaobjectid, associationid, ra, decl FROM"
                " unnest({}::bigint[], {}::bigint[]) AS part (low, high)"
                " JOIN associations ON healpix >= low AND healpix < high"
            ).format(sql.Literal(low[part].tolist()), sql.Literal(high[part].tolist()))
            rows = fetch(self._connection, query, _NEAR)
            if rows.num_rows:
                yield tuple(rows[name].to_numpy() for name in _NEAR.names)

    def _mark(
        self, objects: NDArray[np.int64], identifiers: NDArray[np.int64], reason: str, used: str, version: str
    ) -> None:
        if not objects.size:
            return
        self.marked += self._connection.execute(
            "INSERT INTO stale_facts (diaobjectid, diasourceid, night, asset, reason)"
            " SELECT fact.diaobjectid, fact.diasourceid, fact.night, stale.asset, %s FROM context_matches AS fact"
            " JOIN unnest(%s::bigint[], %s::bigint[]) AS near (diaobjectid, associationid)"
            " USING (diaobjectid, associationid)"
            " JOIN ingest_batch_facts AS entry ON entry.ingestid = fact.ingestid AND entry.night = fact.night"
            "  AND entry.asset = %s AND coalesce(entry.inputs ->> %s, '') <> %s"
            " CROSS JOIN unnest(%s::text[]) AS stale (asset) ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING",
            (reason, objects.tolist(), identifiers.tolist(), ASSET, used, version, self._assets),
        ).rowcount

    def _mark_nights(self, nights: Sequence[str], reason: str) -> None:
        self.nights += mark_nights(self._connection, self._assets, nights, reason)

    def _all_nights(self) -> list[str]:
        rows = self._connection.execute(
            "SELECT DISTINCT night::text FROM ingest_batch_facts WHERE asset = %s AND replaced_by IS NULL", (ASSET,)
        )
        return [night for (night,) in rows]


def _known(connection: psycopg.Connection[Any]) -> dict[str, tuple[str, str | None]]:
    rows = connection.execute("SELECT name, version, content FROM context_compared")
    return {name: (version, content) for name, version, content in rows}


def _record(connection: psycopg.Connection[Any], present: dict[str, str], rules: Rules) -> None:
    connection.execute("DELETE FROM context_compared WHERE name <> ALL(%s)", ([*present, _RULES],))
    entries = [(name, version, None) for name, version in sorted(present.items())]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO context_compared (name, version, content) VALUES (%s, %s, %s) ON CONFLICT (name) DO UPDATE"
            " SET version = excluded.version, content = excluded.content, compared_at = now()"
            " WHERE context_compared.version <> excluded.version",
            [*entries, (_RULES, rules.version, rules_text(rules))],
        )

"""Filters as an enrichment of alerts: which alerts of a batch pass which filters, as facts.

The filters, lists, annotations and TNS rows are those as of the number of the change counter that the batch records.
What is computed outside the transaction holds for the number at that time; if something changes before the batch is
written, the filters concerned run again. A filter that fails, takes too long or floods affects no other filter and no
alert: this is recorded (`filter_runs`), and `pausing` stops it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.accounting import facts
from broker_assets.accounting.facts import AlertBatch, Computed, FactTable, Written
from broker_assets.database.tables import filter_matches
from broker_assets.filters.batch_tables import READS, BatchTables
from broker_assets.filters.engine.sandbox import ERROR, Sandbox
from broker_assets.filters.errors import FilterError
from broker_assets.filters.evaluation import Matches, evaluate
from broker_assets.filters.query import CheckedQuery
from broker_assets.filters.registry import LANGUAGE_VERSION, FilterVersion, active_at
from broker_assets.filters.runs import MATCHES, describe_night, limited, store_runs
from broker_assets.filters.schema import BASE
from broker_assets.provenance.revisions import current_revision
from broker_assets.sky.in_force import Matches as SkyMatches

logger = logging.getLogger(__name__)

ASSET: Final = MATCHES
FILTERS: Final = "filters"
"""Asset of the active versions; each is a partition of it."""
MATCHING_VERSION: Final = f"1, language {LANGUAGE_VERSION}"
"""Increased whenever the same filters and alerts give different matches."""

RUNS: Final = "runs"
"""Table in `Computed` of how each filter ran."""
PER_BATCH: Final = 1000
"""Most alerts of a batch and night that a filter passes."""


MatchAt = Callable[[psycopg.Connection[Any], pa.Table, int], SkyMatches]
"""Given a connection, alerts and a number of the change counter, returns what the alerts match; `row` numbers them."""


class Deliver(Protocol):
    """Puts matches into the outbox (`delivery.outbox.put`)."""

    def __call__(
        self, connection: psycopg.Connection[Any], matches: pa.Table, ingestid: int, *, late: bool = False
    ) -> int:
        """Return the number of messages to send."""
        ...


@dataclass(frozen=True)
class ComputedMatches(Computed):
    """Matches, and their inputs in case something changes before they are written."""

    batch_tables: BatchTables | None = None
    used: Mapping[str, pa.Table] = field(default_factory=dict)
    """Tables over which filters ran."""
    results: Mapping[tuple[int, int], Matches] = field(default_factory=dict)
    """Results by filter and version."""


@dataclass
class FilterMatches:
    """Runs the active filters over alerts.

    Parameters
    ----------
    match_at : callable
        Matches alerts with lists as of a number; see `sky.matching.SkyMatching.matches`.
    sandbox : Sandbox
        Sandbox in which statements run.
    deliver : callable, optional
        Puts matches of the stream into the outbox.
    per_batch : int
        Most alerts of a batch and night that a filter passes; further ones are only counted.
    late_days : float
        Alerts stored by a retry are delivered, marked as late, up to this age, days.
    """

    match_at: MatchAt
    sandbox: Sandbox = field(default_factory=Sandbox)
    deliver: Deliver | None = None
    per_batch: int = PER_BATCH
    late_days: float = 7.0
    name: str = field(default="filters", init=False)
    version: str = field(default=MATCHING_VERSION, init=False)
    reads: tuple[str, ...] = field(default=READS, init=False)
    _queries: dict[tuple[int, int], CheckedQuery | str] = field(default_factory=dict, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)

    @property
    def facts(self) -> tuple[FactTable, ...]:
        """The table of matches."""
        return (
            FactTable(
                ASSET, filter_matches, "Alerts that passed a filter when they arrived.", (FILTERS,),
                describe=describe_night,
            ),
        )  # fmt: skip

    def inputs(self) -> Mapping[str, str]:
        """No inputs: filters hold from a number on, and never affect past facts."""
        return {}

    def compute(self, batch: AlertBatch, earlier: Mapping[str, pa.Table]) -> ComputedMatches:
        """Run the filters over a batch."""
        revision = current_revision(batch.connection) if batch.revision is None else batch.revision
        versions = active_at(batch.connection, revision)
        return self.run(batch, earlier, revision, versions)

    def run(
        self,
        batch: AlertBatch,
        earlier: Mapping[str, pa.Table],
        revision: int,
        versions: Sequence[FilterVersion],
        *,
        lists_revision: int | None = None,
    ) -> ComputedMatches:
        """Run given versions over a batch.

        Parameters
        ----------
        batch, earlier : AlertBatch, mapping of str to pyarrow.Table
            The batch, and the tables of the enrichments in `reads`.
        revision : int
            Number of the change counter as of which annotations are read.
        versions : sequence of FilterVersion
            The filters.
        lists_revision : int, optional
            Number as of which lists are matched; default: `revision`.
        """
        queries = self._checked(versions)
        tables = BatchTables(batch, earlier, _columns(queries.values()))
        used: dict[str, pa.Table] = {}
        results: dict[tuple[int, int], Matches] = {}
        if queries:
            # The sky enrichment may have matched shortly before, as of an earlier number.
            lists = revision if lists_revision is None else lists_revision
            used = tables.at(batch.connection, revision, self.match_at(batch.connection, tables.alerts, lists))
            results = self._evaluated(used, queries)
        return self._computed(revision, tables, used, versions, results)

    def write(self, computed: Computed, written: Written) -> dict[str, pa.Table]:
        """Write the matches of stored alerts, how the filters ran, and what must be delivered.

        Returns
        -------
        dict of str to pyarrow.Table
            Facts that were written, by asset.
        """
        if isinstance(computed, ComputedMatches) and computed.revision != written.facts_revision:
            computed = self._renewed(computed, written.connection, written.facts_revision)
        found = computed.tables[ASSET]
        stored = found.filter(pa.array(np.isin(found["packet"].to_numpy(), written.stored)))
        kept, over = limited(stored, self.per_batch)
        rows = kept.drop_columns(["packet"])
        facts.insert(written.connection, self.facts[0], rows, written.ingestid)
        store_runs(
            written.connection, written.ingestid, computed.tables[RUNS], kept, over, _nights(computed, written.stored)
        )
        if self.deliver is not None and rows.num_rows and written.as_of is None:
            self._deliver(self.deliver, written, rows)
        return {ASSET: rows}

    def _deliver(self, deliver: Deliver, written: Written, rows: pa.Table) -> None:
        """Fill the outbox; only the stream and retries do this, so that nothing old is sent again."""
        row = written.connection.execute(
            "SELECT kind, (now() - make_interval(secs => %s))::date FROM ingest_batch WHERE ingestid = %s",
            (86_400.0 * self.late_days, written.ingestid),
        ).fetchone()
        if row is None or row[0] not in ("stream", "retry"):
            return
        late = row[0] == "retry"
        if late:
            rows = rows.filter(pc.greater_equal(rows["night"], pa.scalar(row[1], pa.date32())))
        if rows.num_rows:
            deliver(written.connection, _messages(rows), written.ingestid, late=late)

    def _checked(self, versions: Sequence[FilterVersion]) -> dict[tuple[int, int], CheckedQuery]:
        """The checked queries of versions; those that the language no longer accepts are left out."""
        found = {}
        with self._lock:
            for item in versions:
                key = (item.filterid, item.version)
                if key not in self._queries:
                    try:
                        self._queries[key] = item.query()
                    except FilterError as error:
                        logger.warning("filter %d, version %d, cannot run: %s", *key, error)
                        self._queries[key] = str(error)
                query = self._queries[key]
                if isinstance(query, CheckedQuery):
                    found[key] = query
        return found

    def _evaluated(
        self, tables: Mapping[str, pa.Table], queries: Mapping[tuple[int, int], CheckedQuery]
    ) -> dict[tuple[int, int], Matches]:
        return dict(zip(queries, evaluate(self.sandbox, tables, list(queries.values())), strict=True))

    def _renewed(
        self, computed: ComputedMatches, connection: psycopg.Connection[Any], revision: int
    ) -> ComputedMatches:
        """The results for another number: filters run again if they, or tables that they read, have changed."""
        versions = active_at(connection, revision)
        queries = self._checked(versions)
        before = computed.batch_tables
        if before is None or not queries:
            return self._computed(revision, before, {}, versions, {})
        tables = BatchTables(before.batch, before.earlier, _columns(queries.values()))
        used = tables.at(connection, revision, self.match_at(connection, tables.alerts, revision))
        same = {name for name, table in used.items() if _same(table, computed.used.get(name))}
        again = {
            key: query for key, query in queries.items() if key not in computed.results or not query.tables <= same
        }
        results = {key: computed.results[key] for key in queries if key not in again}
        if again:
            results |= self._evaluated(used, again)
        return self._computed(revision, tables, used, versions, results)

    def _computed(
        self,
        revision: int,
        tables: BatchTables | None,
        used: Mapping[str, pa.Table],
        versions: Sequence[FilterVersion],
        results: Mapping[tuple[int, int], Matches],
    ) -> ComputedMatches:
        with self._lock:
            refused = {
                (item.filterid, item.version): said
                for item in versions
                if isinstance(said := self._queries.get((item.filterid, item.version)), str)
            }
        results = dict(results) | {key: Matches(problem=ERROR, message=said) for key, said in refused.items()}
        alerts = _NO_ALERTS if tables is None else tables.alerts
        return ComputedMatches(
            {ASSET: _rows(alerts, results), RUNS: _runs(alerts, results)},
            revision,
            batch_tables=tables,
            used=used,
            results=results,
        )


_KEYS: Final = ["packet", "diaobjectid", "diasourceid", "night"]
_NO_ALERTS: Final = pa.schema(
    [("packet", pa.int64()), ("diaobjectid", pa.int64()), ("diasourceid", pa.int64()), ("night", pa.date32())]
).empty_table()
_NO_ROWS: Final = pa.schema(
    [
        *_NO_ALERTS.schema,
        *(("filterid", pa.int64()), ("version", pa.int32()), ("rows", pa.int32()), ("row", pa.string())),
    ]
).empty_table()
_NO_RUNS: Final = pa.schema(
    [
        *(("filterid", pa.int64()), ("version", pa.int32()), ("seconds", pa.float64())),
        *(("problem", pa.string()), ("message", pa.string()), ("beyond", pa.list_(pa.int64()))),
    ]
).empty_table()


def _columns(queries: Any) -> dict[str, set[str]]:
    """Columns that the filters read, by table."""
    found: dict[str, set[str]] = {BASE: {"diaobjectid"}}
    for query in queries:
        for table, columns in query.columns.items():
            found.setdefault(table, set()).update(columns)
    return found


def _same(one: pa.Table, other: pa.Table | None) -> bool:
    return other is not None and (one is other or bool(one.equals(other)))


def _rows(alerts: pa.Table, results: Mapping[tuple[int, int], Matches]) -> pa.Table:
    """A row for each filter and alert that passed it, filter by filter, in the order of the sources."""
    sources = alerts["diasourceid"].to_numpy()
    order = np.argsort(sources, kind="stable")
    parts = [_NO_ROWS]
    for (filterid, version), matches in results.items():
        number = len(matches.alerts)
        if not number:
            continue
        place = order[np.searchsorted(sources[order], matches.alerts)]
        keys = alerts.select(_KEYS).take(pa.array(place))
        parts.append(
            pa.Table.from_arrays(
                [
                    *keys.columns,
                    pa.repeat(pa.scalar(filterid, pa.int64()), number),
                    pa.repeat(pa.scalar(version, pa.int32()), number),
                    pa.array(matches.numbers, pa.int32()),
                    pa.array(matches.rows, pa.string()),
                ],
                schema=_NO_ROWS.schema,
            )
        )
    return pa.concat_tables(parts)


def _runs(alerts: pa.Table, results: Mapping[tuple[int, int], Matches]) -> pa.Table:
    """How filters ran: those with a problem, with matches, or that were measured alone."""
    ran = [
        {
            "filterid": filterid, "version": version, "seconds": matches.seconds, "problem": matches.problem,
            "message": matches.message or None, "beyond": list(matches.beyond),
        }
        for (filterid, version), matches in results.items()
        if matches.problem or matches.beyond or matches.seconds is not None
    ]  # fmt: skip
    return pa.Table.from_pylist(ran, schema=_NO_RUNS.schema)


def _nights(computed: Computed, stored: NDArray[np.int64]) -> list[Any]:
    """Nights of the alerts that were stored."""
    if not isinstance(computed, ComputedMatches) or computed.batch_tables is None:
        return []
    alerts = computed.batch_tables.alerts
    kept = alerts.filter(pa.array(np.isin(alerts["packet"].to_numpy(), stored)))
    return sorted(kept["night"].unique().to_pylist())


def _messages(rows: pa.Table) -> pa.Table:
    """Matches in the form of the outbox."""
    triggers = [
        f"alert/{diaobjectid}/{diasourceid}"
        for diaobjectid, diasourceid in zip(
            rows["diaobjectid"].to_pylist(), rows["diasourceid"].to_pylist(), strict=True
        )
    ]
    columns = ["filterid", "version", "diaobjectid", "diasourceid", "night", "row"]
    return rows.select(columns).append_column("trigger", pa.array(triggers, pa.string()))

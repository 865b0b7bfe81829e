"""Trials of filters on past nights: what they would have passed, clause by clause. Nothing is written.

The packets of a night are read from the archive again and pass the same enrichments as in the stream, as of the numbers
of the change counter that their batches recorded: no later light curve, context, annotation or list is used. On
request, lists are applied as they are now, including those that did not exist then.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc

from broker_assets.accounting import ledger
from broker_assets.database.engine import connect
from broker_assets.filters.batch_tables import READS
from broker_assets.filters.matching import ASSET, RUNS, ComputedMatches, FilterMatches
from broker_assets.filters.query import CheckedQuery, Clause
from broker_assets.filters.registry import FilterVersion
from broker_assets.filters.schema import ALERT, BASE
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.provenance.revisions import current_revision
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.reprocess import decode_archived, no_points, stored_positions

SAMPLES: Final = 5
"""Most matches of a night that are shown."""


@dataclass
class Passed:
    """What a version of a filter passes in a night."""

    alerts: set[tuple[int, int]] = field(default_factory=set)
    """(diaObjectId, diaSourceId)."""
    bytes: int = 0
    """Size of the selected columns as JSON, bytes."""
    samples: list[str] = field(default_factory=list)
    """First rows, as JSON objects."""
    problems: list[str] = field(default_factory=list)
    """What went wrong in a batch, each once."""


@dataclass
class NightTrial:
    """What filters pass in a night."""

    night: str
    alerts: int = 0
    """Alerts with an object that were stored and read."""
    complete: bool = True
    """Whether all alerts of the night were read."""
    passed: list[Passed] = field(default_factory=list)
    """For each version that was tried."""
    seconds: float = 0.0


@dataclass
class Survivors:
    """Numbers of alerts of a night that are left after each clause of a filter."""

    clauses: tuple[Clause, ...]
    alerts: int = 0
    alone: list[int] = field(default_factory=list)
    """Alerts that meet the clause, regardless of the others."""
    left: list[int] = field(default_factory=list)
    """Alerts that meet it and all clauses before it."""
    parts: dict[str, Survivors] = field(default_factory=dict)
    """The same for the queries within the filter that read the objects, by name."""

    @classmethod
    def of(cls, query: CheckedQuery) -> Survivors:
        """Nothing counted yet."""
        number = len(query.clauses)
        parts = {name: cls.of(part) for name, part in query.parts.items()}
        return cls(query.clauses, alone=[0] * number, left=[0] * number, parts=parts)


@dataclass(frozen=True)
class Trials:
    """Tries filters on past nights.

    Parameters
    ----------
    database_url : str
        SQLAlchemy URL of the broker's database; nothing is written.
    surveys : mapping of str to str
        Survey of each topic.
    plan : EnrichmentPlan
        The enrichments of the platform, with `FilterMatches` among them.
    limit : int, optional
        Approximate number of alerts read per night.
    lists_now : bool
        Apply lists as they are now.
    progress : callable
        Called with the number of alerts read so far.
    """

    database_url: str
    surveys: Mapping[str, str]
    plan: EnrichmentPlan
    limit: int | None = None
    lists_now: bool = False
    progress: Callable[[int], None] = lambda alerts: None

    @property
    def filters(self) -> FilterMatches:
        """The enrichment that runs filters."""
        return next(item for item in self.plan.enrichments if isinstance(item, FilterMatches))

    def nights(self, begin: str, end: str) -> list[str]:
        """Nights from `begin` to `end`, both inclusive, of which the archive has packets."""
        with connect(self.database_url, application="broker-assets filter") as connection:
            rows = connection.execute(
                "SELECT DISTINCT night::text FROM archive_file WHERE night BETWEEN %s AND %s AND topic = ANY(%s)"
                " ORDER BY 1",
                (begin, end, list(self.surveys)),
            )
            return [row[0] for row in rows]

    def newest(self, number: int) -> list[str]:
        """The newest nights of which the archive has packets, ascending."""
        with connect(self.database_url, application="broker-assets filter") as connection:
            rows = connection.execute(
                "SELECT DISTINCT night::text FROM archive_file WHERE topic = ANY(%s) ORDER BY 1 DESC LIMIT %s",
                (list(self.surveys), number),
            )
            return sorted(row[0] for row in rows)

    def over(self, night: str, versions: Sequence[FilterVersion]) -> NightTrial:
        """Try versions on a night.

        Raises
        ------
        DrainFailedError
            If a file of the archive is missing or damaged.
        """
        began = datetime.datetime.now(datetime.UTC)
        trial = NightTrial(night, passed=[Passed() for _ in versions])
        place = {(item.filterid, item.version): number for number, item in enumerate(versions)}
        for computed, stored in self._batches(night, versions, trial):
            rows = computed.tables[ASSET]
            kept = rows.filter(pa.array(np.isin(rows["packet"].to_numpy(), stored)))
            for row in kept.select(["diaobjectid", "diasourceid", "filterid", "version", "row"]).to_pylist():
                found = trial.passed[place[row["filterid"], row["version"]]]
                found.alerts.add((row["diaobjectid"], row["diasourceid"]))
                found.bytes += len(row["row"].encode())
                if len(found.samples) < SAMPLES:
                    found.samples.append(row["row"])
            for run in computed.tables[RUNS].to_pylist():
                problems = trial.passed[place[run["filterid"], run["version"]]].problems
                if run["problem"] and run["message"] not in problems:
                    problems.append(run["message"])
        trial.seconds = (datetime.datetime.now(datetime.UTC) - began).total_seconds()
        return trial

    def survivors(self, night: str, version: FilterVersion) -> Survivors:
        """Count the alerts of a night that are left after each clause of a version."""
        query = version.query()
        found = Survivors.of(query)
        trial = NightTrial(night)
        for computed, stored in self._batches(night, [version], trial):
            alerts = computed.used[BASE][ALERT].to_numpy()
            tables = computed.batch_tables
            known = alerts if tables is None else alerts[np.isin(tables.alerts["packet"].to_numpy(), stored)]
            for name, part in (("", query), *query.parts.items()):
                self._count(part, computed.used, known, found.parts[name] if name else found)
        for counted in (found, *found.parts.values()):
            counted.alerts = trial.alerts
        return found

    def _count(
        self, query: CheckedQuery, tables: Mapping[str, pa.Table], alerts: np.ndarray[Any, Any], found: Survivors
    ) -> None:
        sandbox = self.filters.sandbox
        with sandbox.lock:
            sandbox.load(tables)
            outcome = sandbox.run([query.clause_query("duckdb")])[0]
        if outcome.rows is None:
            raise ValueError(f"the clauses cannot be counted: {outcome.message}")
        rows = outcome.rows.filter(pc.is_in(outcome.rows[ALERT], value_set=pa.array(alerts)))
        identifiers = rows[ALERT].to_numpy()
        left = np.ones(len(identifiers), bool)
        for number in range(len(query.clauses)):
            truth = rows[f"$clause{number}"].to_numpy()
            left &= truth
            found.alone[number] += len(np.unique(identifiers[truth]))
            found.left[number] += len(np.unique(identifiers[left]))

    def _batches(
        self, night: str, versions: Sequence[FilterVersion], trial: NightTrial
    ) -> Iterator[tuple[ComputedMatches, np.ndarray[Any, Any]]]:
        """Matches of the versions in each file of a night, with the packets whose source is stored from it."""
        plan = self.plan.chosen(READS)
        decoders: dict[str, dict[tuple[str, str], AlertDecoder]] = {}
        with connect(self.database_url, application="broker-assets filter", autocommit=True) as connection:
            connection.execute("SET default_transaction_read_only = on")
            now = current_revision(connection) if self.lists_now else None
            files = ledger.archive_files(connection, night=datetime.date.fromisoformat(night))
            for archivefileid, ingestid, entry in files:
                if entry.topic not in self.surveys:
                    continue
                if self.limit is not None and trial.alerts >= self.limit:
                    trial.complete = False
                    return
                survey = self.surveys[entry.topic]
                decoded, group = decode_archived(entry, survey, decoders.setdefault(survey, {}), no_points)
                revision = _revision(connection, ingestid)
                enriched = plan.compute(decoded.tables, connection, revision=revision, stamps=decoded.stamps)
                if enriched.batch is None:
                    continue
                earlier = {name: table for done in enriched.computed.values() for name, table in done.tables.items()}
                computed = self.filters.run(enriched.batch, earlier, revision, versions, lists_revision=now)
                held = np.isin(group.positions, stored_positions(connection, entry.night, archivefileid))
                stored = group.packets[held]
                packets = enriched.batch.alerts["packet"].to_numpy()
                trial.alerts += int(np.isin(packets, stored).sum())
                self.progress(trial.alerts)
                yield computed, stored


def _revision(connection: psycopg.Connection[Any], ingestid: int) -> int:
    """Number of the change counter that a batch recorded; 0 for batches older than the counter."""
    row = connection.execute("SELECT revision FROM ingest_batch WHERE ingestid = %s", (ingestid,)).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def later_lists(connection: psycopg.Connection[Any], query: CheckedQuery, nights: Sequence[str]) -> list[str]:
    """Lists in a filter that were not matched throughout some nights, for example `watchlist 3`."""
    row = connection.execute(
        "SELECT min(revision), max(revision) FROM ingest_batch JOIN ingest_batch_night USING (ingestid)"
        " WHERE night = ANY(%s::date[]) AND kind IN ('stream', 'retry')",
        (list(nights),),
    ).fetchone()
    if row is None or row[0] is None:
        return []
    found: list[str] = []
    for kind, wanted in (("watchlist", query.watchlists), ("area", query.areas)):
        found += [
            f"{kind} {identifier}"
            for identifier in sorted(wanted)
            if connection.execute(_COVERED[kind], (identifier, row[0], row[1])).fetchone() is None
        ]
    return found


_COVERED: Final = {
    "watchlist": "SELECT FROM watchlist_periods WHERE wl_id = %s AND revision_from <= %s"
    " AND (revision_to IS NULL OR revision_to > %s)",
    "area": "SELECT FROM area_periods WHERE ar_id = %s AND revision_from <= %s"
    " AND (revision_to IS NULL OR revision_to > %s)",
}
"""Whether a list was matched throughout a range of numbers."""


@dataclass(eq=False)
class TooMany(ValueError):
    """A filter passes more than its quota on a reference night."""

    filterid: int
    night: str
    matches: int
    quota: int
    alerts: int
    """Alerts of the night that were read."""

    def __str__(self) -> str:
        return (
            f"filter {self.filterid} passes {self.matches:,} of the {self.alerts:,} alerts of the night {self.night}; "
            f"its quota is {self.quota:,} a night: {self.matches / max(self.quota, 1):.1f} times as many as it may have"
        )


def require_quota(filterid: int, trial: NightTrial, quota: int) -> None:
    """Require that a filter passes no more alerts of a night than its quota.

    Raises
    ------
    TooMany
        If it does; the message says by how much.
    """
    matches = len(trial.passed[0].alerts)
    if matches > quota:
        raise TooMany(filterid, trial.night, matches, quota, trial.alerts)

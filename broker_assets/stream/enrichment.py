"""The common interface of everything that is computed for an alert.

An enrichment computes for a whole batch outside its transaction, in a stage of its own, and writes inside it. Drain
runs, the reprocessing of a night and the retry from quarantine all use the plan of all enrichments. Domain packages do
not import this module; their enrichments only have the attributes in `Enrichment`. `enrichments` lists the existing
ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.accounting import facts
from broker_assets.accounting.facts import AlertBatch, Computed, FactInput, FactTable, ReadStamps, Written, no_stamps
from broker_assets.packets.tables import AlertTables
from broker_assets.provenance.revisions import begin_batch
from broker_assets.stream.spent import Spent, Stopwatch

FactCounts = dict[str, dict[str, int]]
"""Facts by night and asset."""


class Enrichment(Protocol):
    """Something that is computed for each alert."""

    @property
    def name(self) -> str:
        """Unique, in lower case."""
        ...

    @property
    def version(self) -> str:
        """Version of its code, raised whenever it computes other facts from the same alerts and inputs."""
        ...

    @property
    def reads(self) -> tuple[str, ...]:
        """Tables of other enrichments that it reads; those are computed before it."""
        ...

    @property
    def facts(self) -> tuple[FactTable, ...]:
        """Tables of facts that it writes."""
        ...

    def inputs(self) -> Mapping[str, str]:
        """Versions of its inputs other than the alerts, by asset."""
        ...

    def compute(self, batch: AlertBatch, earlier: Mapping[str, pa.Table]) -> Computed:
        """Compute for a batch, outside its transaction; `earlier` has the tables that it reads."""
        ...

    def write(self, computed: Computed, written: Written) -> Mapping[str, pa.Table]:
        """Write what was computed, in the transaction of the batch.

        Changes since it was computed (`written.revision`) must be taken into account. Facts are written for
        `written.stored` only.

        Returns
        -------
        mapping of str to pyarrow.Table
            The facts that were written, by asset.
        """
        ...


class EnrichmentError(ValueError):
    """Enrichments do not fit together; the message says which."""


@dataclass(frozen=True)
class Enriched:
    """What all enrichments computed for a batch."""

    computed: Mapping[str, Computed]
    """By name of the enrichment."""
    spent: Spent = field(default_factory=Spent)
    """Time that this took."""
    batch: AlertBatch | None = None
    """What it was computed from."""


class EnrichmentPlan:
    """All enrichments, in an order in which each comes after those whose tables it reads.

    Parameters
    ----------
    enrichments : iterable of Enrichment
        In any order.

    Raises
    ------
    EnrichmentError
        If two have the same name or write the same table, if one reads a table that none writes, or if they depend on
        one another in a circle.
    """

    def __init__(self, enrichments: Iterable[Enrichment]) -> None:
        self.enrichments = _ordered(list(enrichments))

    @property
    def facts(self) -> tuple[tuple[Enrichment, FactTable], ...]:
        """Every table of facts, with the enrichment that writes it."""
        return tuple((enrichment, table) for enrichment in self.enrichments for table in enrichment.facts)

    def parents(self, enrichment: Enrichment, table: FactTable) -> tuple[str, ...]:
        """Assets by night from which the facts of a table are made: objects, and the facts that it reads."""
        return ("objects", *enrichment.reads)

    @property
    def inputs(self) -> dict[str, FactInput]:
        """Inputs of facts other than alerts and lists, by asset."""
        return {item.asset: item for _, table in self.facts for item in table.inputs}

    @property
    def last(self) -> tuple[Enrichment, ...]:
        """Enrichments that read others and are read by none: they can run while the others process the next batch."""
        read = {name for enrichment in self.enrichments for name in enrichment.reads}
        return tuple(
            enrichment
            for enrichment in self.enrichments
            if enrichment.reads and not read & {table.asset for table in enrichment.facts}
        )

    def load(self) -> None:
        """Load the inputs of the enrichments.

        Must be called before alerts are read: an input that cannot be read, such as a missing dust map, must end the
        run, not send every alert to quarantine.
        """
        for enrichment in self.enrichments:
            enrichment.inputs()

    def readers(self, asset: str) -> tuple[str, ...]:
        """Facts that are made from those of an asset, directly or through others."""
        found = {asset}
        for enrichment in self.enrichments:
            if found & set(enrichment.reads):
                found |= {table.asset for table in enrichment.facts}
        return tuple(sorted(found - {asset}))

    def chosen(self, assets: Iterable[str]) -> EnrichmentPlan:
        """The plan of the enrichments that write some assets, and of those that they read."""
        wanted = set(assets)
        kept: list[Enrichment] = []
        for enrichment in reversed(self.enrichments):
            if wanted & {table.asset for table in enrichment.facts}:
                kept.append(enrichment)
                wanted |= set(enrichment.reads)
        return EnrichmentPlan(kept)

    def compute(
        self,
        tables: AlertTables,
        connection: psycopg.Connection[Any],
        *,
        revision: int | None = None,
        stamps: ReadStamps = no_stamps,
    ) -> Enriched:
        """Compute everything for a batch.

        Parameters
        ----------
        tables : AlertTables
            Content of the packets.
        connection : psycopg.Connection
            Connection to read with; nothing is written.
        revision : int, optional
            Compute as of this number of the change counter.
        stamps : callable
            Reads stamps from the packets.
        """
        return self.complete(self.begin(tables, connection, revision=revision, stamps=stamps), connection)

    def begin(
        self,
        tables: AlertTables,
        connection: psycopg.Connection[Any],
        *,
        revision: int | None = None,
        stamps: ReadStamps = no_stamps,
    ) -> Enriched:
        """Compute the enrichments that others read, or that read no others, for a batch; parameters as in `compute`."""
        watch = Stopwatch()
        batch = AlertBatch(alerts_of(tables), _by_name(tables), connection, revision, stamps)
        computed = self._computed(batch, {}, without=self.last)
        return Enriched(computed, watch.lap(), batch)

    def complete(self, begun: Enriched, connection: psycopg.Connection[Any]) -> Enriched:
        """Compute the other enrichments; `connection` may differ from that of `begin`."""
        if begun.batch is None or not self.last:
            return begun
        watch = Stopwatch()
        computed = self._computed(replace(begun.batch, connection=connection), begun.computed)
        return Enriched(computed, begun.spent + watch.lap(), begun.batch)

    def _computed(
        self, batch: AlertBatch, known: Mapping[str, Computed], without: Collection[Enrichment] = ()
    ) -> dict[str, Computed]:
        """Compute for a batch what is not yet known."""
        results: dict[str, pa.Table] = {}
        computed: dict[str, Computed] = {}
        for enrichment in self.enrichments:
            if enrichment in without:
                continue
            done = known.get(enrichment.name)
            if done is None:
                done = enrichment.compute(batch, {name: results[name] for name in enrichment.reads})
            computed[enrichment.name] = done
            results |= {name: done.tables[name] for name in (table.asset for table in enrichment.facts)}
        return computed

    def renewed(self, enriched: Enriched, connection: psycopg.Connection[Any]) -> Enriched:
        """The values that hold for a batch now: computed again where the version of an input has changed.

        Must be called in the transaction that writes the batch, before anything is written. Later changes of inputs
        wait for the end of the transaction (`provenance.revisions.wait_for_batches`).
        """
        begin_batch(connection)
        outdated: set[str] = set()
        for enrichment in self.enrichments:
            of_inputs = any(table.inputs for table in enrichment.facts)
            used = enriched.computed[enrichment.name].inputs
            written = {table.asset for other in self.enrichments if other.name in outdated for table in other.facts}
            if written & set(enrichment.reads) or (of_inputs and dict(enrichment.inputs()) != dict(used)):
                outdated.add(enrichment.name)
        if not outdated or enriched.batch is None:
            return enriched
        watch = Stopwatch()
        known = {name: done for name, done in enriched.computed.items() if name not in outdated}
        batch = replace(enriched.batch, connection=connection)
        computed = self._computed(batch, known)
        return Enriched(computed, enriched.spent + watch.lap(), batch)

    def write(
        self,
        enriched: Enriched,
        connection: psycopg.Connection[Any],
        ingestid: int,
        *,
        stored: NDArray[np.int64],
        newest: NDArray[np.int64],
        nights: Sequence[str],
        as_of: int | None = None,
    ) -> FactCounts:
        """Write what was computed for a batch whose rows have just been written, in the same transaction.

        Parameters
        ----------
        enriched : Enriched
            See `compute`.
        connection, ingestid : psycopg.Connection, int
            The transaction and its batch.
        stored, newest : int64 array
            See `Written`.
        nights : sequence of str
            Nights of the batch.
        as_of : int, optional
            Number of the change counter for which the facts must hold; default: the newest.

        Returns
        -------
        dict
            Facts written, by night and asset; zero where the computation gave none.
        """
        written = Written(connection, ingestid, stored, newest, begin_batch(connection), as_of)
        connection.execute(
            "UPDATE ingest_batch SET revision = %s WHERE ingestid = %s", (written.facts_revision, ingestid)
        )
        counts: FactCounts = {}
        for enrichment in self.enrichments:
            rows = enrichment.write(enriched.computed[enrichment.name], written)
            booked = [
                item for table in enrichment.facts for item in facts.count(table.asset, rows[table.asset], nights)
            ]
            used = enriched.computed[enrichment.name].inputs
            facts.book(connection, ingestid, booked, enrichment.name, enrichment.version, used)
            for item in booked:
                counts.setdefault(item.night, {})[item.asset] = item.rows
        return counts


def with_state(objects: pa.Table, packets: NDArray[np.integer[Any]], enriched: Enriched) -> pa.Table:
    """Rows of `objects` with the columns that enrichments computed.

    Parameters
    ----------
    objects : (n,) pyarrow.Table
        Rows from the packets.
    packets : (n,) int array
        Packet of each row.
    enriched : Enriched
        See `EnrichmentPlan.compute`; where it has no value for a packet, its columns are null.
    """
    for computed in enriched.computed.values():
        state = computed.state
        if state is None or not objects.num_rows:
            continue
        known = state["packet"].to_numpy()
        place = np.full(int(max(packets.max(), known.max(initial=-1))) + 1, -1, np.int64)
        place[known] = np.arange(len(known))
        rows = place[packets]
        taken = state.drop_columns(["packet"]).take(pa.array(rows, mask=rows < 0))
        for name in taken.column_names:
            at = objects.schema.get_field_index(name)
            column = taken[name]
            objects = objects.append_column(name, column) if at < 0 else objects.set_column(at, name, column)
    return objects


def alerts_of(tables: AlertTables) -> pa.Table:
    """The alerts with a diaObject, in the form of `AlertBatch.alerts`."""
    alerts = tables.packet.select(["packet", "diaobjectid", "diasourceid", "midpointmjdtai", "night"])
    objects = tables.object.select(["packet", "diaobjectid", "ra", "decl", "lastdiasourcemjdtai"])
    joined = alerts.join(objects, ["packet", "diaobjectid"], join_type="inner", use_threads=False)
    return joined.sort_by("packet").cast(
        pa.schema([field if field.name != "packet" else pa.field("packet", pa.int64()) for field in joined.schema])
    )


def _by_name(tables: AlertTables) -> dict[str, pa.Table]:
    return {name: value for name, value in vars(tables).items() if isinstance(value, pa.Table)}


def _ordered(enrichments: list[Enrichment]) -> tuple[Enrichment, ...]:
    names = [enrichment.name for enrichment in enrichments]
    for name, number in Counter(names).items():
        if number > 1:
            raise EnrichmentError(f"{number} enrichments are called {name!r}")
    writer: dict[str, Enrichment] = {}
    for enrichment in enrichments:
        for table in enrichment.facts:
            if table.asset in writer:
                raise EnrichmentError(f"{table.asset} is written by {writer[table.asset].name} and {enrichment.name}")
            writer[table.asset] = enrichment
    for enrichment in enrichments:
        for name in enrichment.reads:
            if name not in writer:
                raise EnrichmentError(f"{enrichment.name} reads {name}, which no enrichment writes")
    ordered: list[Enrichment] = []
    under_way: list[str] = []

    def place(enrichment: Enrichment) -> None:
        if enrichment in ordered:
            return
        if enrichment.name in under_way:
            circle = " → ".join([*under_way[under_way.index(enrichment.name) :], enrichment.name])
            raise EnrichmentError(f"enrichments read one another in a circle: {circle}")
        under_way.append(enrichment.name)
        for name in enrichment.reads:
            place(writer[name])
        under_way.pop()
        ordered.append(enrichment)

    for enrichment in enrichments:
        place(enrichment)
    return tuple(ordered)

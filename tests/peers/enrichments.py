"""Enrichments for tests: one that depends on another, and one that interferes with batches through the interface."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
import pyarrow as pa
import sqlalchemy as sa

from broker_assets.accounting import facts
from broker_assets.accounting.facts import AlertBatch, Computed, FactTable, Written

_COLUMNS = (
    sa.Column("diaobjectid", sa.BigInteger(), primary_key=True),
    sa.Column("diasourceid", sa.BigInteger(), primary_key=True),
    sa.Column("night", sa.Date(), nullable=False),
    sa.Column("ingestid", sa.BigInteger(), nullable=False),
    sa.Column("cones", sa.BigInteger(), nullable=False),
)
CONE_COUNTS = FactTable(
    "cone_counts", sa.Table("cone_counts", sa.MetaData(), *_COLUMNS), "How many cones each alert lies in."
)


def create_cone_counts(connection: psycopg.Connection[Any]) -> None:
    """Create the table of `ConeCounts`."""
    connection.execute(
        "CREATE TABLE IF NOT EXISTS cone_counts (diaobjectid bigint, diasourceid bigint, night date NOT NULL,"
        " ingestid bigint NOT NULL, cones bigint NOT NULL, PRIMARY KEY (diaobjectid, diasourceid))"
    )


@dataclass
class ConeCounts:
    """Counts the watchlist facts of each alert: a tiny enrichment that reads the table of another."""

    name: str = "cone_counts"
    version: str = "1"
    reads: tuple[str, ...] = ("watchlist_facts",)
    facts: tuple[FactTable, ...] = (CONE_COUNTS,)

    def inputs(self) -> Mapping[str, str]:
        """It depends on alerts alone."""
        return {}

    def compute(self, batch: AlertBatch, earlier: Mapping[str, pa.Table]) -> Computed:
        """Count by alert; `row` of the matches numbers the alerts with a position, which all alerts of tests have."""
        matches = earlier["watchlist_facts"]["row"].to_numpy()
        alerts = batch.alerts.select(["packet", "diaobjectid", "diasourceid", "night"])
        counts = np.bincount(matches, minlength=len(alerts)).astype(np.int64)
        return Computed({"cone_counts": alerts.append_column("cones", pa.array(counts))}, batch.revision or 0)

    def write(self, computed: Computed, written: Written) -> dict[str, pa.Table]:
        """Insert those of the alerts that were stored."""
        rows = computed.tables["cone_counts"]
        stored = np.isin(rows["packet"].to_numpy(), written.stored)
        chosen = rows.filter(pa.array(stored)).drop_columns(["packet"])
        facts.insert(written.connection, CONE_COUNTS, chosen, written.ingestid)
        return {"cone_counts": chosen}


@dataclass
class Meddler:
    """Computes nothing, but calls what a test gives it for each batch, outside and inside its transaction."""

    on_compute: Callable[[AlertBatch], None] = lambda batch: None
    on_write: Callable[[Written], None] = lambda written: None
    name: str = "meddler"
    version: str = "1"
    reads: tuple[str, ...] = ()
    facts: tuple[FactTable, ...] = ()
    batches: int = field(default=0)

    def inputs(self) -> Mapping[str, str]:
        """None."""
        return {}

    def compute(self, batch: AlertBatch, earlier: Mapping[str, pa.Table]) -> Computed:
        """Call the test."""
        self.on_compute(batch)
        return Computed({}, 0)

    def write(self, computed: Computed, written: Written) -> dict[str, pa.Table]:
        """Call the test."""
        self.batches += 1
        self.on_write(written)
        return {}

"""Association as an enrichment: the sky context of the object of each alert, at its position in the packet.

An association is stored once for each object, position and content; the facts of alerts refer to it, and so does the
row of the object, as its newest alert does. It depends on the position, the time (stars move), the catalogues and
the rules. While no catalogue is loaded, neither facts nor classes are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from psycopg import sql

from broker_assets.accounting import facts
from broker_assets.accounting.facts import AlertBatch, Computed, FactInput, FactTable, Written, row_hashes
from broker_assets.context.in_force import CataloguesInForce
from broker_assets.context.pictures import classes_png
from broker_assets.context.rules import CLASSES, ORPHAN
from broker_assets.database.arrow import arrow_schema
from broker_assets.database.object_state import restore_state
from broker_assets.database.staging import staged
from broker_assets.database.tables import associations, context_matches
from broker_assets.settings import ContextSettings
from broker_assets.sky.cells import cells_at

ASSET: Final = "context_matches"
RULES: Final = "context_rules"
CATALOGUES: Final = "catalogues"
"""Asset of the catalogues; each catalogue is a partition of it."""
CONTEXT_VERSION: Final = "association 2, description 1"
"""Version of the code that finds, merges, ranks and describes."""
RULES_VERSION: Final = "1"
"""Version of the code that reads rules."""
_OBJECTS: Final = "objects"
"""Table of the association of the object of every alert."""
_KEYS: Final = ("diaobjectid", "diasourceid", "night")
_SCHEMA: Final = pa.schema([item for item in arrow_schema(associations) if item.name != "diaobjectid"])
_JULIAN_2000: Final = 51_544.5
"""MJD of the epoch J2000.0."""


def catalogue_input(name: str) -> str:
    """Name of a catalogue among the inputs of facts.

    Examples
    --------
    >>> catalogue_input("galaxies")
    'catalogues:galaxies'
    """
    return f"{CATALOGUES}:{name}"


@dataclass
class ObjectContext:
    """Associates the object of each alert with the sources of catalogues.

    Parameters
    ----------
    in_force : CataloguesInForce
        Catalogues and rules.
    """

    in_force: CataloguesInForce
    name: str = field(default="context", init=False)
    version: str = field(default=CONTEXT_VERSION, init=False)
    reads: tuple[str, ...] = field(default=(), init=False)

    @classmethod
    def of(cls, settings: ContextSettings, folder: Path) -> ObjectContext:
        """The enrichment with these settings and the catalogues in a folder."""
        return cls(CataloguesInForce(folder, settings.rules))

    @property
    def facts(self) -> tuple[FactTable, ...]:
        """The table of matches."""
        rules = FactInput(
            asset=RULES,
            description="Which catalogues positions are compared with, out to what radius, and what a match means.",
            files="The YAML file of rules that the settings name; by default that of the package.",
            version=lambda: self.in_force.rules.version,
            code_version=RULES_VERSION,
            describe=self._describe_rules,
            partial=True,
        )
        description = "Association of the object of each alert with sources of catalogues."
        return (
            FactTable(ASSET, context_matches, description, (CATALOGUES,), inputs=(rules,), describe=describe_night),
        )

    def inputs(self) -> Mapping[str, str]:
        """Versions of the rules and of the catalogues that they search; none while no catalogue is loaded."""
        return _inputs(self.in_force.rules.version, self.in_force.versions())

    def compute(self, batch: AlertBatch, earlier: Mapping[str, pa.Table]) -> Computed:
        """Associations of the alerts of a batch."""
        opened = self.in_force.opened()
        used = _inputs(opened.rules.version, opened.versions)
        alerts = batch.alerts
        usable = pc.and_(pc.is_finite(alerts["ra"]), pc.less_equal(pc.abs(alerts["decl"]), 90.0))
        alerts = alerts.filter(pc.fill_null(usable, False)) if opened.catalogues else alerts.slice(0, 0)
        ra, dec = np.mod(_floats(alerts["ra"]), 360.0), _floats(alerts["decl"])
        epoch = 2000.0 + (_floats(alerts["midpointmjdtai"]) - _JULIAN_2000) / 365.25
        rows = _stored(opened.associate(ra, dec, epoch), ra, dec)
        found = alerts.select(["packet", *_KEYS])
        for name in rows.column_names:
            found = found.append_column(name, rows[name])
        objects = _state(batch.alerts, found)
        state = objects.select(["packet", "associationid"])
        return Computed({ASSET: found, _OBJECTS: objects}, batch.revision or 0, used, state)

    def write(self, computed: Computed, written: Written) -> dict[str, pa.Table]:
        """Write the facts of alerts that were stored, and the associations that are new.

        Returns
        -------
        dict of str to pyarrow.Table
            Facts that were written, by asset.
        """
        found = computed.tables[ASSET]
        packets = found["packet"].to_numpy()
        stored = np.isin(packets, written.stored)
        rows = found.filter(pa.array(stored)).select([*_KEYS, "associationid"])
        kept = found.filter(pa.array(stored | np.isin(packets, written.newest)))
        _store(written.connection, kept.drop_columns(["packet", "diasourceid", "night"]))
        facts.insert(written.connection, self.facts[0], rows, written.ingestid)
        if written.as_of is not None:
            # Where a reprocessing writes only facts, objects get their state here; the newest ones have theirs already.
            state = computed.tables[_OBJECTS]
            packets = state["packet"].to_numpy()
            left = np.isin(packets, written.stored) & ~np.isin(packets, written.newest)
            restore_state(written.connection, state.filter(pa.array(left)).drop_columns(["packet"]))
        return {ASSET: rows}

    def _describe_rules(self) -> dict[str, Any]:
        rules, loaded = self.in_force.rules, set(self.in_force.versions())
        return {
            "searches": len(rules.searches),
            "catalogues searched": ", ".join(sorted(loaded)) or "none",
            "catalogues not loaded": ", ".join(rules.absent(loaded)) or "none",
        }


def _inputs(rules: str, catalogues: Mapping[str, str]) -> dict[str, str]:
    if not catalogues:
        return {}
    return {RULES: rules} | {catalogue_input(name): version for name, version in sorted(catalogues.items())}


def _floats(column: pa.ChunkedArray) -> NDArray[np.float64]:
    return np.ascontiguousarray(pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(), np.float64)


def _stored(rows: pa.Table, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> pa.Table:
    """Associations as rows of the database, each with its identifier: the hash of its content."""
    columns = {name.lower(): rows[name] for name in rows.column_names}
    columns |= {
        "ra": pa.array(ra),
        "decl": pa.array(dec),
        "healpix": pa.array(cells_at(ra, dec)),
        "annotator": pa.array(np.full(len(ra), f"broker_assets {CONTEXT_VERSION}", object), pa.string()),
    }
    content = pa.table(
        {item.name: pc.cast(columns[item.name], item.type) for item in _SCHEMA if item.name != "associationid"}
    )
    # The description is derived from the other columns, and changes with the version of the code.
    hashes = row_hashes(content.drop_columns(["description", "healpix"]))
    return content.append_column("associationid", pa.array(hashes.view(np.int64)))


def _state(alerts: pa.Table, found: pa.Table) -> pa.Table:
    """The association of the object of each alert; null where there is none."""
    place = np.full(len(alerts), -1)
    place[np.searchsorted(alerts["packet"].to_numpy(), found["packet"].to_numpy())] = np.arange(len(found))
    identifier = found["associationid"].take(pa.array(place, mask=place < 0))
    return alerts.select(["packet", "diaobjectid", "diasourceid"]).append_column("associationid", identifier)


def _store(connection: psycopg.Connection[Any], rows: pa.Table) -> None:
    """Store the associations that are not stored yet, in the order of their keys."""
    if not rows.num_rows:
        return
    with connection.cursor() as cursor:
        stage = staged(cursor, associations, rows)
        names = sql.SQL(", ").join(map(sql.Identifier, rows.column_names))
        cursor.execute(
            sql.SQL(
                "INSERT INTO associations ({names}) SELECT {names} FROM (SELECT DISTINCT ON"
                " (diaobjectid, associationid) * FROM {stage} ORDER BY diaobjectid, associationid) AS new"
                " ON CONFLICT DO NOTHING"
            ).format(names=names, stage=sql.Identifier(stage))
        )


def describe_night(connection: psycopg.Connection[Any], night: str) -> dict[str, Any]:
    """What materialisations of a night show: the number of alerts of each class.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    night : str
        Key `YYYY-MM-DD`.
    """
    rows = dict(
        connection.execute(
            "SELECT classification, count(*) FROM context_matches JOIN associations USING (diaobjectid, associationid)"
            " WHERE night = %s GROUP BY 1",
            (night,),
        ).fetchall()
    )
    if not rows:
        return {}
    counts = {name: int(rows.get(name, 0)) for name in (*CLASSES, ORPHAN)}
    used = connection.execute(
        "SELECT key, string_agg(DISTINCT value, ', ') FROM ingest_batch_facts, jsonb_each_text(inputs)"
        " WHERE asset = %s AND night = %s AND replaced_by IS NULL GROUP BY 1 ORDER BY 1",
        (ASSET, night),
    ).fetchall()
    return {
        **{f"alerts of class {name}": number for name, number in counts.items() if number},
        **{f"version of {name}": version for name, version in used},
        "plot": classes_png(counts),
    }

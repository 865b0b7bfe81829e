"""Documents the tables from their comments: `python -m broker_assets.database.data_model docs/data-model.md`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.tables import PARTITIONED, VIEWS, metadata
from broker_assets.database.tables.tom import HASH_PARTITIONS, TOM_HASHED, TOM_VIEWS, tom_metadata

CHAPTERS: dict[str, tuple[str, ...]] = {
    "Objects and sources": ("objects", "diasources", "diaforcedsources", "dianondetectionlimits"),
    "Solar system": ("sssources", "ssobjects", "mpc_orbits"),
    "Ledger": (
        "stream_offset",
        "ingest_batch",
        "ingest_batch_range",
        "ingest_batch_night",
        "ingest_batch_facts",
        "stream_attempt",
        "stream_gap",
        "subscription_message",
        "archive_file",
        "quarantine",
        "notification",
        "heartbeat",
        "run_costs",
        "lasair_statistics",
    ),
    "Provenance": ("artefact", "artefact_input", "artefact_history", "stale_facts", "code", "revision_counter"),
}
"""Tables in the order of the document; all others follow under "Further tables"."""

_INTRODUCTION = """# Data model

Generated from the comments of the tables (`broker_assets/database/tables/`) by
`python -m broker_assets.database.data_model docs/data-model.md`; a test compares them. Do not edit.

Conventions: SQL names are the documented names in lower case, so documented names work unquoted. Fluxes are nJy (AB
magnitude = 31.4 − 2.5 log10 flux), positions ICRS in degrees, times MJD TAI in double precision, instants UTC. A night
is the interval between two local noons at the observatory, named by the date of its evening. `NaN` is stored as
received; values that a survey does not provide are null.
"""


_POSTGRESQL = postgresql.dialect()  # type: ignore[no-untyped-call]


def render() -> str:
    """Write the document."""
    named = [name for names in CHAPTERS.values() for name in names]
    further = tuple(table.name for table in metadata.sorted_tables if table.name not in named)
    lines = [_INTRODUCTION]
    for chapter, names in {**CHAPTERS, "Further tables": further}.items():
        if names:
            lines.append(f"## {chapter}\n")
            lines += [_table(metadata.tables[name]) for name in names]
    lines.append("## Target and observation manager\n")
    lines += [_table(table) for table in tom_metadata.sorted_tables]
    lines.append("## Views\n")
    for name, (query, comment) in {**VIEWS, **TOM_VIEWS}.items():
        columns = ", ".join(f"`{column.name}`" for column in query.selected_columns)
        tables = " and ".join(f"`{table.name}`" for table in _tables(query))
        lines.append(f"### `{name}`\n\n{comment}.\n\nColumns, with the meaning they have in {tables}: {columns}.\n")
    return "\n".join(lines)


def _tables(query: sa.Select[Any]) -> list[sa.Table]:
    """The tables that a view reads."""
    found = (item for item in sa.sql.visitors.iterate(query) if isinstance(item, sa.Table))
    return list(dict.fromkeys(found))


def _table(table: sa.Table) -> str:
    lines = [f"### `{table.name}`\n", f"{table.comment}.\n"]
    key = ", ".join(f"`{column.name}`" for column in table.primary_key.columns)
    if key:
        lines.append(f"- Primary key: {key}.")
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        kind = "Unique index" if index.unique else "Index"
        method = index.dialect_options["postgresql"]["using"]
        method = f" ({method.upper()})" if method else ""
        included = index.dialect_options["postgresql"]["include"] or ()
        covering = f", covering {', '.join(f'`{name}`' for name in included)}" if included else ""
        columns = ", ".join(f"`{column.name}`" for column in index.columns)
        lines.append(f"- {kind}{method}: {columns}{covering}.")
    if table in PARTITIONED:
        lines.append("- Partitioned by calendar month of `midpointmjdtai`.")
    if table in TOM_HASHED:
        by = table.dialect_options["postgresql"]["partition_by"].removeprefix("HASH (").removesuffix(")")
        lines.append(f"- {HASH_PARTITIONS} partitions by a hash of `{by}`.")
    lines += ["", "| column | type | unit | meaning |", "|---|---|---|---|"]
    for column in table.columns:
        unit = column.info["unit"]
        meaning = str(column.comment).removesuffix(f" [{unit}]").replace("|", "\\|")
        kind = str(column.type.compile(dialect=_POSTGRESQL)).lower()
        kind = kind.replace("timestamp with time zone", "timestamptz").replace("double precision", "double")
        null = "" if column.nullable else ", not null"
        lines.append(f"| `{column.info['documented']}` | {kind}{null} | {unit} | {meaning} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")

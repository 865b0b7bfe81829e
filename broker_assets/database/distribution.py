"""How Citus would distribute the tables over several servers, should the database outgrow one.

Nothing here runs today: one PostgreSQL server holds everything. A rule of the schema keeps the option open, and a test
checks it in the catalogue of a migrated database: every unique key of a distributed table contains its distribution
column, and no foreign key leads from one distribution to another. `python -m broker_assets.database.distribution`
prints the statements.
"""

from __future__ import annotations

import sys
from enum import Enum
from typing import Final

import sqlalchemy as sa

import broker_assets.database.tables.desk  # noqa: F401 - its tables are among those of accounts
from broker_assets.database.tables import metadata
from broker_assets.database.tables.access import access_metadata
from broker_assets.database.tables.tom import tom_metadata

OBJECT: Final = "diaobjectid"
"""Distribution column of everything that belongs to an object of the sky: one light curve is on one server."""


class Place(Enum):
    """Where the rows of a table are."""

    DISTRIBUTED = "spread over the servers by a column"
    REFERENCE = "the same on every server"
    LOCAL = "on the coordinator only"


OTHER_COLUMNS: Final = {
    "sssources": "ssobjectid",
    "ssobjects": "ssobjectid",
    "delivery_identities": "identity",
}
"""Distribution columns of large tables that do not belong to an object of the sky."""

REFERENCE: Final = frozenset(
    {
        # The ledger, written in the transaction of the rows.
        "archive_file",
        "ingest_batch",
        "ingest_batch_facts",
        "ingest_batch_night",
        "ingest_batch_range",
        "quarantine",
        "stream_attempt",
        "stream_gap",
        "stream_offset",
        "subscription_message",
        # Lists, filters and annotators: joined with objects and alerts.
        "annotator_history",
        "annotators",
        "area_periods",
        "areas",
        "classifier_classes",
        "classifier_failures",
        "context_compared",
        "crossmatch_tns",
        "crossmatch_tns_history",
        "filter_periods",
        "filter_runs",
        "filter_sinks",
        "filter_versions",
        "filters",
        "mma_areas",
        "mma_retractions",
        "mpc_orbits",
        "notice_events",
        "rematch",
        "revision_counter",
        "watchlist_cone_gone",
        "watchlist_cones",
        "watchlist_periods",
        "watchlists",
        # Which months and nights are in the cold store, by which readers split their queries.
        "cold_months",
        "cold_nights",
        "cold_tables",
        "cold_thawed",
        # Provenance of nights.
        "artefact",
        "artefact_history",
        "artefact_input",
        "code",
    }
)
"""Tables that transactions on distributed tables read or write, too; accounts are among them (see `place`)."""

LOCAL: Final = {
    "deliveries": "the outbox: senders take rows by sink and number, its content is removed after days, and it is "
    "written by the transaction of a batch in two phases; delivery_identities, kept for ever, is distributed",
    **dict.fromkeys(
        ("change_feeds", "delivery_usage", "enriched_topics", "owner_contacts", "owner_messages"),
        "one row for each feed, topic, owner or sink and night; read by senders only",
    ),
    **dict.fromkeys(
        ("event_notices", "quarantined_line", "snapshots", "tns_file"), "what came from outside, a few rows a night"
    ),
    **dict.fromkeys(("heartbeat", "lasair_statistics", "notification", "run_costs"), "what operators must know"),
    **dict.fromkeys(
        (
            "product_file",
            "product_file_input",
            "publication",
            "publication_mirror",
            "publication_receipt",
            "publication_run",
            "telemetry_file",
            "telemetry_file_day",
            "telemetry_quarantine",
        ),
        "telemetry and its publication: thousands of files a year, in no query with alerts",
    ),
}
"""Tables that stay on the coordinator, with the reason."""

TOM_REASON: Final = (
    "the target and observation manager holds one simulated survey, and its names and keys are those of DESC's TOM, "
    "which users' SQL names"
)
"""Why all tables of the target and observation manager stay on the coordinator, those with objects too."""


def place(table: sa.Table) -> tuple[Place, str]:
    """The place of a table, with its distribution column or the reason.

    Raises
    ------
    LookupError
        If it is in none of the lists: a new table must be added to one.

    Examples
    --------
    >>> place(metadata.tables["diasources"])
    (<Place.DISTRIBUTED: 'spread over the servers by a column'>, 'diaobjectid')
    """
    if table.metadata is access_metadata:
        return Place.REFERENCE, "accounts"
    if table.metadata is tom_metadata:
        return Place.LOCAL, TOM_REASON
    if table.name in LOCAL:
        return Place.LOCAL, LOCAL[table.name]
    if table.name in REFERENCE:
        return Place.REFERENCE, "joined with distributed tables, or written with them"
    column = OTHER_COLUMNS.get(table.name, OBJECT)
    if column not in table.columns:
        raise LookupError(
            f"{table.fullname} has no {OBJECT}: say in database/distribution.py whether it is distributed by another "
            "column, the same on every server, or on the coordinator"
        )
    return Place.DISTRIBUTED, column


def tables() -> list[sa.Table]:
    """Every table of the platform, referenced ones before those that refer to them."""
    every = (metadata, access_metadata, tom_metadata)
    return [table for each in every for table in each.sorted_tables]


def statements() -> list[str]:
    """The SQL to run in an empty, migrated database with the extension `citus`.

    Examples
    --------
    >>> [line for line in statements() if "'diasources'" in line]
    ["SELECT create_distributed_table('diasources', 'diaobjectid')"]
    """
    found = {table.fullname: place(table) for table in tables()}
    reference = [
        f"SELECT create_reference_table('{name}')" for name, (kind, _) in found.items() if kind is Place.REFERENCE
    ]
    spread = [
        f"SELECT create_distributed_table('{name}', '{column}')"
        for name, (kind, column) in found.items()
        if kind is Place.DISTRIBUTED
    ]
    return reference + spread


if __name__ == "__main__":
    sys.stdout.writelines(f"{statement};\n" for statement in statements())

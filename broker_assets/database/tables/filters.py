"""Filters of users: their versions for ever, when each was active, what they matched, and how they ran."""

from __future__ import annotations

import sqlalchemy as sa

from broker_assets.database.tables.columns import (
    bigint,
    by_width,
    date,
    double,
    fact_columns,
    flag,
    integer,
    metadata,
    text,
    timestamp,
)

_NUMBER = "see revision_counter"

filters = sa.Table(
    "filters",
    metadata,
    sa.Column(
        "filterid",
        sa.BigInteger(),
        sa.Identity(always=False),
        primary_key=True,
        comment="identifier of the filter",
        info={"documented": "filterId", "unit": ""},
    ),
    text("owner", "account that owns it", nullable=False),
    text("name", "name, unique for the owner whatever the case", nullable=False),
    text("description", "description", nullable=False, server_default=""),
    flag("active", "whether it runs", nullable=False, server_default=sa.false()),
    flag("public", "whether others may see it and read its matches", nullable=False, server_default=sa.false()),
    flag("on_alerts", "whether alerts trigger it", nullable=False, server_default=sa.true()),
    flag("on_annotations", "whether annotations trigger it", nullable=False, server_default=sa.true()),
    integer("version", "newest version, which runs while the filter is active", nullable=False),
    bigint("matches_per_night", "matches per night above which it is paused; null: the setting of the platform"),
    bigint("bytes_per_night", "maximum size of what is delivered per night; null: the setting of the platform", "byte"),
    text("paused", "why the platform paused it; null: it did not, or the filter was enabled again"),
    timestamp("paused_at", "when that was"),
    timestamp("date_created", "when it was created", server_default=sa.func.now(), nullable=False),
    timestamp("date_modified", "when it or its version last changed", server_default=sa.func.now(), nullable=False),
    timestamp("date_expire", "when it stops running; null: never"),
    bigint("revision", f"number of its last change, {_NUMBER}", nullable=False, server_default="0"),
    comment="Filters: users' conditions on alerts",
)
"""Filters."""
sa.Index("filters_owner_name", filters.c.owner, sa.func.lower(filters.c.name), unique=True)

filter_versions = sa.Table(
    "filter_versions",
    metadata,
    bigint("filterId", "filter; its versions are kept when it is removed", primary_key=True, autoincrement=False),
    integer("version", "number of the version, from 1", primary_key=True, autoincrement=False),
    text("definition", "what the user wrote: a SELECT, or Lasair's form as JSON", nullable=False),
    text("tables", "tables that it reads, as a JSON list", nullable=False),
    text("annotators", "topics of the annotators that it asks for, as a JSON list", nullable=False),
    text("output", "names of the columns of its result, as a JSON list", nullable=False),
    text("duckdb_sql", "the statement as it ran over batches when it was saved", nullable=False),
    text("postgres_sql", "the statement as it ran over all objects when it was saved", nullable=False),
    text("code_version", "version of the code that translated it", nullable=False),
    text("saved_by", "account that saved it", nullable=False),
    timestamp("saved_at", "when it was saved", server_default=sa.func.now(), nullable=False),
    bigint("revision", f"number of that change, {_NUMBER}", nullable=False),
    comment="Every version of every filter, for ever",
)
"""Every version of every filter."""

filter_periods = sa.Table(
    "filter_periods",
    metadata,
    bigint("filterId", "filter", primary_key=True, autoincrement=False),
    bigint("revision_from", f"number of the change that began it, {_NUMBER}", primary_key=True, autoincrement=False),
    bigint("revision_to", "number of the change that ended it; null while it is current"),
    integer("version", "version that ran in it", nullable=False),
    flag("on_alerts", "whether alerts triggered it", nullable=False),
    flag("on_annotations", "whether annotations triggered it", nullable=False),
    sa.Index("filter_periods_revision_from", "revision_from"),
    sa.Index("filter_periods_revision_to", "revision_to"),
    sa.Index("filter_periods_open", "filterid", unique=True, postgresql_where=sa.text("revision_to IS NULL")),
    comment="When each filter ran, in which version and for what",
)
"""When each filter ran."""

filter_matches = sa.Table(
    "filter_matches",
    metadata,
    *by_width(
        [
            *fact_columns(),
            bigint("filterId", "filter", primary_key=True, autoincrement=False),
            integer("version", "its version", nullable=False),
            integer("rows", "rows that the filter returns for the alert; the first of them is kept", nullable=False),
            text("row", "columns that the filter selects, as a JSON object", nullable=False),
        ]
    ),
    sa.Index("filter_matches_night", "night", "filterid"),
    sa.Index("filter_matches_filterid", "filterid", "night"),
    comment="Alerts that passed a filter when they arrived",
)
"""Alerts that passed a filter."""

filter_runs = sa.Table(
    "filter_runs",
    metadata,
    bigint("ingestId", "batch", primary_key=True, autoincrement=False),
    date("night", "night of the alerts", primary_key=True),
    bigint("filterId", "filter", primary_key=True, autoincrement=False),
    integer("version", "its version", nullable=False),
    integer("matches", "alerts that passed", nullable=False),
    integer("over_limit", "alerts that passed beyond the limit of a batch, and are not kept", nullable=False),
    double("seconds", "time that it took; null where it was not measured alone", "s"),
    text("problem", "error, time or memory: why it has no matches; starved: it did not run, for lack of time"),
    text("message", "what went wrong"),
    sa.Index("filter_runs_night", "night", "filterid"),
    sa.Index("filter_runs_filterid", "filterid", "ingestid"),
    comment="How filters ran over each batch, where one matched something or had a problem",
)
"""How filters ran over each batch."""

annotation_matches = sa.Table(
    "annotation_matches",
    metadata,
    *by_width(
        [
            bigint("filterId", "filter", primary_key=True, autoincrement=False),
            bigint("diaObjectId", "object that was annotated", primary_key=True, autoincrement=False),
            text("topic", "annotator", primary_key=True),
            text("content", "hash of the annotation's content", primary_key=True),
            bigint("annotationId", "the annotation", nullable=False),
            integer("version", "version of the filter", nullable=False),
            bigint("ingestId", "batch that applied the annotation", nullable=False),
            date("night", "night in which it was applied, at Rubin", nullable=False),
            text("row", "columns that the filter selects, as a JSON object; null if the object did not pass"),
        ]
    ),
    sa.Index("annotation_matches_night", "night", "filterid"),
    sa.Index("annotation_matches_diaobjectid", "diaobjectid"),
    comment="Filters that annotations triggered: each runs once for an object and content of an annotation",
)
"""Filters that annotations triggered."""

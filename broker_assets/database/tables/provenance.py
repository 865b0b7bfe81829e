"""What was made from what: versions of each artefact and of its inputs."""

from __future__ import annotations

import sqlalchemy as sa

from broker_assets.database.tables.columns import bigint, date, metadata, text, timestamp

artefact = sa.Table(
    "artefact",
    metadata,
    text("asset", "asset key, parts joined by /", primary_key=True),
    text("partition", "partition key; empty if the asset has none", primary_key=True),
    text("data_version", "hash of the content, or of the inputs that determine it", nullable=False),
    text("code_version", "version of the code that made it; empty for what comes from outside", nullable=False),
    text("run_id", "Dagster run that made it"),
    bigint("ingestId", "batch that made it, if any"),
    timestamp("made_at", "when it was made", server_default=sa.func.now(), nullable=False),
    comment="The current version of each artefact",
)
"""The current version of each artefact."""

artefact_input = sa.Table(
    "artefact_input",
    metadata,
    text("asset", "asset key of the artefact", primary_key=True),
    text("partition", "its partition key", primary_key=True),
    text("input_asset", "asset key of the input", primary_key=True),
    text("input_partition", "partition key of the input", primary_key=True),
    text("input_data_version", "data version of the input that was used", nullable=False),
    sa.ForeignKeyConstraint(
        ["asset", "partition"], ["artefact.asset", "artefact.partition"], ondelete="CASCADE", name="artefact_input_fkey"
    ),
    sa.Index("artefact_input_input", "input_asset", "input_partition"),
    comment="The inputs, with their versions, that each artefact was made from",
)
"""The inputs that each artefact was made from."""

artefact_history = sa.Table(
    "artefact_history",
    metadata,
    text("asset", "asset key", primary_key=True),
    text("partition", "partition key", primary_key=True),
    timestamp("made_at", "when this version was made", primary_key=True),
    text("data_version", "hash of the content, or of the inputs that determine it", nullable=False),
    text("code_version", "version of the code that made it", nullable=False),
    text("run_id", "Dagster run that made it"),
    comment="Every version that each artefact has had",
)
"""Every version that each artefact has had."""

stale_facts = sa.Table(
    "stale_facts",
    metadata,
    bigint("diaObjectId", "object of the alert; 0 for all alerts of the night", primary_key=True, autoincrement=False),
    bigint("diaSourceId", "source that triggered the alert; 0 likewise", primary_key=True, autoincrement=False),
    date("night", "night of the alert", primary_key=True),
    text("asset", "asset of the facts", primary_key=True),
    text("reason", "what has changed since they were computed", nullable=False),
    timestamp("marked_at", "when that was found", server_default=sa.func.now(), nullable=False),
    sa.Index("stale_facts_night", "night", "asset"),
    comment="Facts of single alerts that must be computed again, though the rest of their night need not",
)
"""Facts of single alerts that must be computed again."""

code = sa.Table(
    "code",
    metadata,
    text("asset", "asset key", primary_key=True),
    text("code_version", "version of the code that is deployed", nullable=False),
    timestamp("deployed_at", "when it was first seen", server_default=sa.func.now(), nullable=False),
    text("automation", "what automation is doing about its stale partitions; null if none are stale"),
    comment="Code versions deployed; an artefact made by another is stale",
)
"""Code versions deployed."""

revision_counter = sa.Table(
    "revision_counter",
    metadata,
    sa.Column(
        "one_row",
        sa.Boolean(),
        primary_key=True,
        server_default=sa.true(),
        comment="always true: the table has one row",
        info={"documented": "one_row", "unit": ""},
    ),
    bigint("value", "number of the newest change of lists, filters, annotations or catalogues", nullable=False),
    sa.CheckConstraint("one_row", name="revision_counter_one_row"),
    comment="Numbers the changes of everything that alerts are compared with, in the order of their commits",
)
"""Numbers the changes of everything that alerts are compared with."""

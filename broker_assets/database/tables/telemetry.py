"""Telemetry: files that arrived, packets of them that could not be used, product files and what they were made from."""

from __future__ import annotations

import sqlalchemy as sa

from broker_assets.database.tables.columns import bigint, blob, date, flag, integer, metadata, text, timestamp

telemetry_file = sa.Table(
    "telemetry_file",
    metadata,
    sa.Column(
        "telemetryfileid",
        sa.BigInteger(),
        sa.Identity(always=False),
        primary_key=True,
        comment="identifier of the entry",
        info={"documented": "telemetryFileId", "unit": ""},
    ),
    text("folder", "fsspec URL of the folder in which it arrived", nullable=False),
    text("url", "fsspec URL of the file", nullable=False),
    text("name", "name of the file", nullable=False),
    integer("version", "1 for the first content under this URL, 2 for the next, …", nullable=False),
    bigint("size", "size when last looked at", "byte", nullable=False),
    timestamp("modified", "modification time reported by its folder; null if there is none"),
    text("sha256", "SHA-256 of its content, hexadecimal; null until it has been read"),
    text(
        "state",
        "new, staging (being copied), staged (copied), processed, failed (tried again later), quarantined (given up), "
        "gone (no longer in its folder before it was read), dismissed (given up by an operator)",
        nullable=False,
        server_default="new",
    ),
    integer("tries", "attempts to put its packets into the packet store", nullable=False, server_default="0"),
    integer("copies", "failed attempts to copy it", nullable=False, server_default="0"),
    timestamp("next_try", "earliest time of the next attempt"),
    text("reason", "why it is not processed, or what it is a copy of"),
    text("staged", "path of our copy below the telemetry folder; null if there is none"),
    bigint("packets", "packets in the file, whole and damaged headers apart"),
    bigint("new_packets", "packets that no earlier file contained"),
    bigint("bad_packets", "packets or pieces that could not be used, see telemetry_quarantine"),
    bigint("same_as", "entry with the same content that was processed before; its packets are known"),
    text("run_id", "Dagster run that processed it"),
    timestamp("first_seen", "when it was first seen", server_default=sa.func.now(), nullable=False),
    timestamp("last_seen", "when it was last seen, to the hour", server_default=sa.func.now(), nullable=False),
    timestamp(
        "unchanged_since",
        "when it was first seen with this size and time of modification",
        server_default=sa.func.now(),
        nullable=False,
    ),
    timestamp("staged_at", "when our copy was complete"),
    timestamp("processed_at", "when its packets were in the packet store"),
    timestamp("reported_at", "when the files of its days were made and reported; null until then"),
    sa.UniqueConstraint("url", "version"),
    sa.CheckConstraint(
        "state IN ('new', 'staging', 'staged', 'processed', 'failed', 'quarantined', 'gone', 'dismissed')",
        name="telemetry_file_state",
    ),
    sa.Index("telemetry_file_folder", "folder", "url"),
    sa.Index("telemetry_file_state", "state", "next_try"),
    sa.Index("telemetry_file_sha256", "sha256"),
    sa.Index("telemetry_file_name", "name"),
    comment="Telemetry files that arrived, one row per content under a URL",
)
"""Telemetry files that arrived."""

telemetry_file_day = sa.Table(
    "telemetry_file_day",
    metadata,
    bigint("telemetryFileId", "file, see telemetry_file", primary_key=True, autoincrement=False),
    text("family", "family of products", primary_key=True),
    date("day", "observation day, by on-board time", primary_key=True),
    sa.ForeignKeyConstraint(
        ["telemetryfileid"],
        ["telemetry_file.telemetryfileid"],
        ondelete="CASCADE",
        name="telemetry_file_day_telemetryfileid_fkey",
    ),
    sa.Index("telemetry_file_day_day", "day", "family"),
    comment="Families and observation days that the packets of each telemetry file belong to",
)
"""Families and observation days of each telemetry file."""

telemetry_quarantine = sa.Table(
    "telemetry_quarantine",
    metadata,
    bigint("telemetryFileId", "file, see telemetry_file", primary_key=True, autoincrement=False),
    bigint("position", "position of the piece in the file", "byte", primary_key=True, autoincrement=False),
    text("reason", "why it could not be used", primary_key=True),
    integer("number", "number of the packet in the file; null if it has none"),
    blob("data", "the piece as received", nullable=False),
    timestamp("created_at", "when it was found", server_default=sa.func.now(), nullable=False),
    sa.ForeignKeyConstraint(
        ["telemetryfileid"],
        ["telemetry_file.telemetryfileid"],
        ondelete="CASCADE",
        name="telemetry_quarantine_telemetryfileid_fkey",
    ),
    comment="Packets and other pieces of files that could not be used, with their bytes",
)
"""Packets that could not be used."""

product_file = sa.Table(
    "product_file",
    metadata,
    sa.Column(
        "productfileid",
        sa.BigInteger(),
        sa.Identity(always=False),
        primary_key=True,
        comment="identifier of the version of the file",
        info={"documented": "productFileId", "unit": ""},
    ),
    text("path", "path in the archive of products", nullable=False),
    text("name", "name of the file", nullable=False),
    text("level", "processing level: LB, L0, L1, L2, CAL, ANC, LL01, LL03", nullable=False),
    text("family", "quicklook, housekeeping, science, calibration or auxiliary", nullable=False),
    text("kind", "kind of product, as in file names: ql-lightcurve", nullable=False),
    integer("version", "processing version, as in the name", nullable=False),
    date("day", "observation day", nullable=False),
    integer("request_control", "sequence control of the telecommand that requested it; null for daily products"),
    bigint("request", "request id; null for daily products"),
    bigint("rows", "rows of its data table", nullable=False),
    text("starts", "start of its data: UTC, or on-board time at LB and L0", nullable=False),
    text("ends", "end of its data: UTC, or on-board time at LB and L0", nullable=False),
    text("digest", "SHA-256 of its content without DATE, CHECKSUM and DATASUM, hexadecimal", nullable=False),
    bigint("size", "size of the file", "byte", nullable=False),
    flag("incomplete", "whether packets are missing (marked U in the name)", nullable=False),
    text("code_version", "version of the code that made it", nullable=False),
    text("run_id", "Dagster run that wrote it; null outside of Dagster"),
    timestamp("made_at", "when this content was first recorded", server_default=sa.func.now(), nullable=False),
    text("checked_run_id", "last run that rebuilt it and found it unchanged"),
    timestamp("checked_at", "when that was"),
    timestamp("superseded_at", "when another version replaced it or it was no longer produced; null while current"),
    bigint("superseded_by", "version that replaced it; null if there is none"),
    sa.Index("product_file_current", "path", unique=True, postgresql_where=sa.text("superseded_at IS NULL")),
    sa.Index("product_file_name", "name"),
    sa.Index("product_file_day", "day", "level", "family"),
    comment="Every version of every product file; the current ones have no superseded_at",
)
"""Every version of every product file."""

product_file_input = sa.Table(
    "product_file_input",
    metadata,
    bigint("productFileId", "version of the product file", primary_key=True, autoincrement=False),
    text(
        "kind",
        "input (database, configuration, kernels, …), parent (product file) or raw (telemetry file)",
        primary_key=True,
    ),
    text("name", "name of the input, parent or telemetry file", primary_key=True),
    text("version", "data version or SHA-256 that was used; empty if unknown", nullable=False),
    text("detail", "description of that version, such as names of kernels", nullable=False, server_default=""),
    sa.ForeignKeyConstraint(
        ["productfileid"],
        ["product_file.productfileid"],
        ondelete="CASCADE",
        name="product_file_input_productfileid_fkey",
    ),
    sa.CheckConstraint("kind IN ('input', 'parent', 'raw')", name="product_file_input_kind"),
    sa.Index("product_file_input_used", "kind", "name"),
    comment="What each version of a product file was made from",
)
"""What each version of a product file was made from."""

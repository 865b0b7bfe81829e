"""What was delivered to which archive, and what was not and why."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.tables.columns import bigint, column, flag, integer, metadata, text, timestamp

publication = sa.Table(
    "publication",
    metadata,
    sa.Column(
        "publicationid",
        sa.BigInteger(),
        sa.Identity(always=False),
        primary_key=True,
        comment="identifier of the entry; grows in the order of decisions",
        info={"documented": "publicationId", "unit": ""},
    ),
    text("target", "archive that the file is for, as named in the settings", nullable=False),
    text("name", "name of our file, without the mark of incompleteness", nullable=False),
    text("path", "its path in our archive", nullable=False),
    text("digest", "SHA-256 of its content without DATE, CHECKSUM and DATASUM", nullable=False),
    text("archive_name", "name by which the target knows it: without the request", nullable=False),
    text("subject", "what the file is about, whatever its version", nullable=False),
    bigint("version", "version in the name", nullable=False),
    text(
        "status",
        "delivering (begun), published, supplement, ignored, blacklisted, held (an operator must agree), error, "
        "replaced (by another content of the file)",
        nullable=False,
    ),
    flag("settled", "whether the decision is final until an operator or new content reopens it", nullable=False),
    timestamp("retry_after", "for a settled entry: when a run looks at it again"),
    text("reason", "reason in words", nullable=False, server_default=""),
    text("delivered_name", "name under which the target stores it"),
    integer("supplement", "number of the supplement; 0 is the first file of its archive name"),
    text("base_name", "for a supplement: the file that it supplements"),
    text("comment", "what the delivered file says about its request", nullable=False, server_default=""),
    text("sha256", "SHA-256 of the delivered copy, hexadecimal"),
    bigint("size", "size of the delivered copy", "byte"),
    timestamp("stamp", "time stated in the history of the delivered copy"),
    column("facts", postgresql.JSONB(), "rows, NaN, coverage and digest of the data, for comparison", nullable=False),
    timestamp("made_at", "when our file was made"),
    bigint("source_size", "size of our file", "byte", nullable=False),
    bigint("source_mtime", "its modification time", "ns", nullable=False),
    text("run_id", "last run that decided on it", nullable=False),
    timestamp("decided_at", "when it was last decided", server_default=sa.func.now(), nullable=False),
    timestamp("delivered_at", "when the delivered copy was verified at the target"),
    text("agreed_by", "operator who agreed or refused"),
    text("agreed_why", "what the operator said"),
    timestamp("agreed_at", "when the operator did"),
    sa.UniqueConstraint("target", "name", "digest"),
    sa.CheckConstraint(
        "status IN ('delivering', 'published', 'supplement', 'ignored', 'blacklisted', 'held', 'error', 'replaced')",
        name="publication_status",
    ),
    sa.Index("publication_archive_name", "target", "archive_name"),
    sa.Index("publication_subject", "target", "subject"),
    sa.Index("publication_open", "target", postgresql_where=sa.text("NOT settled OR status IN ('held', 'error')")),
    comment="One decision for each content of each file and target",
)
"""One decision for each content of each file and target."""

publication_receipt = sa.Table(
    "publication_receipt",
    metadata,
    sa.Column(
        "receiptid",
        sa.BigInteger(),
        sa.Identity(always=False),
        primary_key=True,
        comment="identifier of the receipt",
        info={"documented": "receiptId", "unit": ""},
    ),
    bigint("publicationId", "decision under which it was delivered", nullable=False),
    text("target", "archive that has it", nullable=False),
    text("name", "name at the target", nullable=False),
    text("url", "URL of the delivered copy", nullable=False),
    bigint("size", "size read back", "byte", nullable=False),
    text("sha256", "SHA-256 of what was read back, hexadecimal", nullable=False),
    timestamp("verified_at", "when it was read back", server_default=sa.func.now(), nullable=False),
    text("run_id", "run that delivered it", nullable=False),
    sa.ForeignKeyConstraint(
        ["publicationid"], ["publication.publicationid"], name="publication_receipt_publicationid_fkey"
    ),
    sa.Index("publication_receipt_publicationid", "publicationid"),
    sa.Index("publication_receipt_name", "target", "name"),
    comment="Every delivery that was read back and verified; append-only",
)
"""Every delivery that was read back and found right."""

publication_run = sa.Table(
    "publication_run",
    metadata,
    text("run_id", "identifier of the run", primary_key=True),
    text("target", "archive", primary_key=True),
    timestamp("started_at", "when it began", server_default=sa.func.now(), nullable=False),
    timestamp("finished_at", "when it ended; null while it runs, or if it was killed"),
    column("counts", postgresql.JSONB(), "files by outcome", nullable=False, server_default="{}"),
    text("failure", "why it ended early"),
    sa.Index("publication_run_started", "target", "started_at"),
    comment="Runs of the publisher",
)
"""Runs of the publisher."""

publication_mirror = sa.Table(
    "publication_mirror",
    metadata,
    text("target", "store, as named in the settings", primary_key=True),
    text("path", "path below the product folder, the same on both sides", primary_key=True),
    text("sha256", "SHA-256 of the file, hexadecimal", nullable=False),
    bigint("size", "size of the file", "byte", nullable=False),
    timestamp("verified_at", "when it was read back", server_default=sa.func.now(), nullable=False),
    text("run_id", "run that copied it", nullable=False),
    comment="Files of copies of our archive in other stores",
)
"""Files of copies of our archive in other stores."""

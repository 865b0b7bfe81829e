"""What was delivered to which archive, what was not and why."""

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
    text("target", "archive the file is for, as the settings name it", nullable=False),
    text("name", "name of the file of ours, without the mark of incompleteness", nullable=False),
    text("path", "where it was in our archive, below its folder", nullable=False),
    text("digest", "SHA-256 of its content without DATE, CHECKSUM and DATASUM", nullable=False),
    text("archive_name", "what the target knows it by: the name without request", nullable=False),
    text("subject", "what the file is about, whatever its version", nullable=False),
    bigint("version", "version in the name", nullable=False),
    text(
        "status",
        "delivering (begun), published, supplement, ignored, blacklisted, held (an operator must agree), error, "
        "replaced (by another content of the file)",
        nullable=False,
    ),
    flag("settled", "whether no run looks at it again until an operator or a new content asks for it", nullable=False),
    timestamp("retry_after", "of a settled entry: when a run looks at it all the same"),
    text("reason", "why, in words", nullable=False, server_default=""),
    text("delivered_name", "name that the target holds it under"),
    integer("supplement", "number of the supplement; 0 is the first file of its archive name"),
    text("base_name", "of a supplement: the file that it adds to"),
    text("comment", "what the delivered file says of its request", nullable=False, server_default=""),
    text("sha256", "SHA-256 of the delivered copy, hexadecimal"),
    bigint("size", "size of the delivered copy", "byte"),
    timestamp("stamp", "time that the delivered copy names in its history"),
    column("facts", postgresql.JSONB(), "rows, NaN, coverage and digest of the data, for comparison", nullable=False),
    timestamp("made_at", "when the file of ours was made"),
    bigint("source_size", "size of the file of ours", "byte", nullable=False),
    bigint("source_mtime", "its time of modification", "ns", nullable=False),
    text("run_id", "run that decided last", nullable=False),
    timestamp("decided_at", "when it was decided last", server_default=sa.func.now(), nullable=False),
    timestamp("delivered_at", "when the delivered copy was verified at the target"),
    text("agreed_by", "operator who agreed or refused"),
    text("agreed_why", "what the operator said"),
    timestamp("agreed_at", "when"),
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
    bigint("publicationId", "the decision that it was delivered for", nullable=False),
    text("target", "archive that has it", nullable=False),
    text("name", "name at the target", nullable=False),
    text("url", "where it is", nullable=False),
    bigint("size", "size read back", "byte", nullable=False),
    text("sha256", "SHA-256 of what was read back, hexadecimal", nullable=False),
    timestamp("verified_at", "when it was read back", server_default=sa.func.now(), nullable=False),
    text("run_id", "run that delivered it", nullable=False),
    sa.ForeignKeyConstraint(
        ["publicationid"], ["publication.publicationid"], name="publication_receipt_publicationid_fkey"
    ),
    sa.Index("publication_receipt_publicationid", "publicationid"),
    sa.Index("publication_receipt_name", "target", "name"),
    comment="Every delivery that was read back and found right; only added to",
)
"""Every delivery that was read back and found right."""

publication_run = sa.Table(
    "publication_run",
    metadata,
    text("run_id", "identifier of the run", primary_key=True),
    text("target", "archive", primary_key=True),
    timestamp("started_at", "when it began", server_default=sa.func.now(), nullable=False),
    timestamp("finished_at", "when it ended; null while it runs or where it was killed"),
    column("counts", postgresql.JSONB(), "files by outcome", nullable=False, server_default="{}"),
    text("failure", "why it ended before all was done"),
    sa.Index("publication_run_started", "target", "started_at"),
    comment="Runs of the publisher",
)
"""Runs of the publisher."""

publication_mirror = sa.Table(
    "publication_mirror",
    metadata,
    text("target", "store, as the settings name it", primary_key=True),
    text("path", "path below the folder of products, the same on both sides", primary_key=True),
    text("sha256", "SHA-256 of the file, hexadecimal", nullable=False),
    bigint("size", "size of the file", "byte", nullable=False),
    timestamp("verified_at", "when it was read back", server_default=sa.func.now(), nullable=False),
    text("run_id", "run that copied it", nullable=False),
    comment="Files of copies of our archive in other stores",
)
"""Files of copies of our archive in other stores."""

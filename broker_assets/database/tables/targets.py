"""Targets of accounts, lists of them, and comments: in the schema of accounts, which users' SQL cannot read."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from broker_assets.database.tables.access import access_metadata
from broker_assets.database.tables.columns import bigint, column, double, flag, text, timestamp


def _identity(name: str, meaning: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), sa.Identity(always=False), primary_key=True, comment=meaning)


targets = sa.Table(
    "targets",
    access_metadata,
    _identity("targetid", "identifier of the target"),
    text("owner", "account that owns it", nullable=False),
    text("name", "name, unique for the owner regardless of case", nullable=False),
    text("type", "SIDEREAL or NON_SIDEREAL", nullable=False),
    flag("public", "whether everybody may see it", nullable=False, server_default=sa.false()),
    bigint("diaobjectid", "object of the broker that it is; null: none"),
    double("ra", "right ascension at the epoch; null: it moves", "deg, ICRS"),
    double("dec", "declination", "deg, ICRS"),
    double("epoch", "epoch of the position", "Julian year"),
    double("pm_ra", "proper motion in right ascension, with cos(dec)", "mas/yr"),
    double("pm_dec", "proper motion in declination", "mas/yr"),
    double("parallax", "parallax", "mas"),
    double("distance", "distance", "Mpc"),
    double("distance_err", "uncertainty of the distance", "Mpc"),
    text("scheme", "which orbital elements it has; empty: none", nullable=False, server_default=""),
    column("elements", JSONB(), "orbital elements and ephemeris by name", nullable=False, server_default="{}"),
    column("aliases", sa.ARRAY(sa.Text()), "other names", nullable=False, server_default="{}"),
    column("tags", sa.ARRAY(sa.Text()), "tags", nullable=False, server_default="{}"),
    column("extras", JSONB(), "further fields by name, texts", nullable=False, server_default="{}"),
    timestamp("created", "when it was made", nullable=False, server_default=sa.func.now()),
    timestamp("modified", "when it was last changed", nullable=False, server_default=sa.func.now()),
    sa.CheckConstraint("type <> 'SIDEREAL' OR (ra IS NOT NULL AND dec IS NOT NULL)", name="targets_position"),
    sa.Index("targets_name", "owner", sa.text("lower(name)"), unique=True),
    sa.Index("targets_diaobjectid", "diaobjectid"),
    comment="Targets of accounts",
)
"""Targets."""

target_lists = sa.Table(
    "target_lists",
    access_metadata,
    _identity("listid", "identifier of the list"),
    text("owner", "account that owns it", nullable=False),
    text("name", "name, unique for the owner regardless of case", nullable=False),
    text("description", "what it is for", nullable=False, server_default=""),
    flag("public", "whether everybody may see it, and those of its targets that its owner has", nullable=False,
         server_default=sa.false()),
    timestamp("created", "when it was made", nullable=False, server_default=sa.func.now()),
    sa.Index("target_lists_name", "owner", sa.text("lower(name)"), unique=True),
    comment="Lists of targets",
)  # fmt: skip
"""Lists of targets."""

target_members = sa.Table(
    "target_members",
    access_metadata,
    bigint("listid", "list", primary_key=True, autoincrement=False),
    bigint("targetid", "target", primary_key=True, autoincrement=False),
    timestamp("added", "when it was added", nullable=False, server_default=sa.func.now()),
    sa.ForeignKeyConstraint(
        ["listid"], ["access.target_lists.listid"], ondelete="CASCADE", name="target_members_listid_fkey"
    ),
    sa.ForeignKeyConstraint(
        ["targetid"], ["access.targets.targetid"], ondelete="CASCADE", name="target_members_targetid_fkey"
    ),
    sa.Index("target_members_targetid", "targetid"),
    comment="Which target is in which list",
)
"""Which target is in which list."""

target_comments = sa.Table(
    "target_comments",
    access_metadata,
    _identity("commentid", "identifier of the comment"),
    bigint("targetid", "target", nullable=False),
    text("author", "account that wrote it", nullable=False),
    text("body", "what it says", nullable=False),
    timestamp("at", "when it was written", nullable=False, server_default=sa.func.now()),
    sa.ForeignKeyConstraint(
        ["targetid"], ["access.targets.targetid"], ondelete="CASCADE", name="target_comments_targetid_fkey"
    ),
    sa.Index("target_comments_targetid", "targetid", "commentid"),
    comment="Comments on targets",
)
"""Comments on targets."""

spectra = sa.Table(
    "spectra",
    access_metadata,
    _identity("spectrumid", "identifier of the spectrum"),
    text("owner", "account that owns it", nullable=False),
    bigint("targetid", "target that it is of, whose readers may see it; null: none"),
    bigint("diaobjectid", "object of the broker that it is of; null: none"),
    text("title", "what it is called", nullable=False),
    flag("public", "whether everybody may see it", nullable=False, server_default=sa.false()),
    text("facility", "facility that took it", nullable=False, server_default=""),
    double("mjd", "when it was taken; null: unknown", "d, MJD UTC"),
    double("z", "redshift of its lines; null: unknown"),
    timestamp("created", "when it was stored", nullable=False, server_default=sa.func.now()),
    sa.ForeignKeyConstraint(
        ["targetid"], ["access.targets.targetid"], ondelete="SET NULL", name="spectra_targetid_fkey"
    ),
    sa.Index("spectra_targetid", "targetid"),
    sa.Index("spectra_diaobjectid", "diaobjectid"),
    comment="Spectra",
)
"""Spectra."""

spectrum_versions = sa.Table(
    "spectrum_versions",
    access_metadata,
    bigint("spectrumid", "spectrum", primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer(), primary_key=True, autoincrement=False, comment="number of the version, from 1"),
    text("file_name", "name of the file", nullable=False),
    column("content", sa.LargeBinary(), "the file as it was sent", nullable=False),
    text("sha256", "SHA-256 of the file", nullable=False),
    text("format", "how the file is written: FITS table, FITS image, ASCII", nullable=False),
    column("wavelength", sa.ARRAY(sa.DOUBLE_PRECISION()), "wavelengths, rising", "Å", nullable=False),
    column("flux", sa.ARRAY(sa.DOUBLE_PRECISION()), "flux densities in `flux_unit`; NaN: none", nullable=False),
    column("uncertainty", sa.ARRAY(sa.DOUBLE_PRECISION()), "1σ uncertainties of the flux densities; null: none"),
    text("flux_unit", "unit of the flux densities; empty: unknown", nullable=False),
    text("author", "account that stored it", nullable=False),
    text("remark", "what changed", nullable=False, server_default=""),
    timestamp("at", "when it was stored", nullable=False, server_default=sa.func.now()),
    sa.ForeignKeyConstraint(
        ["spectrumid"], ["access.spectra.spectrumid"], ondelete="CASCADE", name="spectrum_versions_spectrumid_fkey"
    ),
    sa.UniqueConstraint("spectrumid", "sha256", name="spectrum_versions_content"),
    comment="Versions of spectra, with the files that they were read from",
)
"""Versions of spectra."""

"""Spectra that are wanted, planned and reported."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.tables.columns import MJD, bigint, column, date, double, integer, real, text, timestamp
from broker_assets.database.tables.tom.columns import numbered, refers, tom_metadata

_OBJECT = (["diaobject_id"], ["elasticc2_diaobjectdetails.diaobject_id"])

spectruminfo = sa.Table(
    "elasticc2_spectruminfo",
    tom_metadata,
    numbered("specinfo_id", "number of the report", sa.Integer()),
    text("facility", "facility that took the spectrum"),
    timestamp("inserted_at", "when it was reported", nullable=False),
    double("mjd", "time of the spectrum", MJD, nullable=False),
    real("z", "redshift; null: not determined"),
    integer("classid", "class, see taxonomy_classes; null: not determined"),
    bigint("diaobject_id", "object", nullable=False),
    refers(*_OBJECT),
    sa.Index("elasticc2_spectruminfo_classid", "classid"),
    sa.Index("elasticc2_spectruminfo_diaobject_id", "diaobject_id"),
    sa.Index("elasticc2_spectruminfo_mjd", "mjd"),
    comment="Reported spectra",
)
"""Reported spectra."""

wantedspectra = sa.Table(
    "elasticc2_wantedspectra",
    tom_metadata,
    text("wantspec_id", "'<object> ; <requester>'", primary_key=True),
    timestamp("wanttime", "when it was asked for", nullable=False),
    text("requester", "who asks"),
    integer("priority", "priority, 1 to 5; 5 is the highest", nullable=False),
    bigint("diaobject_id", "object", nullable=False),
    integer("user_id", "account that asked", nullable=False),
    refers(*_OBJECT),
    sa.Index("elasticc2_wantedspectra_diaobject_id", "diaobject_id"),
    sa.Index("elasticc2_wantedspectra_user_id", "user_id"),
    sa.Index("elasticc2_wantedspectra_wanttime", "wanttime"),
    comment="Spectra that are wanted",
)
"""Spectra that are wanted."""

plannedspectra = sa.Table(
    "elasticc2_plannedspectra",
    tom_metadata,
    numbered("reqspec_id", "number of the plan", sa.Integer()),
    text("facility", "facility that plans it", nullable=False),
    timestamp("created_at", "when it was planned", nullable=False),
    timestamp("plantime", "when the spectrum is to be taken"),
    text("comment", "remark", nullable=False),
    bigint("diaobject_id", "object", nullable=False),
    refers(*_OBJECT),
    sa.UniqueConstraint("diaobject_id", "facility", name="plannedspectra_unique"),
    comment="Spectra that facilities plan to take, one of each object and facility",
)
"""Spectra that are planned."""

spectrum_facilities = sa.Table(
    "spectrum_facilities",
    tom_metadata,
    text("facility", "name of the facility", primary_key=True),
    bigint("userid", "account that used the name first, and may plan for it", nullable=False),
    timestamp("since", "when it did", nullable=False, server_default=sa.func.now()),
    comment="Facilities that take spectra; members of the group of the same name may plan for them too",
)
"""Facilities that take spectra."""

spectrum_night_plans = sa.Table(
    "spectrum_night_plans",
    tom_metadata,
    date("night", "night; in Australia the one that follows", primary_key=True),
    text("observatory", "observatory", primary_key=True),
    integer("version", "number of the plan, from 1", primary_key=True, autoincrement=False),
    text("sha256", "SHA-256 of the plan", nullable=False),
    timestamp("made_at", "when it was made", nullable=False, server_default=sa.func.now()),
    text("run_id", "Dagster run that made it"),
    column("plan", postgresql.JSONB(), "dark hours, slots, and what is left out and why", nullable=False),
    comment="Wanted spectra as they were planned for a night at an observatory; another plan is another version",
)
"""Plans of nights."""

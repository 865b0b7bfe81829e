"""Versions of the processing, and objects above the identifiers of surveys, under the names that FASTDB gives them.

A *base version* is one reduction of the data, for one kind of rows: the points of `diasources` and `diaforcedsources`
with its number in the column `reduction`. A *processing version* is a list of base versions with priorities. A *root
object* is a place on the sky: objects within one arcsecond share one. Photometry is stored once, in the tables of the
broker; FASTDB's names are views of them (`VIEWS`).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.tables.columns import (
    MJD,
    bigint,
    column,
    double,
    flag,
    integer,
    real,
    smallint,
    text,
    timestamp,
)
from broker_assets.database.tables.links import object_link
from broker_assets.database.tables.objects import objects
from broker_assets.database.tables.sources import diaforcedsources, diasources
from broker_assets.database.tables.tom.columns import key, tom_metadata
from broker_assets.database.tables.tom.messages import brokerclassifier, brokermessage

_RANDOM = sa.text("gen_random_uuid()")


def refers(columns: list[str], to: list[str]) -> sa.ForeignKeyConstraint:
    """Declare a foreign key that restricts deletions: a version to which rows refer cannot be deleted."""
    return sa.ForeignKeyConstraint(columns, to, ondelete="RESTRICT")


def _identifier(name: str, meaning: str, **options: Any) -> sa.Column[Any]:
    return column(name, sa.Uuid(), meaning, **options)


processing_version = sa.Table(
    "processing_version",
    tom_metadata,
    _identifier("id", "identifier of the version", primary_key=True, server_default=_RANDOM),
    text("description", "name of the version", nullable=False),
    text("notes", "remarks"),
    timestamp("created_at", "when it was made", nullable=False, server_default=sa.func.now()),
    sa.UniqueConstraint("description", name="processing_version_description"),
    comment="Versions of the processing: lists of base versions with priorities",
)
"""Versions of the processing."""

processing_version_alias = sa.Table(
    "processing_version_alias",
    tom_metadata,
    text("description", "another name of a version, such as default or realtime", primary_key=True),
    _identifier("procver_id", "version that it refers to", nullable=False),
    refers(["procver_id"], ["processing_version.id"]),
    sa.Index("processing_version_alias_procver_id", "procver_id"),
    comment="Aliases of versions of the processing",
)
"""Further names of versions."""

base_processing_version = sa.Table(
    "base_processing_version",
    tom_metadata,
    _identifier("id", "identifier of the base version", primary_key=True, server_default=_RANDOM),
    text("description", "name of the base version: the same for all kinds of rows", nullable=False),
    text("notes", "remarks"),
    timestamp("created_at", "when it was made", server_default=sa.func.now()),
    text("_table", "kind of rows that it is of: diaobject, diaobject_position, diasource, diaforcedsource, host_galaxy",
         nullable=False),
    smallint("reduction", "number of the reduction in the tables of points; 0: that of the alerts", nullable=False),
    sa.UniqueConstraint("description", "_table", name="base_processing_version_description"),
    sa.UniqueConstraint("reduction", "_table", name="base_processing_version_reduction"),
    comment="Base versions: one reduction of the data each, for one kind of rows",
)  # fmt: skip
"""Base versions."""

base_procver_of_procver = sa.Table(
    "base_procver_of_procver",
    tom_metadata,
    _identifier("procver_id", "version", primary_key=True),
    _identifier("base_procver_id", "base version that is part of it", primary_key=True),
    integer("priority", "of the rows of one object and visit, that of the highest priority counts", nullable=False),
    text("_table", "kind of rows of the base version", nullable=False),
    refers(["procver_id"], ["processing_version.id"]),
    refers(["base_procver_id"], ["base_processing_version.id"]),
    sa.UniqueConstraint("procver_id", "_table", "priority", name="base_procver_of_procver_priority"),
    sa.Index("base_procver_of_procver_base_procver_id", "base_procver_id"),
    comment="Which base versions a version consists of, with their priorities",
)
"""Which base versions a version consists of."""

root_diaobject = sa.Table(
    "root_diaobject",
    tom_metadata,
    _identifier("id", "identifier of the root object", primary_key=True),
    double("ra", "right ascension: that of the object that it was made for", "deg, ICRS"),
    double("dec", "declination", "deg, ICRS"),
    smallint("survey", "survey of its objects: 1 Rubin, 2 ZTF, 3 ELAsTiCC", nullable=False),
    integer("zone", "strip of declination, two arcseconds wide, for searches by position", nullable=False),
    sa.Index("root_diaobject_zone", "survey", "zone", "ra"),
    sa.Index("root_diaobject_dec", "dec", "ra"),
    comment="Root objects: positions on the sky, independent of the identifiers of surveys",
)
"""Places on the sky."""

diaobject = sa.Table(
    "diaobject",
    tom_metadata,
    key("diaobjectid", "identifier of the object, see objects"),
    _identifier("base_procver_id", "base version of the object", primary_key=True),
    _identifier("rootid", "root object that it belongs to", nullable=False),
    sa.UniqueConstraint("diaobjectid", name="diaobject_diaobjectid"),
    refers(["base_procver_id"], ["base_processing_version.id"]),
    refers(["rootid"], ["root_diaobject.id"]),
    sa.Index("diaobject_rootid", "rootid"),
    sa.Index("diaobject_base_procver_id", "base_procver_id"),
    comment="Which object belongs to which root object",
)
"""Which object belongs to which root object."""

reduced_positions = sa.Table(
    "reduced_positions",
    tom_metadata,
    key("diaobjectid", "identifier of the object"),
    _identifier("base_procver_id", "base version of the position", primary_key=True),
    double("ra", "right ascension", "deg, ICRS", nullable=False),
    double("dec", "declination", "deg, ICRS", nullable=False),
    real("raerr", "uncertainty of ra times cos(dec)", "deg"),
    real("decerr", "uncertainty of dec", "deg"),
    real("ra_dec_cov", "covariance of ra·cos(dec) and dec", "deg²"),
    timestamp("created_at", "when it was stored", server_default=sa.func.now()),
    refers(["base_procver_id"], ["base_processing_version.id"]),
    sa.Index("reduced_positions_dec", "dec"),
    comment="Positions of objects in reductions other than that of the alerts, which are in objects",
)
"""Positions in further reductions."""

reassigned_sources = sa.Table(
    "reassigned_sources",
    tom_metadata,
    key("diasourceid", "source that alerts assigned to several objects"),
    smallint("reduction", "reduction of the source", primary_key=True, autoincrement=False),
    bigint("diaobjectid", "object to which the newest alert assigns it; it no longer belongs to the others",
           nullable=False),
    double("brought", "time of the source of that alert", MJD),
    comment="Sources that alerts assigned to several objects, and the object they belong to",
)  # fmt: skip
"""Sources that alerts gave to several objects."""

host_galaxy = sa.Table(
    "host_galaxy",
    tom_metadata,
    _identifier("id", "identifier of the galaxy", primary_key=True, server_default=_RANDOM),
    text("host_catalog", "catalogue"),
    text("host_id", "its identifier there"),
    _identifier("base_procver_id", "base version"),
    double("ra", "right ascension", "deg, ICRS"),
    double("dec", "declination", "deg, ICRS"),
    column("info", postgresql.JSONB(), "what the catalogue says", server_default=sa.text("'{}'")),
    refers(["base_procver_id"], ["base_processing_version.id"]),
    sa.UniqueConstraint("host_catalog", "host_id", "base_procver_id", name="host_galaxy_specifier"),
    sa.Index("host_galaxy_dec", "dec"),
    comment="Galaxies that may be hosts",
)
"""Galaxies that may be hosts."""

diaobject_host_match = sa.Table(
    "diaobject_host_match",
    tom_metadata,
    key("diaobjectid", "object"),
    _identifier("host_galaxy_id", "galaxy", primary_key=True),
    _identifier("base_procver_id", "base version", primary_key=True),
    smallint("prio", "rank of the galaxy, the likeliest first"),
    refers(["host_galaxy_id"], ["host_galaxy.id"]),
    refers(["base_procver_id"], ["base_processing_version.id"]),
    sa.Index("diaobject_host_match_host_galaxy_id", "host_galaxy_id"),
    comment="Which galaxies may be hosts of which objects",
)
"""Which galaxies may be hosts."""

_ROOT = (["root_diaobject_id"], ["root_diaobject.id"])

root_spectruminfo = sa.Table(
    "spectruminfo",
    tom_metadata,
    _identifier("specinfo_id", "identifier of the report", primary_key=True, server_default=_RANDOM),
    _identifier("root_diaobject_id", "root object"),
    text("facility", "facility that took the spectrum"),
    timestamp("inserted_at", "when it was reported", server_default=sa.func.now()),
    double("mjd", "time of the spectrum", MJD),
    real("z", "redshift; null: not determined"),
    integer("classid", "class, see taxonomy_classes; null: not determined"),
    double("ra", "right ascension of what the spectrum is of", "deg, ICRS", nullable=False),
    double("dec", "declination", "deg, ICRS", nullable=False),
    flag("is_host", "whether it is of the host galaxy"),
    text("class_description", "class in words"),
    refers(*_ROOT),
    sa.Index("spectruminfo_root_diaobject_id", "root_diaobject_id"),
    sa.Index("spectruminfo_mjd", "mjd"),
    comment="Reported spectra of root objects",
)
"""Reported spectra of root objects."""

root_wantedspectra = sa.Table(
    "wantedspectra",
    tom_metadata,
    text("wantspec_id", "'<root object> ; <requester>', with ' ; host' for a host", primary_key=True),
    _identifier("root_diaobject_id", "root object", nullable=False),
    timestamp("wanttime", "when it was asked for", server_default=sa.func.now()),
    _identifier("user_id", "account that asked: useruuid of auth/isauth", nullable=False),
    text("requester", "who asks"),
    smallint("priority", "priority, 0 to 5; 5 is the highest"),
    flag("is_host", "whether the spectrum is to be of the host galaxy"),
    double("ra", "right ascension of what it is to be of", "deg, ICRS"),
    double("dec", "declination", "deg, ICRS"),
    refers(*_ROOT),
    sa.Index("wantedspectra_root_diaobject_id", "root_diaobject_id"),
    sa.Index("wantedspectra_wanttime", "wanttime"),
    comment="Spectra that are wanted of root objects",
)
"""Spectra that are wanted of root objects."""

root_plannedspectra = sa.Table(
    "plannedspectra",
    tom_metadata,
    _identifier("plannedspec_id", "identifier of the plan", primary_key=True, server_default=_RANDOM),
    _identifier("root_diaobject_id", "root object", nullable=False),
    text("facility", "facility that plans it"),
    timestamp("created_at", "when it was planned", server_default=sa.func.now()),
    timestamp("plantime", "when the spectrum is to be taken"),
    text("comment", "remark"),
    flag("is_host", "whether it is to be of the host galaxy"),
    text("wantspec_id", "request that it answers"),
    refers(*_ROOT),
    sa.Index("plannedspectra_root_diaobject_id", "root_diaobject_id", "facility"),
    sa.Index("plannedspectra_created_at", "created_at"),
    comment="Spectra that facilities plan to take of root objects",
)
"""Spectra that are planned of root objects."""


def _of(table: str, points: sa.Table) -> sa.ColumnElement[bool]:
    base = base_processing_version
    return sa.and_(base.c._table == sa.literal_column(f"'{table}'"), base.c.reduction == points.c.reduction)


def _view(points: sa.Table, table: str, identifier: str, columns: tuple[sa.ColumnElement[Any], ...]) -> sa.Select[Any]:
    return sa.select(
        points.c[identifier], base_processing_version.c.id.label("base_procver_id"), *columns
    ).join_from(points, base_processing_version, _of(table, points))  # fmt: skip


def _named(points: sa.Table, *names: str) -> tuple[sa.ColumnElement[Any], ...]:
    return tuple(points.c[name] for name in names)


def _none(kind: str, name: str) -> sa.ColumnElement[Any]:
    return sa.literal_column(f"CAST(NULL AS {kind})").label(name)


_POINT = ("diaobjectid", "visit", "band", "midpointmjdtai", "psfflux", "psffluxerr", "ra")
_PROCESSING = ("timeprocessedmjdtai", "timewithdrawnmjdtai")
_SHAPE = ("extendedness", "reliability", "ixx", "iyy", "ixy", "ixxpsf", "iyypsf", "ixypsf")
_MEASURED = (
    *("detector", "x", "y", "xerr", "yerr", "x_y_cov", "psflnl", "psfchi2", "psfndata", "snr", "scienceflux"),
    *("sciencefluxerr", "templateflux", "templatefluxerr", *_SHAPE),
)

_document = sa.func.coalesce(
    brokermessage.c.document,
    sa.func.jsonb_build_object(
        sa.literal_column("'brokerName'"), brokerclassifier.c.brokername,
        sa.literal_column("'classifierName'"), brokerclassifier.c.classifiername,
        sa.literal_column("'classifierVersion'"),
        sa.func.coalesce(brokerclassifier.c.classifierparams, brokerclassifier.c.brokerversion),
        sa.literal_column("'classifications'"),
        sa.literal_column(
            "(SELECT jsonb_agg(jsonb_build_object('classId', answer.classid, 'probability', answer.probability)"
            " ORDER BY answer.place) FROM unnest(elasticc2_brokermessage.classid, elasticc2_brokermessage.probability)"
            " WITH ORDINALITY AS answer (classid, probability, place))"
        ),
    ),
)  # fmt: skip

_one, _other = diaobject.alias("one"), diaobject.alias("other")

VIEWS: dict[str, tuple[Any, str]] = {
    "diaobject_position": (
        sa.union_all(
            sa.select(
                diaobject.c.diaobjectid,
                base_processing_version.c.id.label("base_procver_id"),
                objects.c.ra,
                objects.c.decl.label("dec"),
                objects.c.raerr,
                objects.c.decerr,
                objects.c.ra_dec_cov,
                objects.c.timestamp.label("created_at"),
            )
            .join_from(diaobject, objects, objects.c.diaobjectid == diaobject.c.diaobjectid)
            .join(
                base_processing_version,
                sa.and_(
                    base_processing_version.c._table == sa.literal_column("'diaobject_position'"),
                    base_processing_version.c.reduction == sa.literal_column("0"),
                ),
            ),
            sa.select(*reduced_positions.c),
        ),
        "Positions of objects: those of objects for the alerts, those of reduced_positions for other reductions",
    ),
    "diasource": (
        _view(
            diasources, "diasource", "diasourceid",
            (
                *_named(diasources, *_POINT), diasources.c.decl.label("dec"),
                *_named(diasources, "raerr", "decerr", "ra_dec_cov"),
            ),
        ),
        "Detections of every base version: those of diasources",
    ),
    "diasource_extra": (
        _view(
            diasources, "diasource", "diasourceid",
            (
                *_named(diasources, *_MEASURED), _none("integer", "flags"), _none("integer", "pixelflags"),
                *_named(diasources, "apflux", "apfluxerr", "bboxsize", *_PROCESSING, "parentdiasourceid"),
            ),
        ),
        "Further measurements of detections: those of diasources, whose flags are columns of their own",
    ),
    "diaforcedsource": (
        _view(
            diaforcedsources, "diaforcedsource", "diaforcedsourceid",
            (*_named(diaforcedsources, *_POINT), diaforcedsources.c.decl.label("dec")),
        ),
        "Forced photometry of every base version: that of diaforcedsources",
    ),
    "diaforcedsource_extra": (
        _view(
            diaforcedsources, "diaforcedsource", "diaforcedsourceid",
            _named(diaforcedsources, "detector", "scienceflux", "sciencefluxerr", *_PROCESSING),
        ),
        "Further measurements of forced photometry: those of diaforcedsources",
    ),
    "root_link": (
        sa.select(
            _one.c.rootid,
            _other.c.rootid.label("linkedrootid"),
            object_link.c.arcsec,
            object_link.c.survey,
            object_link.c.linkedsurvey,
        )
        .join_from(object_link, _one, _one.c.diaobjectid == object_link.c.diaobjectid)
        .join(_other, _other.c.diaobjectid == object_link.c.linkedid),
        "Root objects of different surveys that are one source, by object_link; each pair in both directions",
    ),
    "diasource_brokerinfo": (
        sa.select(
            brokerclassifier.c.brokername,
            brokermessage.c.diasource_id.label("diasourceid"),
            base_processing_version.c.id.label("base_procver_id"),
            _document.label("info"),
            brokermessage.c.msghdrtimestamp.label("msgtime"),
            brokermessage.c.descingesttimestamp.label("receivedtime"),
            brokermessage.c.descingesttimestamp.label("importtime"),
            sa.func.coalesce(brokermessage.c.topicname, sa.literal_column("'(none)'")).label("topic"),
            sa.literal_column(
                "(SELECT source.diaobjectid FROM diasources AS source WHERE source.diasourceid ="
                " elasticc2_brokermessage.diasource_id AND source.reduction = 0 LIMIT 1)"
            ).label("diaobjectid"),
            _none("bigint[]", "prv_diasourceid"),
            _none("bigint[]", "prv_diaforcedsourceid"),
        )
        .join_from(
            brokermessage, brokerclassifier, brokerclassifier.c.classifier_id == brokermessage.c.classifier_id
        )
        .join(
            base_processing_version,
            sa.and_(
                base_processing_version.c._table == sa.literal_column("'diasource'"),
                base_processing_version.c.reduction == sa.literal_column("0"),
            ),
        ),
        "What brokers say about detections: messages of elasticc2_brokermessage, one row for each classifier",
    ),
}  # fmt: skip
"""View name: its query and comment."""

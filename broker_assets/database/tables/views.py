"""Views: names of Lasair's schema 11_1 that are not tables here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.tables.columns import BANDS
from broker_assets.database.tables.context import associations
from broker_assets.database.tables.objects import objects
from broker_assets.database.tables.obscore import OBSCORE
from broker_assets.database.tables.obscore import query as observations

_DIAOBJECTS = (
    "diaobjectid",
    "validitystartmjdtai",
    "ra",
    "raerr",
    "decl",
    "decerr",
    "ra_dec_cov",
    *(
        f"{band}_{name}"
        for band in BANDS
        for name in ("psffluxmean", "psffluxmeanerr", "psffluxsigma", "psffluxndata", "fpfluxmean", "fpfluxmeanerr")
    ),
    *(f"{band}_{name}" for band in BANDS for name in ("sciencefluxmean", "sciencefluxmeanerr")),
    *(f"{band}_{name}" for band in BANDS for name in ("psffluxmin", "psffluxmax", "psffluxmaxslope", "psffluxerrmean")),
    "firstdiasourcemjdtai",
    "lastdiasourcemjdtai",
    "ndiasources",
)

_SHERLOCK = (
    *("classification", "association_type", "catalogue_table_name", "catalogue_object_id", "catalogue_object_type"),
    *("radeg", "decdeg", "separationarcsec", "northseparationarcsec", "eastseparationarcsec"),
    *("physical_separation_kpc", "direct_distance", "distance", "best_distance", "best_distance_flag"),
    *("best_distance_source", "z", "zerr", "photoz", "photozerr", "mag", "magfilter", "magerr"),
    *("classificationreliability", "major_axis_arcsec", "annotator", "additional_output", "description", "summary"),
)
_OTHERWISE: dict[str, sa.ColumnElement[object]] = {
    "distance": associations.c.best_distance.label("distance"),
    "additional_output": sa.literal_column("'/api/objects/' || objects.diaobjectid || '/context'").label(
        "additional_output"
    ),
    "summary": sa.literal_column("NULL::text").label("summary"),
}
"""Columns of Lasair's `sherlock_classifications` that are not stored: copies, a URL, and one without a value."""

VIEWS: dict[str, tuple[sa.Select[tuple[object, ...]], str]] = {
    "diaobjects": (
        sa.select(*(objects.c[name] for name in _DIAOBJECTS)),
        "The survey's own columns of objects, as in Lasair's light-curve store",
    ),
    "objects_ext": (
        sa.select(*objects.c),
        "The same rows as objects; Lasair's users may write either name",
    ),
    "sherlock_classifications": (
        sa.select(
            objects.c.diaobjectid,
            *(_OTHERWISE[name] if name in _OTHERWISE else associations.c[name] for name in _SHERLOCK),
        ).join_from(
            objects,
            associations,
            sa.and_(
                objects.c.diaobjectid == associations.c.diaobjectid,
                objects.c.associationid == associations.c.associationid,
            ),
        ),
        "What each object is near to, by its newest alert, under Lasair's names; objects without a class are not in it",
    ),
    OBSCORE: (observations(), "Current product files of telemetry as observations in the data model ObsCore 1.1"),
}
"""View name: its query and comment."""


def create_views(views: Mapping[str, tuple[sa.Select[Any], str]] = VIEWS) -> list[str]:
    """SQL statements that create views; a step that changes the columns of a view drops it first.

    Parameters
    ----------
    views : mapping
        Name of each view: its query and comment.
    """
    statements = []
    for name, (query, comment) in views.items():
        body = query.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
        statements.append(f"CREATE OR REPLACE VIEW {name} AS {body}")
        statements.append("COMMENT ON VIEW {} IS '{}'".format(name, comment.replace("'", "''")))
    return statements

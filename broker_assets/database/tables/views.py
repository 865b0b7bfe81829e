"""Views: names of Lasair's schema 11_1 that are not tables here."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from broker_assets.database.tables.columns import BANDS
from broker_assets.database.tables.objects import objects

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

VIEWS: dict[str, tuple[sa.Select[tuple[object, ...]], str]] = {
    "diaobjects": (
        sa.select(*(objects.c[name] for name in _DIAOBJECTS)),
        "The survey's own columns of objects, as in Lasair's light-curve store",
    ),
    "objects_ext": (
        sa.select(*objects.c),
        "The same rows as objects; Lasair's users may write either name",
    ),
}
"""View name: its query and comment."""


def create_views() -> list[str]:
    """SQL statements that create the views; a step that changes the columns of a view drops it first."""
    statements = []
    for name, (query, comment) in VIEWS.items():
        body = query.compile(dialect=postgresql.dialect())  # type: ignore[no-untyped-call]
        statements.append(f"CREATE OR REPLACE VIEW {name} AS {body}")
        statements.append("COMMENT ON VIEW {} IS '{}'".format(name, comment.replace("'", "''")))
    return statements

"""Taxonomies: classes that brokers report, models that a simulation has, and which class matches which model.

Every version is kept; one of each taxonomy is in force, and the names of the original are views of it.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from broker_assets.database.tables.columns import flag, integer, smallint, text, timestamp
from broker_assets.database.tables.tom.columns import refers, tom_metadata

taxonomy_versions = sa.Table(
    "taxonomy_versions",
    tom_metadata,
    text("taxonomy", "elasticc2 or elasticc", primary_key=True),
    integer("version", "number of the version", primary_key=True, autoincrement=False),
    text("digest", "SHA-256 of its classes and matches", nullable=False),
    text("comment", "what the version is, or changes", nullable=False, server_default=""),
    timestamp("created_at", "when it was stored", nullable=False, server_default=sa.func.now()),
    flag("in_force", "whether it is used", nullable=False, server_default=sa.false()),
    sa.Index("taxonomy_versions_in_force", "taxonomy", unique=True, postgresql_where=sa.text("in_force")),
    comment="Versions of taxonomies",
)
"""Versions of taxonomies."""


def _version() -> list[sa.Column[Any]]:
    return [
        text("taxonomy", "taxonomy", primary_key=True),
        integer("version", "its version", primary_key=True, autoincrement=False),
    ]


_OF_VERSION = (
    ["taxonomy", "version"],
    ["taxonomy_versions.taxonomy", "taxonomy_versions.version"],
)

taxonomy_classes = sa.Table(
    "taxonomy_classes",
    tom_metadata,
    *_version(),
    integer("classid", "number of the class", primary_key=True, autoincrement=False),
    integer("parent", "class above; null: none"),
    text("description", "name of the class", nullable=False),
    smallint("level", "0 for the top of the hierarchy", nullable=False),
    flag("exactmatch", "a class without classes below it, and with models", nullable=False),
    flag("categorymatch", "at least as specific as a category", nullable=False),
    flag("generalmatch", "at least as specific as recurring or not", nullable=False),
    flag("broadmatch", "has models", nullable=False),
    refers(*_OF_VERSION),
    comment="Classes of each version of a taxonomy",
)
"""Classes."""

taxonomy_exact = sa.Table(
    "taxonomy_exact",
    tom_metadata,
    *_version(),
    integer("id", "number of the row", primary_key=True, autoincrement=False),
    integer("classid", "class", nullable=False),
    integer("gentype", "model of the simulation that is exactly of this class; null: there is none"),
    refers(*_OF_VERSION),
    sa.UniqueConstraint("taxonomy", "version", "gentype"),
    comment="The one class that is right for each model, and the classes that have none",
)
"""The right class of each model."""

taxonomy_matches = sa.Table(
    "taxonomy_matches",
    tom_metadata,
    *_version(),
    integer("id", "number of the row", primary_key=True, autoincrement=False),
    integer("classid", "class", nullable=False),
    integer("gentype", "model of the simulation that the class is right for, at least partly", nullable=False),
    refers(*_OF_VERSION),
    sa.UniqueConstraint("taxonomy", "version", "classid", "gentype"),
    comment="Classes that are right for each model, at least partly",
)
"""Classes that are right for each model, at least partly."""


_KINDS = {"exact": taxonomy_exact, "matches": taxonomy_matches}


def in_force(taxonomy: str, kind: str, *columns: str) -> sa.Select[Any]:
    """Query for the rows of the version of a taxonomy that is in force.

    Parameters
    ----------
    taxonomy, kind : str
        Name of the taxonomy; `exact` or `matches`.
    *columns : str
        Columns, spelled as in the result.
    """
    table = _KINDS[kind]
    of = sa.and_(
        taxonomy_classes.c.taxonomy == table.c.taxonomy,
        taxonomy_classes.c.version == table.c.version,
        taxonomy_classes.c.classid == table.c.classid,
    )
    used = sa.and_(
        taxonomy_versions.c.taxonomy == table.c.taxonomy,
        taxonomy_versions.c.version == table.c.version,
        taxonomy_versions.c.in_force,
    )
    return (
        sa.select(*(_spelt(table, name) for name in columns))
        .select_from(table.join(taxonomy_classes, of).join(taxonomy_versions, used))
        .where(table.c.taxonomy == sa.literal_column(f"'{taxonomy}'"))
    )


def _spelt(table: sa.Table, name: str) -> sa.ColumnElement[Any]:
    column = table.c[name.lower()] if name.lower() in table.c else taxonomy_classes.c[name]
    return column if column.name == name else column.label(name)


VIEWS: dict[str, tuple[sa.Select[Any], str]] = {
    "elasticc2_gentypeofclassid": (
        in_force("elasticc2", "exact", "id", "classid", "gentype", "description"),
        "The one class that is right for each model, in the version of the taxonomy that is in force",
    ),
    "elasticc2_classidofgentype": (
        in_force(
            "elasticc2",
            "matches",
            *("id", "gentype", "classid", "exactmatch", "categorymatch", "description", "broadmatch", "generalmatch"),
        ),
        "Classes that are right for each model, at least partly, in the version of the taxonomy that is in force",
    ),
}
"""View name: its query and comment."""

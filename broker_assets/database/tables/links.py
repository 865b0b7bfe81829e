"""Objects of different surveys that are one source on the sky."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from broker_assets.database.tables.columns import bigint, by_width, date, double, metadata, period_columns, smallint


def _link() -> list[sa.Column[Any]]:
    """A link, in one direction."""
    return [
        bigint("diaObjectId", "an object", primary_key=True, autoincrement=False),
        bigint("linkedId", "object of another survey near it", primary_key=True, autoincrement=False),
        double("arcsec", "separation of their newest positions", "arcsec", nullable=False),
        date("night", "night with an alert of either, whose objects were linked last", nullable=False),
        smallint("survey", "survey of diaObjectId: 1 Rubin, 2 ZTF, 3 ELAsTiCC", nullable=False),
        smallint("linkedSurvey", "survey of linkedId", nullable=False),
    ]


object_link = sa.Table(
    "object_link",
    metadata,
    *by_width(_link()),
    sa.Index("object_link_night", "night"),
    comment="Pairs of objects of different surveys that are one source on the sky; each pair in both directions",
)
"""Links between objects; symmetric."""

object_link_history = sa.Table(
    "object_link_history",
    metadata,
    *by_width(
        [
            *_link(),
            *period_columns(),
        ]
    ),
    sa.Index(
        "object_link_history_held", "diaobjectid", "linkedid", unique=True,
        postgresql_where=sa.text("revision_to IS NULL"),
    ),
    sa.Index("object_link_history_linkedid", "linkedid"),
    sa.Index("object_link_history_night", "night"),
    comment="Links between objects as they were: from one change to the next",
)  # fmt: skip
"""Links as they were."""

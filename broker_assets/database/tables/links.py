"""Objects of different surveys that are one source on the sky."""

from __future__ import annotations

import sqlalchemy as sa

from broker_assets.database.tables.columns import bigint, by_width, date, double, metadata, smallint

object_link = sa.Table(
    "object_link",
    metadata,
    *by_width(
        [
            bigint("diaObjectId", "an object", primary_key=True, autoincrement=False),
            bigint("linkedId", "object of another survey near it", primary_key=True, autoincrement=False),
            double("arcsec", "separation of their newest positions", "arcsec", nullable=False),
            date("night", "night with an alert of either, whose objects were linked last", nullable=False),
            smallint("survey", "survey of diaObjectId: 1 Rubin, 2 ZTF, 3 ELAsTiCC", nullable=False),
            smallint("linkedSurvey", "survey of linkedId", nullable=False),
        ]
    ),
    sa.Index("object_link_night", "night"),
    comment="Pairs of objects of different surveys that are one source on the sky; each pair in both directions",
)
"""Links between objects; symmetric."""

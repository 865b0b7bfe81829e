"""What kinds of sources say about objects, as it was last compared."""

from __future__ import annotations

import sqlalchemy as sa

from broker_assets.database.tables.columns import integer, real, text
from broker_assets.database.tables.tom.columns import key, tom_metadata

object_opinions = sa.Table(
    "object_opinions",
    tom_metadata,
    text("kind", "kind of the source: annotator, broker, classifier, context or tns", primary_key=True),
    key("diaobjectid", "object"),
    text("source", "the source of this kind that is surest", nullable=False),
    text("said", "class that it gives, in its own words", nullable=False),
    real("probability", "probability that it gives, if it does"),
    integer("sources", "sources of this kind that say something about the object", nullable=False),
    comment="What each kind of source says about an object, when sources were last compared",
)
"""What each kind of source says about an object."""

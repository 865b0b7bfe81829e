"""Objects about which two sources make statements that cannot both be true."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from broker_assets.database.tables.columns import bigint, integer, metadata, period_columns, real, text


def _contradiction() -> list[sa.Column[Any]]:
    """A pair of statements; the first is by the source that comes first in the alphabet."""
    return [
        bigint("diaObjectId", "object", primary_key=True, autoincrement=False),
        text("source", "who says it: broker, tns, context, annotator or classifier, with a name", primary_key=True),
        text("otherSource", "who says otherwise", primary_key=True),
        text("said", "class that the source gives, in its own words", nullable=False),
        text("otherSaid", "class that the other source gives, in its own words", nullable=False),
        integer("classId", "what the first means, a class of the taxonomy", nullable=False),
        integer("otherClassId", "what the second means", nullable=False),
        real("probability", "probability that the source gives, if it does"),
        real("otherProbability", "probability that the other source gives, if it does"),
    ]


contradictions = sa.Table(
    "contradictions",
    metadata,
    *_contradiction(),
    sa.Index("contradictions_source", "source"),
    comment="Objects about which two sources make statements that cannot both be true",
)
"""Contradictions as they are."""

contradictions_history = sa.Table(
    "contradictions_history",
    metadata,
    *_contradiction(),
    *period_columns(),
    sa.Index(
        "contradictions_history_held", "diaobjectid", "source", "othersource", unique=True,
        postgresql_where=sa.text("revision_to IS NULL"),
    ),
    comment="Contradictions as they were: from one change to the next",
)  # fmt: skip
"""Contradictions as they were."""

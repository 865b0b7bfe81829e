"""Scores of classifiers: of each alert, and the newest of each object."""

from __future__ import annotations

import sqlalchemy as sa

from broker_assets.database.tables.columns import (
    bigint,
    by_width,
    date,
    fact_columns,
    flag,
    integer,
    metadata,
    real,
    text,
)

class_scores = sa.Table(
    "class_scores",
    metadata,
    *by_width(
        [
            *fact_columns(),
            text("classifier", "name of the classifier", primary_key=True),
            text("class", "class, in the taxonomy of the classifier (classifier_classes)", primary_key=True),
            text("version", "version of the classifier", nullable=False),
            real("score", "score of the class, 0 to 1", nullable=False),
        ]
    ),
    sa.Index("class_scores_night", "night"),
    comment="Scores of the classes of each active classifier for each alert, when it arrived; kept for some months",
)
"""Scores of each alert."""

object_classes = sa.Table(
    "object_classes",
    metadata,
    *by_width(
        [
            bigint("diaObjectId", "object", primary_key=True, autoincrement=False),
            text("classifier", "name of the classifier", primary_key=True),
            text("class", "class, in the taxonomy of the classifier (classifier_classes)", primary_key=True),
            text("version", "version of the classifier", nullable=False),
            real("score", "score of the class, 0 to 1", nullable=False),
            bigint("diaSourceId", "source of the newest alert that the classifier scored", nullable=False),
            date("night", "night of that alert", nullable=False),
            bigint("ingestId", "batch that computed the score", nullable=False),
        ]
    ),
    sa.Index("object_classes_score", "classifier", "class", "score"),
    comment="Scores of each object: of each classifier those of the newest alert that it scored",
)
"""Scores of each object as they are now."""

classifier_classes = sa.Table(
    "classifier_classes",
    metadata,
    text("classifier", "name of the classifier", primary_key=True),
    text("version", "version of the classifier", primary_key=True),
    text("class", "class", primary_key=True),
    text("meaning", "what the class is, or what its score measures", nullable=False),
    integer("output", "number of the output of the model that has the score, from 0", nullable=False),
    flag("sumToOne", "whether the scores of this output add up to 1", nullable=False),
    text("sha256", "SHA-256 of model and description", nullable=False),
    comment="Classes of every version of a classifier that has scored an alert, and what they mean",
)
"""Taxonomy of each classifier that has been used."""

classifier_failures = sa.Table(
    "classifier_failures",
    metadata,
    bigint("ingestId", "batch", primary_key=True, autoincrement=False),
    date("night", "night of the alerts", primary_key=True),
    text("classifier", "name of the classifier", primary_key=True),
    text("version", "version of the classifier", primary_key=True),
    text("reason", "why it gave no scores", primary_key=True),
    integer("alerts", "alerts without its scores", nullable=False),
    comment="Alerts that a classifier could not score, counted by batch and reason; they are stored without its scores",
)
"""What classifiers could not score."""

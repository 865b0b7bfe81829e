"""Counts of what classifiers reported, by the truth: they are additive, so that only new messages are counted."""

from __future__ import annotations

import sqlalchemy as sa

from broker_assets.database.tables.columns import bigint, column, date, integer, smallint, text, timestamp
from broker_assets.database.tables.tom.columns import tom_metadata


def _classifier() -> sa.Column[int]:
    return bigint("classifier_id", "classifier", primary_key=True, autoincrement=False)


def _messages() -> sa.Column[int]:
    return bigint("messages", "how many messages", nullable=False)


classifier_scores = sa.Table(
    "classifier_scores",
    tom_metadata,
    _classifier(),
    integer("classid", "class", primary_key=True, autoincrement=False),
    column("is_right", sa.Boolean(), "whether the class is right for the object, at least partly", primary_key=True),
    smallint(
        "bin", "bin of its probability, see tom.metrics.curves; -1: the number is none from 0 to 1", primary_key=True,
        autoincrement=False,
    ),
    _messages(),
    comment="Probabilities that classifiers gave to classes, against the truth",
)  # fmt: skip
"""Probabilities that were reported."""

classifier_messages = sa.Table(
    "classifier_messages",
    tom_metadata,
    _classifier(),
    integer("gentype", "true model of the object; -1: it has no truth", primary_key=True, autoincrement=False),
    _messages(),
    comment="Messages of classifiers, by the truth",
)
"""Messages by the truth."""

classifier_delays = sa.Table(
    "classifier_delays",
    tom_metadata,
    _classifier(),
    text("delay", "full: from sending to storing; broker: to the message; tom: from the message", primary_key=True),
    smallint(
        "bin", "whole part of four times the decimal logarithm of the seconds; -1: less than one second",
        primary_key=True, autoincrement=False,
    ),
    _messages(),
    comment="How long classifiers took",
)  # fmt: skip
"""How long classifiers took."""

classifier_answers = sa.Table(
    "classifier_answers",
    tom_metadata,
    _classifier(),
    date("sent_on", "day on which the alert was sent, UTC", primary_key=True),
    integer("detections", "detections of the object up to that of the alert", primary_key=True, autoincrement=False),
    bigint("alerts", "alerts that the classifier has answered at least once", nullable=False),
    comment="Alerts that classifiers have answered",
)
"""Alerts that were answered."""

classifier_waiting = sa.Table(
    "classifier_waiting",
    tom_metadata,
    bigint("alert_id", "alert, which was not sent when the message was counted", primary_key=True, autoincrement=False),
    bigint("brokermessage_id", "message", primary_key=True, autoincrement=False),
    comment="Messages that were counted before their alerts were marked as sent",
)
"""Messages of which answers and delays are still to be counted."""

classifier_tally = sa.Table(
    "classifier_tally",
    tom_metadata,
    text("taxonomy", "taxonomy with which they were counted", primary_key=True),
    bigint("newest", "every message up to this number is counted", nullable=False),
    text("inputs", "hash of the code, the taxonomy, the truth and the number of alerts at the time", nullable=False),
    timestamp("counted_at", "when", nullable=False, server_default=sa.func.now()),
    comment="What the counts of classifiers hold",
)  # fmt: skip
"""What is counted."""

"""A scorecard for each classifier of a broker, from the counts and the roll-up of classifications."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.tom.metrics.confusion import Confusion, confusion
from broker_assets.tom.metrics.curves import BINS, Calibration, Curves, Scores, calibration, curves
from broker_assets.tom.taxonomy.hierarchy import LEVELS, Taxonomy

DELAYS: Final = ("full", "broker", "tom")
"""Delays from sending to storing, from sending to the message, and from the message to storing."""


@dataclass(frozen=True)
class Classifier:
    """A classifier of a broker."""

    classifier_id: int
    broker: str
    broker_version: str | None
    name: str
    params: str | None

    @property
    def title(self) -> str:
        """Broker, classifier and their versions in one line.

        Examples
        --------
        >>> Classifier(1, "Fink", "1.0", "SuperNNova", None).title
        'Fink 1.0 · SuperNNova'
        """
        parts = [" ".join(filter(None, (self.broker, self.broker_version)))]
        return " · ".join([*parts, " ".join(filter(None, (self.name, self.params)))])


@dataclass(frozen=True)
class ClassScore:
    """How well a classifier separates one class from the others."""

    classid: int
    scores: Scores
    """Counts that include the messages that do not list the class."""
    curves: Curves
    calibration: Calibration
    """Calibration of the messages that list it."""
    invalid: int
    """Messages whose probability is not from 0 to 1; they are in no curve."""


@dataclass(frozen=True)
class Scorecard:
    """Results of a classifier."""

    classifier: Classifier
    messages: int
    without_truth: int
    """Messages about objects that have no truth, or whose model has no class."""
    confusion: Confusion
    """Confusion matrix of the newest message about each object."""
    right: Mapping[str, float]
    """By level of the taxonomy: fraction of the objects whose most probable class is right and at least that
    specific."""
    classes: tuple[ClassScore, ...]
    """By class, ascending."""
    delays: Mapping[str, NDArray[np.int64]]
    """By `DELAYS`: numbers of messages; the first bin is below 1 s, the others are a quarter of a decade wide from 1 s
    on."""
    by_day: Mapping[str, tuple[int, int]]
    """By day on which alerts were sent: number of alerts that were answered, and of all alerts."""
    by_detections: Mapping[int, tuple[int, int]]
    """By number of detections up to the alert: number of alerts that were answered, and of all alerts."""

    @property
    def completeness(self) -> float:
        """Fraction of the sent alerts that were answered; NaN without alerts."""
        answered, sent = (sum(pair[place] for pair in self.by_day.values()) for place in (0, 1))
        return answered / sent if sent else float("nan")

    def median_delay(self, kind: str) -> float:
        """Median in seconds, to a quarter of a decade: the middle of its bin; NaN without messages."""
        counts = self.delays[kind]
        if not counts.sum():
            return float("nan")
        place = int(np.searchsorted(np.cumsum(counts), counts.sum() / 2.0))
        return 0.5 if place == 0 else float(10.0 ** ((place - 0.5) / 4.0))


def classifiers(connection: psycopg.Connection[Any]) -> list[Classifier]:
    """All classifiers, by broker, version, name and parameters."""
    rows = connection.execute(
        "SELECT classifier_id, brokername, brokerversion, classifiername, classifierparams"
        " FROM elasticc2_brokerclassifier ORDER BY 2, 3, 4, 5, 1"
    )
    return [Classifier(*row) for row in rows]


def scorecards(connection: psycopg.Connection[Any], taxonomy: Taxonomy) -> list[Scorecard]:
    """The scorecard of every classifier that has sent a message, as of the last `tally`.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    taxonomy : Taxonomy
        The taxonomy in force.
    """
    sent = _sent(connection)
    known = {item.classifier_id: item for item in classifiers(connection)}
    counted = _by_classifier(connection, "SELECT classifier_id, gentype, messages FROM classifier_messages")
    scores = _by_classifier(connection, "SELECT classifier_id, classid, is_right, bin, messages FROM classifier_scores")
    delays = _by_classifier(connection, "SELECT classifier_id, delay, bin, messages FROM classifier_delays")
    answers = _by_classifier(
        connection, "SELECT classifier_id, sent_on::text, detections, alerts FROM classifier_answers"
    )
    newest = _by_classifier(
        connection,
        "SELECT classifier_id, gentype, latestclass1id, count(*) FROM elasticc2_diaobjectclassification"
        " JOIN elasticc2_diaobjecttruth USING (diaobject_id) GROUP BY 1, 2, 3",
    )
    return [
        _scorecard(
            classifier, taxonomy, counted[number], scores.get(number, []), delays.get(number, []),
            answers.get(number, []), newest.get(number, []), sent,
        )
        for number, classifier in known.items()
        if number in counted
    ]  # fmt: skip


def tables(cards: list[Scorecard]) -> dict[str, pa.Table]:
    """Scorecards as tables: `classifiers`, `confusion`, `curves`, `calibration`, `delays` and `completeness`."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in _SCHEMAS}
    for card in cards:
        key: dict[str, Any] = {"classifier_id": card.classifier.classifier_id}
        rows["classifiers"].append(
            {**key, "broker": card.classifier.broker, "broker_version": card.classifier.broker_version,
             "classifier": card.classifier.name, "params": card.classifier.params, "messages": card.messages,
             "without_truth": card.without_truth, "completeness": card.completeness,
             **{f"right_{level}": card.right[level] for level in LEVELS}}
        )  # fmt: skip
        by_true, by_reported = card.confusion.by_true_class, card.confusion.by_reported_class
        rows["confusion"] += [
            {**key, "true_class": int(card.confusion.true[row]), "reported_class": int(card.confusion.reported[column]),
             "objects": int(card.confusion.objects[row, column]), "share_of_true_class": by_true[row, column],
             "share_of_reported_class": by_reported[row, column]}
            for row, column in zip(*np.nonzero(card.confusion.objects), strict=True)
        ]  # fmt: skip
        for one in card.classes:
            of_class = key | {"classid": one.classid}
            found, given = one.curves, one.calibration
            rows["curves"] += [
                of_class | {"threshold": threshold, "true_positive_rate": tpr, "false_positive_rate": fpr,
                            "precision": precision}
                for threshold, tpr, fpr, precision in zip(
                    found.threshold[1:], found.true_positive_rate[1:], found.false_positive_rate[1:],
                    found.precision[1:], strict=True,
                )
            ]  # fmt: skip
            rows["calibration"] += [
                of_class | {"probability": probability, "right": right, "uncertainty": uncertainty,
                            "messages": int(messages)}
                for probability, right, uncertainty, messages in zip(
                    given.probability, given.right, given.uncertainty, given.messages, strict=True
                )
                if messages
            ]  # fmt: skip
        rows["delays"] += [
            key | {"delay": kind, "from_seconds": 0.0 if place == 0 else 10.0 ** ((place - 1) / 4.0),
                   "messages": int(messages)}
            for kind, counts in card.delays.items() for place, messages in enumerate(counts) if messages
        ]  # fmt: skip
        rows["completeness"] += [
            key | {"sent_on": day, "detections": None, "answered": answered, "sent": alerts}
            for day, (answered, alerts) in card.by_day.items()
        ] + [
            key | {"sent_on": None, "detections": number, "answered": answered, "sent": alerts}
            for number, (answered, alerts) in card.by_detections.items()
        ]
    return {name: pa.Table.from_pylist(rows[name], schema=schema) for name, schema in _SCHEMAS.items()}


_KEY: Final = ("classifier_id", pa.int64())
_SCHEMAS: Final = {
    "classifiers": pa.schema(
        [_KEY, *((name, pa.string()) for name in ("broker", "broker_version", "classifier", "params")),
         ("messages", pa.int64()), ("without_truth", pa.int64()), ("completeness", pa.float64()),
         *((f"right_{level}", pa.float64()) for level in LEVELS)]
    ),
    "confusion": pa.schema(
        [_KEY, ("true_class", pa.int64()), ("reported_class", pa.int64()), ("objects", pa.int64()),
         ("share_of_true_class", pa.float64()), ("share_of_reported_class", pa.float64())]
    ),
    "curves": pa.schema(
        [_KEY, ("classid", pa.int64()),
         *((name, pa.float64()) for name in ("threshold", "true_positive_rate", "false_positive_rate", "precision"))]
    ),
    "calibration": pa.schema(
        [_KEY, ("classid", pa.int64()),
         *((name, pa.float64()) for name in ("probability", "right", "uncertainty")), ("messages", pa.int64())]
    ),
    "delays": pa.schema([_KEY, ("delay", pa.string()), ("from_seconds", pa.float64()), ("messages", pa.int64())]),
    "completeness": pa.schema(
        [_KEY, ("sent_on", pa.string()), ("detections", pa.int64()), ("answered", pa.int64()), ("sent", pa.int64())]
    ),
}  # fmt: skip


def _sent(connection: psycopg.Connection[Any]) -> list[tuple[str, int, int]]:
    """Alerts that were sent, by day and by number of detections of their object up to them."""
    return connection.execute(
        "SELECT (alertsenttimestamp AT TIME ZONE 'UTC')::date::text, detections, count(*) FROM elasticc2_ppdbalert"
        " JOIN (SELECT diasource_id, count(*) OVER (PARTITION BY diaobject_id ORDER BY midpointtai) AS detections"
        " FROM elasticc2_ppdbdiasource) AS source USING (diasource_id)"
        " WHERE alertsenttimestamp IS NOT NULL GROUP BY 1, 2"
    ).fetchall()


def _by_classifier(connection: psycopg.Connection[Any], query: Any) -> dict[int, list[tuple[Any, ...]]]:
    found: dict[int, list[tuple[Any, ...]]] = {}
    for number, *rest in connection.execute(query):
        found.setdefault(number, []).append(tuple(rest))
    return found


def _scorecard(
    classifier: Classifier,
    taxonomy: Taxonomy,
    counted: list[tuple[Any, ...]],
    scores: list[tuple[Any, ...]],
    delays: list[tuple[Any, ...]],
    answers: list[tuple[Any, ...]],
    newest: list[tuple[Any, ...]],
    sent: list[tuple[str, int, int]],
) -> Scorecard:
    gentype, messages = np.array(counted, np.int64).reshape(-1, 2).T
    true = taxonomy.true_class(gentype)
    model, reported, objects = np.array(newest, np.int64).reshape(-1, 3).T
    matrix = confusion(true_of := taxonomy.true_class(model), reported, np.where(true_of >= 0, objects, 0))
    return Scorecard(
        classifier,
        int(messages.sum()),
        int(messages[true < 0].sum()),
        matrix,
        {level: matrix.right(taxonomy, level) for level in LEVELS},
        tuple(_class_scores(taxonomy, gentype, messages, scores)),
        {kind: _histogram([row[1:] for row in delays if row[0] == kind]) for kind in DELAYS},
        _shares([(day, number) for day, _, number in answers], [(day, number) for day, _, number in sent]),
        _shares([row[1:] for row in answers], [row[1:] for row in sent]),
    )


def _class_scores(
    taxonomy: Taxonomy, gentype: NDArray[np.int64], messages: NDArray[np.int64], scores: list[tuple[Any, ...]]
) -> list[ClassScore]:
    known = gentype >= 0
    found = []
    given = np.array(scores, np.int64).reshape(-1, 4)
    for classid in np.unique(given[:, 0]).tolist():
        of_class = given[given[:, 0] == classid]
        counts = {side: np.zeros(BINS + 1, np.int64) for side in (True, False)}
        for side, total_of in counts.items():
            rows = of_class[of_class[:, 1] == side]
            total_of[rows[:, 2]] = rows[:, 3]  # bin −1 indexes the last place: not a probability
        matching = taxonomy.matches(classid, gentype[known])
        total = {True: int(messages[known][matching].sum()), False: int(messages[known][~matching].sum())}
        unlisted = {side: max(total[side] - int(counts[side].sum()), 0) for side in counts}
        right, wrong = counts[True][:BINS], counts[False][:BINS]
        everything = Scores.of(right, wrong, unlisted_right=unlisted[True], unlisted_wrong=unlisted[False])
        invalid = int(counts[True][BINS] + counts[False][BINS])
        found.append(ClassScore(classid, everything, curves(everything), calibration(Scores.of(right, wrong)), invalid))
    return found


def _histogram(rows: list[tuple[Any, ...]]) -> NDArray[np.int64]:
    counts = np.zeros(1 + max((place + 1 for place, _ in rows), default=0), np.int64)
    for place, messages in rows:
        counts[place + 1] += messages
    return counts


def _shares(answered: list[tuple[Any, ...]], sent: list[tuple[Any, ...]]) -> dict[Any, tuple[int, int]]:
    totals: dict[Any, list[int]] = {}
    for place, pairs in enumerate((answered, sent)):
        for key, number in pairs:
            totals.setdefault(key, [0, 0])[place] += number
    return {key: (pair[0], pair[1]) for key, pair in sorted(totals.items())}

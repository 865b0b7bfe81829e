"""Scores of the alerts of a night: finite, from 0 to 1, adding up to 1, complete, and distributed as on earlier nights.

Models are checked when they are added and for each batch, so invalid scores are faults of the code. Missing scores come
from a model that fails. A drift may be due to the survey, another version of a model, or the sky.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import sqlalchemy as sa
from dagster import AssetCheckSeverity

from broker_assets.checks.alerts.unusual_nights import (
    DEVIATIONS,
    LEAST_NIGHTS,
    SAMPLED_ROWS,
    SHARE_CHANGE,
    nights_of_facts,
    unusual,
)
from broker_assets.checks.definition import Evidence, NightCheck, Verdict, dates
from broker_assets.database.tables import class_scores, classifier_classes, classifier_failures, ingest_batch_facts

ASSET = "class_scores"
TOLERANCE = 1e-3
"""By how much the sum of scores may differ from 1."""

Statistics = Mapping[date, Mapping[str, tuple[float, float]]]
"""Fraction of the alerts in which a class has the highest score, and median of its score, by night and class."""


def scores_in_range(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    """Count scores that are not finite or outside 0 to 1, and alerts whose scores do not add up to 1."""
    table = class_scores.c
    # NaN is greater than every number in PostgreSQL.
    outside = sa.func.count().filter(sa.not_(table.score.between(0.0, 1.0))).label("outside")
    counts = {
        row.night: (row.rows, row.outside)
        for row in found.connection.execute(
            sa.select(table.night, sa.func.count().label("rows"), outside)
            .where(table.night.in_(dates(keys)))
            .group_by(table.night)
        )
    }
    sums = (
        sa.select(table.night, sa.func.sum(sa.cast(table.score, sa.DOUBLE_PRECISION)).label("total"))
        .join(classifier_classes, _same_class())
        .where(table.night.in_(dates(keys)), classifier_classes.c.sumtoone)
        .group_by(table.night, table.diaobjectid, table.diasourceid, table.classifier, classifier_classes.c.output)
        .subquery()
    )
    unequal = {
        night: int(number)
        for night, number in found.connection.execute(
            sa.select(sums.c.night, sa.func.count())
            .where(sa.not_(sums.c.total.between(1.0 - TOLERANCE, 1.0 + TOLERANCE)))
            .group_by(sums.c.night)
        )
    }
    verdicts = {}
    for night, (rows, wrong) in counts.items():
        bad = {"scores outside 0 to 1": wrong, "alerts whose scores do not add up to 1": unequal.get(night, 0)}
        bad = {what: number for what, number in bad.items() if number}
        text = "; ".join(f"{number} {what}" for what, number in bad.items()) or f"{rows} scores"
        verdicts[night.isoformat()] = Verdict(not bad, text, metadata={"scores": rows, **bad})
    return verdicts


def _same_class() -> sa.ColumnElement[bool]:
    return sa.and_(*(class_scores.c[name] == classifier_classes.c[name] for name in ("classifier", "version", "class")))


def classifiers_score_all_alerts(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    """Report alerts that models could not score, with the most frequent reasons."""
    failed, booked = classifier_failures.c, ingest_batch_facts.c
    rows = found.connection.execute(
        sa.select(failed.night, failed.classifier, failed.version, failed.reason, sa.func.sum(failed.alerts))
        .join(ingest_batch_facts, sa.and_(booked.ingestid == failed.ingestid, booked.night == failed.night))
        .where(booked.asset == ASSET, booked.replaced_by.is_(None), failed.night.in_(dates(keys)))
        .group_by(failed.night, failed.classifier, failed.version, failed.reason)
        .order_by(sa.func.sum(failed.alerts).desc(), failed.classifier, failed.reason)
    ).all()
    reasons: dict[str, list[str]] = {}
    for night, name, version, reason, alerts in rows:
        reasons.setdefault(night.isoformat(), []).append(f"{name} {version}: {alerts} alerts, {reason}")
    return {
        key: Verdict(key not in reasons, "; ".join(reasons.get(key, ["all alerts"])[:5]), AssetCheckSeverity.WARN)
        for key in keys
    }


def classes_as_usual(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    """Compare fractions of classes and medians of scores with those of earlier nights."""
    return {key: _as_usual(_statistics(found, date.fromisoformat(key)), date.fromisoformat(key)) for key in keys}


def _statistics(found: Evidence, night: date) -> Statistics:
    """Fractions and medians in samples of this night and of earlier ones."""
    known = nights_of_facts(ASSET, night)
    sample = sa.select(class_scores).where(class_scores.c.night == known.c.night).limit(SAMPLED_ROWS).lateral("sample")
    joined = known.join(sample, sa.true())
    statistics: dict[date, dict[str, tuple[float, float]]] = {}
    for day, name, label, median in found.connection.execute(
        sa.select(
            known.c.night,
            sample.c.classifier,
            sample.c["class"],
            sa.func.percentile_cont(0.5).within_group(sample.c.score),
        )
        .select_from(joined)
        .group_by(known.c.night, sample.c.classifier, sample.c["class"])
    ):
        statistics.setdefault(day, {})[f"{name}: {label}"] = (0.0, float(median))
    alert = (known.c.night, sample.c.classifier, sample.c.diaobjectid, sample.c.diasourceid)
    same = sa.and_(*(sample.c[name] == classifier_classes.c[name] for name in ("classifier", "version", "class")))
    ranked = (
        sa.select(
            known.c.night,
            sample.c.classifier,
            sample.c["class"],
            sa.func.row_number()
            .over(partition_by=alert, order_by=(sample.c.score.desc(), sample.c["class"]))
            .label("rank"),
        )
        .select_from(joined.join(classifier_classes, same))
        .where(classifier_classes.c.sumtoone)
        .subquery("ranked")
    )
    best = ranked.c
    counted = found.connection.execute(
        sa.select(best.night, best.classifier, best["class"], sa.func.count())
        .where(best.rank == 1)
        .group_by(best.night, best.classifier, best["class"])
    ).all()
    totals: dict[tuple[date, str], int] = {}
    for day, name, _, alerts in counted:
        totals[day, name] = totals.get((day, name), 0) + int(alerts)
    for day, name, label, alerts in counted:
        key = f"{name}: {label}"
        statistics[day][key] = (int(alerts) / totals[day, name], statistics[day][key][1])
    return statistics


def _as_usual(statistics: Statistics, night: date) -> Verdict:
    if night not in statistics:
        return Verdict(True, "no scores")
    now, others = statistics[night], [statistics[other] for other in sorted(statistics) if other < night]
    deviating, compared = [], 0
    for key, values in now.items():
        earlier = np.array([item[key] for item in others if key in item], np.float64).reshape(-1, 2)
        compared = max(compared, len(earlier))
        for place, what in enumerate(("share", "median score")):
            distance = unusual(values[place], earlier[:, place], smallest_spread=SHARE_CHANGE / DEVIATIONS)
            if distance is not None and abs(distance) > DEVIATIONS:
                deviating.append(f"{what} of {key}: {values[place]:.3g}, usually {np.median(earlier[:, place]):.3g}")
    usually = f"as in {compared} earlier nights" if compared >= LEAST_NIGHTS else "too few nights to compare with"
    text = "; ".join(deviating[:10]) or usually
    shares = {f"share of {key}": round(share, 4) for key, (share, _) in sorted(now.items()) if share}
    return Verdict(not deviating, text, AssetCheckSeverity.WARN, {"nights compared": compared, **shares})


NIGHT_CHECKS = (
    NightCheck(
        ASSET,
        "scores_in_range",
        "Every score is finite and from 0 to 1; those of classes that exclude one another add up to 1.",
        scores_in_range,
        "See which model a score comes from (`broker-assets why class_scores`) and remove or replace it.",
    ),
    NightCheck(
        ASSET,
        "classifiers_score_all_alerts",
        "Every active classifier has scored every alert of the night.",
        classifiers_score_all_alerts,
        "Compare the reason with the inputs of the model (`broker-assets classifiers show`); after a fix, materialise "
        "class_scores of the night.",
    ),
    NightCheck(
        ASSET,
        "classes_as_usual",
        "Shares of the classes and medians of their scores are like those of earlier nights.",
        classes_as_usual,
        "Compare the plots of this night with those of earlier ones; ask whether survey, features or model changed.",
        live=False,
    ),
)
"""Checks of scores."""

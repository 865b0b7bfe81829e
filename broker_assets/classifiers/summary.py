"""What materialisations of a night of scores show: shares of the classes, what failed, and distributions."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import psycopg

from broker_assets.classifiers.pictures import scores_png
from broker_assets.classifiers.state import failures_of

SAMPLE: Final = 50_000
"""Scores of a night that are read, at most."""


def describe_night(connection: psycopg.Connection[Any], night: str) -> dict[str, Any]:
    """Numbers and a plot of the scores of a night.

    Parameters
    ----------
    connection : psycopg.Connection
        To read with.
    night : str
        Key `YYYY-MM-DD`.
    """
    failed = failures_of(connection, night)
    shown: dict[str, Any] = {}
    if failed:
        shown["alerts without scores"] = {
            f"{name} {version}: {reason}": alerts for name, version, reason, alerts in failed
        }
    sample = (
        "WITH sample AS (SELECT classifier, version, class, score, diaobjectid, diasourceid FROM class_scores"
        " WHERE night = %s LIMIT %s)"
    )
    values = connection.execute(
        f"{sample} SELECT classifier, class, array_agg(score) FROM sample GROUP BY 1, 2 ORDER BY 1, 2",  # noqa: S608
        (night, SAMPLE),
    ).fetchall()
    if not values:
        return shown
    shares: dict[str, dict[str, int]] = {}
    for name, label, alerts in connection.execute(
        f"{sample} SELECT classifier, class, count(*) FROM (SELECT DISTINCT ON (diaobjectid, diasourceid, classifier)"  # noqa: S608
        " classifier, class FROM sample JOIN classifier_classes USING (classifier, version, class) WHERE sumtoone"
        " ORDER BY diaobjectid, diasourceid, classifier, score DESC, class) AS best GROUP BY 1, 2 ORDER BY 1, 2",
        (night, SAMPLE),
    ):
        shares.setdefault(name, {})[label] = alerts
    shown["share of alerts with the highest score"] = {
        name: {label: round(alerts / sum(counts.values()), 3) for label, alerts in counts.items()}
        for name, counts in shares.items()
    }
    shown["plot"] = scores_png({f"{name}\n{label}": np.array(scores) for name, label, scores in values})
    return shown

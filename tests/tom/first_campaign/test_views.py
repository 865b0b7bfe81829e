"""The materialised views have the columns of the original and say what follows from the tables."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import first_campaign as campaign
import numpy as np
import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.tom.first_campaign.views import VIEWS, refresh

pytestmark = pytest.mark.database

CLASSIFIED = [(1, thing) for thing in (1, 2, 3)] + [(2, thing) for thing in (1, 3)]
"""Classifier and object."""
EDGES = [-999999.0, *range(-20, 101, 10), 999999.0]


def rows(connection: psycopg.Connection[Any], query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()  # type: ignore[arg-type]


def timebin(days: float) -> int:
    return int(np.searchsorted(EDGES, days, side="right")) - 1


def right_classes(connection: psycopg.Connection[Any]) -> dict[int, int]:
    """Object: its true class, by the taxonomy."""
    found = dict(rows(connection, 'SELECT gentype, "classId" FROM elasticc_gentypeofclassid WHERE gentype IS NOT NULL'))
    return {thing: found[gentype] for thing, gentype in campaign.GENTYPES.items()}


@pytest.mark.shared
def test_columns_are_those_of_the_original(connection: psycopg.Connection[Any], shared_folder: Path) -> None:
    wanted: dict[str, list[str]] = {}
    with (shared_folder / "data" / "desc_tom" / "schema" / "view_columns.csv").open(newline="") as stream:
        for row in csv.DictReader(stream):
            wanted.setdefault(row["matview_or_view"], []).append(row["attname"])
    assert set(VIEWS) == set(wanted) - {"elasticc_view_sourceclassifications"}
    for name in VIEWS:
        cursor = connection.execute(f"SELECT * FROM {name} LIMIT 0")  # type: ignore[arg-type]
        assert [column.name for column in cursor.description or ()] == wanted[name], name


def test_what_each_message_says(connection: psycopg.Connection[Any]) -> None:
    true = right_classes(connection)
    found = rows(connection, 'SELECT "classifierId", "classId", "trueClassId", "diaSourceId", dt, n, probability'
                             " FROM elasticc_view_dedupedclassifications")  # fmt: skip
    wanted = set()
    for classifier, thing in CLASSIFIED:
        for place, days in enumerate(campaign.DAYS):
            first = campaign.probability(classifier, thing, place)
            for classid, value in zip(campaign.CLASSES, (first, 1 - first), strict=True):
                wanted.add((classifier, classid, true[thing], thing * 100 + place, days, 1, round(value, 9)))
    assert {(*row[:-1], round(row[-1], 9)) for row in found} == wanted
    assert len(found) == 50
    sums = rows(connection, "SELECT DISTINCT totprob FROM elasticc_view_classifications_totprobpersource")
    assert sums == [(1.0,)]


def test_counts_by_time_and_probability(connection: psycopg.Connection[Any]) -> None:
    true = right_classes(connection)
    metrics: Counter[tuple[int, ...]] = Counter()
    best: dict[tuple[int, int, int, int], float] = {}
    for classifier, thing in CLASSIFIED:
        for place, days in enumerate(campaign.DAYS):
            first = campaign.probability(classifier, thing, place)
            for classid, value in zip(campaign.CLASSES, (first, 1 - first), strict=True):
                tbin, probbin = int((days + 30) // 5) + 1, min(int(round(value * 20, 9)), 20) + 1
                metrics[classifier, classid, true[thing], tbin, probbin] += 1
                if classid == true[thing]:
                    key = (timebin(days), thing, classifier, classid)
                    best[key] = max(best.get(key, 0), value)
    found = rows(connection, "SELECT * FROM elasticc_view_classifications_probmetrics")
    assert {row[:5]: row[5] for row in found} == metrics
    found = rows(connection, "SELECT * FROM elasticc_view_class_max_right_in_bin")
    assert {row[:4]: pytest.approx(row[4]) for row in found} == best
    bins = Counter((key[0], round(value / 0.05) + 1, key[2], key[3]) for key, value in best.items())
    found = rows(connection, "SELECT * FROM elasticc_view_class_max_right_hist")
    assert {(row[0], row[3], row[5], row[6]): row[7] for row in found} == bins
    assert all(float(row[4]) == pytest.approx(0.05 * (row[3] - 1)) for row in found)
    pairs = {
        (early[0], late[0], early[1], early[3], early[2]): (best[early], best[late])
        for early in best for late in best
        if early[1:] == late[1:] and 3 <= early[0] <= 5 and 7 <= late[0] <= 13
    }  # fmt: skip
    found = rows(connection, "SELECT * FROM elasticc_view_maxprobdiff")
    assert {row[:5]: row[5:] for row in found} == pairs
    assert pairs
    differences = Counter(
        (key[4], key[3], key[0], key[1], round((late - early) / 0.05) + 21) for key, (early, late) in pairs.items()
    )
    found = rows(connection, "SELECT * FROM elasticc_view_maxprobdiff_hist")
    assert {row[:5]: row[6] for row in found} == differences
    assert all(float(row[5]) == pytest.approx(0.05 * (row[4] - 21)) for row in found)


def test_counts_of_objects_and_of_detections(connection: psycopg.Connection[Any]) -> None:
    true = right_classes(connection)
    objects = {(classifier, true[thing], timebin(days), thing) for classifier, thing in CLASSIFIED
               for days in campaign.DAYS}  # fmt: skip
    found = rows(connection, "SELECT * FROM elasticc_view_nobjclassified_in_timebin")
    assert {row[:3]: row[3] for row in found} == Counter(item[:3] for item in objects)
    found = rows(connection, 'SELECT * FROM elasticc_view_prevsourcecounts WHERE "diaObjectId" = 2 ORDER BY 1')
    first = campaign.PEAK + campaign.DAYS[0]
    assert [row[3:] for row in found] == [
        # The second alert is less than half a day after the first one; measurements begin 30 days before that.
        (1, first, 0), (2, first, 0), (3, first, 3), (4, first, 4), (5, first, 5),
    ]  # fmt: skip


def test_a_refresh_takes_in_what_is_new(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        empty = refresh(connection)
        assert list(empty) == list(VIEWS)
        assert {content.rows for content in empty.values()} == {0}
        with connection.transaction():
            campaign.fill(connection)
        filled = refresh(connection)
        assert filled["elasticc_view_dedupedclassifications"].rows == 50
        assert refresh(connection) == filled
        connection.execute('UPDATE elasticc_brokerclassification SET probability = 0 WHERE "classifierId" = 2')
        changed = refresh(connection)
        assert changed["elasticc_view_dedupedclassifications"].rows == 50
        assert changed["elasticc_view_dedupedclassifications"] != filled["elasticc_view_dedupedclassifications"]

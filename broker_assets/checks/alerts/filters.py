"""Matches of filters: whether each filter ran, and has as many matches as usual."""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import sqlalchemy as sa
from dagster import AssetCheckSeverity

from broker_assets.checks.alerts.unusual_nights import (
    COMPARED_NIGHTS,
    DEVIATIONS,
    LEAST_NIGHTS,
    SMALLEST_SPREAD,
    nights_of_facts,
    unusual,
)
from broker_assets.checks.definition import Evidence, NightCheck, Verdict, dates
from broker_assets.database.tables import filter_runs, ingest_batch_facts

ASSET = "filter_matches"
_SHOWN = 10


def _in_force() -> sa.Join:
    """Runs of batches whose matches are in force."""
    runs, booked = filter_runs.c, ingest_batch_facts.c
    return filter_runs.join(
        ingest_batch_facts,
        sa.and_(
            booked.ingestid == runs.ingestid,
            booked.night == runs.night,
            booked.asset == ASSET,
            booked.replaced_by.is_(None),
        ),
    )


def no_filter_starved(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    """Report filters that did not run on batches, or failed, and alerts beyond the limits of batches."""
    runs = filter_runs.c
    rows = found.connection.execute(
        sa.select(
            runs.night,
            runs.filterid,
            sa.func.count().filter(runs.problem == "starved").label("starved"),
            sa.func.count().filter(runs.problem != "starved").label("failed"),
            sa.func.sum(runs.over_limit).label("over"),
            sa.func.max(runs.message).label("message"),
        )
        .select_from(_in_force())
        .where(runs.night.in_(dates(keys)))
        .group_by(runs.night, runs.filterid)
        .order_by(runs.filterid)
    ).all()
    bad: dict[str, list[str]] = {}
    for row in rows:
        said = []
        if row.starved:
            said.append(f"did not run over {row.starved} batches, for lack of time")
        if row.failed:
            said.append(f"failed in {row.failed} batches ({row.message})")
        if row.over:
            said.append(f"passed {row.over} alerts beyond the limits of batches, which are not kept")
        if said:
            bad.setdefault(row.night.isoformat(), []).append(f"filter {row.filterid} {', '.join(said)}")
    fine = ["all filters ran over all batches"]
    return {
        key: Verdict(key not in bad, "; ".join(bad.get(key, fine)[:_SHOWN]), AssetCheckSeverity.WARN) for key in keys
    }


def matches_as_usual(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    """Compare the matches of each filter with those of the same filter on earlier nights."""
    return {key: _as_usual(found, date.fromisoformat(key)) for key in keys}


def _as_usual(found: Evidence, night: date) -> Verdict:
    known = nights_of_facts(ASSET, night)
    nights = sorted(row[0] for row in found.connection.execute(sa.select(known.c.night)))
    runs = filter_runs.c
    counts: dict[int, dict[date, int]] = {}
    for number, day, matches in found.connection.execute(
        sa.select(runs.filterid, runs.night, sa.func.sum(runs.matches + runs.over_limit))
        .select_from(_in_force())
        .where(runs.night.in_(nights))
        .group_by(runs.filterid, runs.night)
    ):
        counts.setdefault(number, {})[day] = int(matches)
    deviating, compared = [], 0
    for number, passed in sorted(counts.items()):
        first = min(passed)
        earlier = np.log10(1.0 + np.array([passed.get(day, 0) for day in nights if first <= day < night], np.float64))
        compared = max(compared, len(earlier))
        value = passed.get(night, 0)
        distance = unusual(float(np.log10(1.0 + value)), earlier, smallest_spread=SMALLEST_SPREAD)
        if distance is not None and abs(distance) > DEVIATIONS:
            usually = 10.0 ** float(np.median(earlier)) - 1.0
            deviating.append(f"filter {number} passed {value}, usually {usually:.0f}")
    usual = f"as in {compared} earlier nights" if compared >= LEAST_NIGHTS else "too few nights to compare with"
    return Verdict(
        not deviating,
        "; ".join(deviating[:_SHOWN]) or usual,
        AssetCheckSeverity.WARN,
        {"filters": len(counts), "nights compared": min(compared, COMPARED_NIGHTS)},
    )


NIGHT_CHECKS = (
    NightCheck(
        ASSET,
        "no_filter_starved",
        "Every active filter ran over every batch of the night, and no match was left out.",
        no_filter_starved,
        "See the filter (`broker-assets filter show`); filters that fail or flood are paused by themselves. Where many "
        "did not run, raise BROKER_FILTERS__BATCH_SECONDS and materialise filter_matches of the night.",
    ),
    NightCheck(
        ASSET,
        "matches_as_usual",
        "Each filter passed about as many alerts as on earlier nights.",
        matches_as_usual,
        "See where the filter loses alerts (`broker-assets filter explain --night`), and whether what it reads has "
        "changed.",
        live=False,
    ),
)
"""Checks of matches."""

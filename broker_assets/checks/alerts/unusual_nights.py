"""Whether a night is like earlier nights: number of alerts, and fractions of nulls.

The comparison uses robust statistics over a few weeks, median and median absolute deviation, so that one bad night
neither hides the next nor raises an alarm for ever. All verdicts are warnings: the sky changes, too. There is no
warning until `LEAST_NIGHTS` earlier nights are available for comparison.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

import numpy as np
import sqlalchemy as sa
from dagster import AssetCheckSeverity
from numpy.typing import NDArray

from broker_assets.checks.definition import Evidence, NightCheck, Verdict, dates
from broker_assets.database.tables import (
    BOOKKEEPING,
    diaforcedsources,
    diasources,
    ingest_batch,
    ingest_batch_facts,
    ingest_batch_night,
)
from broker_assets.partitions import nights

LEAST_NIGHTS = 7
"""Minimum number of earlier nights."""

COMPARED_NIGHTS = 30
"""Maximum number of earlier nights."""

DEVIATIONS = 5.0
"""Allowed distance from the median, in (scaled) median absolute deviations."""

SMALLEST_SPREAD = 0.25
"""Minimum spread of the logarithm of a count: weather and Moon change nights by at least this much."""

SAMPLED_ROWS = 20_000
"""Maximum number of rows of a night in which nulls are counted, to limit the cost of the check."""

SHARE_CHANGE = 0.05
"""A smaller difference of a fraction of nulls is never reported."""


def nights_of_facts(asset: str, night: date) -> sa.Subquery:
    """A night and the earlier ones that have facts of an asset, as a subquery `known` with the column `night`."""
    columns = ingest_batch_facts.c
    return (
        sa.select(columns.night)
        .where(columns.asset == asset, columns.night <= night, columns.replaced_by.is_(None))
        .distinct()
        .order_by(columns.night.desc())
        .limit(COMPARED_NIGHTS + 1)
        .subquery("known")
    )


def unusual(value: float, earlier: NDArray[np.float64], *, smallest_spread: float) -> float | None:
    """Distance of a value from the median of earlier ones, in robust standard deviations.

    Parameters
    ----------
    value : float
        Value to assess.
    earlier : (n,) float64 array
        Values it is compared with.
    smallest_spread : float
        Lower bound of the standard deviation.

    Returns
    -------
    float or None
        Signed distance; None if there are fewer than `LEAST_NIGHTS` earlier values.

    Notes
    -----
    The median absolute deviation times 1.4826 estimates the standard deviation of a normal distribution.

    Examples
    --------
    >>> unusual(10.0, np.array([1.0, 2.0, 3.0, 2.0, 1.0, 2.0, 3.0]), smallest_spread=0.5)
    5.39...
    >>> unusual(10.0, np.array([1.0]), smallest_spread=0.5) is None
    True
    """
    if earlier.size < LEAST_NIGHTS:
        return None
    median = float(np.median(earlier))
    spread = 1.4826 * float(np.median(np.abs(earlier - median)))
    return (value - median) / max(spread, smallest_spread)


def has_ended(night: str) -> bool:
    """Whether no more alerts of a night can be expected: a day after its end."""
    return nights.time_window_for_partition_key(night).end + timedelta(days=1) < datetime.now(UTC)


def alerts_as_usual(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    """Compare alerts of a night and topic with earlier nights; while a night still grows, it can only have too many."""
    wanted = dates(keys)
    columns = ingest_batch_night.c
    rows = found.connection.execute(
        sa.select(ingest_batch.c.topic, columns.night, sa.func.sum(columns.stored))
        .join(ingest_batch, ingest_batch.c.ingestid == columns.ingestid)
        .where(ingest_batch.c.kind != "reprocess", columns.night <= wanted[-1])
        .where(columns.night >= wanted[0] - timedelta(days=3 * COMPARED_NIGHTS))
        .group_by(ingest_batch.c.topic, columns.night)
        .order_by(ingest_batch.c.topic, columns.night)
    ).all()
    counts: dict[str, dict[date, float]] = {}
    for topic, night, stored in rows:
        counts.setdefault(topic, {})[night] = float(stored)
    verdicts = {}
    for key in keys:
        night, deviating, compared = date.fromisoformat(key), [], 0
        for topic, by_night in counts.items():
            if night not in by_night:
                continue
            earlier = np.log10([1.0 + by_night[other] for other in by_night if other < night][-COMPARED_NIGHTS:])
            compared = max(compared, earlier.size)
            distance = unusual(float(np.log10(1.0 + by_night[night])), earlier, smallest_spread=SMALLEST_SPREAD)
            if distance is None or abs(distance) <= DEVIATIONS or (distance < 0 and not has_ended(key)):
                continue
            usual = 10 ** float(np.median(earlier)) - 1
            deviating.append(f"{by_night[night]:.0f} alerts of {topic}, usually {usual:.0f}")
        usually = f"as in {compared} earlier nights" if compared >= LEAST_NIGHTS else "too few nights"
        text = "; ".join(deviating) or usually
        verdicts[key] = Verdict(not deviating, text, AssetCheckSeverity.WARN, {"nights compared": compared})
    return verdicts


def nulls_as_usual(table: sa.Table) -> NightCheck:
    """A check of the fraction of nulls in every column of a table that describes the sky."""
    optional = [column for column in table.columns if column.nullable and column.name not in BOOKKEEPING]

    def judge(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
        verdicts = {}
        for key in keys:
            shares = _null_shares(found, table, optional, date.fromisoformat(key))
            verdicts[key] = _compare(key, shares, [column.name for column in optional])
        return verdicts

    asset = {"diasources": "sources", "diaforcedsources": "forced_sources"}[table.name]
    return NightCheck(
        asset,
        "nulls_as_usual",
        f"The fractions of nulls in {len(optional)} columns of {table.name} are like those of earlier nights.",
        judge,
        "read the announcements of the survey, and compare a packet of the night with one of an earlier night "
        "(`broker-assets packets show`)",
        live=False,
    )


def _null_shares(
    found: Evidence, table: sa.Table, optional: Sequence[sa.Column[object]], night: date
) -> dict[tuple[int, date], NDArray[np.float64]]:
    """Fractions of nulls by survey and night, for this night and the earlier ones in the ledger."""
    columns = ingest_batch_night.c
    known = (
        sa.select(columns.night)
        .where(columns.night <= night)
        .distinct()
        .order_by(columns.night.desc())
        .limit(COMPARED_NIGHTS + 1)
        .subquery("known")
    )
    sample = (
        sa.select(table.c.survey, *optional).where(table.c.night == known.c.night).limit(SAMPLED_ROWS).lateral("sample")
    )
    rows = found.connection.execute(
        sa.select(
            sample.c.survey,
            known.c.night,
            sa.func.count(),
            *(sa.func.count(sample.c[column.name]) for column in optional),
        )
        .select_from(known.join(sample, sa.true()))
        .group_by(sample.c.survey, known.c.night)
    ).all()
    return {(row[0], row[1]): 1.0 - np.array(row[3:], dtype=np.float64) / row[2] for row in rows}


def _compare(key: str, shares: Mapping[tuple[int, date], NDArray[np.float64]], names: Sequence[str]) -> Verdict:
    night, deviating, compared = date.fromisoformat(key), {}, 0
    for survey in {survey for survey, other in shares if other == night}:
        earlier = np.array([share for (s, other), share in sorted(shares.items()) if s == survey and other < night])
        compared = max(compared, len(earlier))
        if len(earlier) < LEAST_NIGHTS:
            continue
        for i, name in enumerate(names):
            now, median = float(shares[survey, night][i]), float(np.median(earlier[:, i]))
            distance = unusual(now, earlier[:, i], smallest_spread=SHARE_CHANGE / DEVIATIONS)
            if distance is not None and abs(distance) > DEVIATIONS:
                deviating[f"{name} (survey {survey})"] = f"{now:.1%} null, usually {median:.1%}"
    if deviating:
        shown = "; ".join(f"{name}: {what}" for name, what in list(deviating.items())[:10])
        return Verdict(False, shown, AssetCheckSeverity.WARN, {"columns": len(deviating), "nights compared": compared})
    text = f"as in {compared} earlier nights" if compared >= LEAST_NIGHTS else "too few nights to compare with"
    return Verdict(True, text, metadata={"nights compared": compared})


NIGHT_CHECKS = (
    NightCheck(
        "sources",
        "alerts_as_usual",
        "The number of alerts of each topic is like that of earlier nights.",
        alerts_as_usual,
        "compare with the survey's log of the night; if alerts are missing here only, look at the lag of the stream",
        live=False,
    ),
    nulls_as_usual(diasources),
    nulls_as_usual(diaforcedsources),
)
"""Comparisons with earlier nights."""

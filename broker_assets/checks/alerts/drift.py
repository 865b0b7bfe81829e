"""Whether values of a night are distributed as on earlier nights: medians, and fractions of rows that have a value."""

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
    unusual,
)
from broker_assets.checks.definition import Evidence, Verdict

RELATIVE_CHANGE = 0.1
"""A smaller relative change of a median is never reported."""


def as_usual(
    found: Evidence,
    table: sa.Table,
    names: Sequence[str],
    night: date,
    known: sa.Subquery,
    *,
    what: str,
    only: sa.ColumnElement[bool] | None = None,
) -> Verdict:
    """Compare medians and fractions of a night with those of earlier nights, in a sample of each.

    Parameters
    ----------
    found : Evidence
        The database.
    table : Table
        Table with `night` and the columns.
    names : sequence of str
        Columns that are compared.
    night : date
        The night.
    known : Subquery
        Subquery with the column `night`: the night, and the earlier ones with which it is compared.
    what : str
        What the rows are called in messages.
    only : ColumnElement, optional
        Which rows count.
    """
    statistics = _statistics(found, table, names, known, only)
    if night not in statistics:
        return Verdict(True, f"no {what}")
    now, earlier = statistics[night], [statistics[other] for other in sorted(statistics) if other < night]
    if len(earlier) < LEAST_NIGHTS:
        return Verdict(True, "too few nights to compare with", metadata={"nights compared": len(earlier)})
    deviating = {}
    for name in names:
        shares = np.array([_share(item, name) for item in earlier])
        distance = unusual(_share(now, name), shares, smallest_spread=SHARE_CHANGE / DEVIATIONS)
        if distance is not None and abs(distance) > DEVIATIONS:
            deviating[f"share with {name}"] = f"{_share(now, name):.1%}, usually {np.median(shares):.1%}"
        medians = np.array([item[f"median {name}"] for item in earlier if item[f"median {name}"] is not None], float)
        median = now[f"median {name}"]
        if median is None or medians.size < LEAST_NIGHTS:
            continue
        usual = float(np.median(medians))
        spread = max(RELATIVE_CHANGE * abs(usual), 1e-6) / DEVIATIONS
        distance = unusual(float(median), medians, smallest_spread=spread)
        if distance is not None and abs(distance) > DEVIATIONS:
            deviating[f"median {name}"] = f"{median:.3g}, usually {usual:.3g}"
    text = "; ".join(f"{name}: {said}" for name, said in deviating.items()) or f"as in {len(earlier)} earlier nights"
    return Verdict(not deviating, text, AssetCheckSeverity.WARN, {"nights compared": len(earlier)})


def _statistics(
    found: Evidence,
    table: sa.Table,
    names: Sequence[str],
    known: sa.Subquery,
    only: sa.ColumnElement[bool] | None,
) -> dict[date, Mapping[str, float | None]]:
    """Median of each column, and fraction of rows with a value, in a sample of each night."""
    chosen = sa.select(*(table.c[name] for name in names)).where(table.c.night == known.c.night)
    if only is not None:
        chosen = chosen.where(only)
    sample = chosen.limit(SAMPLED_ROWS).lateral()
    measured = [sa.func.count().label("rows")]
    for name in names:
        measured.append(sa.func.percentile_cont(0.5).within_group(sample.c[name]).label(f"median {name}"))
        measured.append(sa.func.count(sample.c[name]).label(f"share {name}"))
    rows = found.connection.execute(
        sa.select(known.c.night, *measured).select_from(known.join(sample, sa.true())).group_by(known.c.night)
    )
    return {row.night: dict(row._mapping) for row in rows}


def _share(item: Mapping[str, float | None], name: str) -> float:
    return float(item[f"share {name}"] or 0) / float(item["rows"] or 1)

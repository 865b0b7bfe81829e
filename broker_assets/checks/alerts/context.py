"""Sky context of the alerts of a night: finite and in range, and classes in the usual proportions.

Proportions may change because of the survey (another field) or because a catalogue is missing: without one, all alerts
become orphans.
"""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import sqlalchemy as sa
from dagster import AssetCheckSeverity

from broker_assets.checks.alerts.columns import violated
from broker_assets.checks.alerts.unusual_nights import (
    COMPARED_NIGHTS,
    DEVIATIONS,
    LEAST_NIGHTS,
    SAMPLED_ROWS,
    SHARE_CHANGE,
    unusual,
)
from broker_assets.checks.definition import Evidence, NightCheck, Verdict, dates
from broker_assets.context.rules import CLASSES, ORPHAN
from broker_assets.database.tables import associations, context_matches, ingest_batch_facts

RANGES: dict[str, tuple[float, float]] = {
    "ra": (0.0, 360.0),
    "decl": (-90.0, 90.0),
    "radeg": (0.0, 360.0),
    "decdeg": (-90.0, 90.0),
    "separationarcsec": (0.0, 36_000.0),
    "physical_separation_kpc": (0.0, np.inf),
    "direct_distance": (0.0, np.inf),
    "best_distance": (0.0, np.inf),
    "z": (-0.1, 20.0),
    "zerr": (0.0, np.inf),
    "photoz": (-0.1, 20.0),
    "photozerr": (0.0, np.inf),
    "magerr": (0.0, np.inf),
    "major_axis_arcsec": (0.0, np.inf),
    "classificationreliability": (1, 3),
}
"""Values that columns may have; other numbers must only be finite."""

_RULES = {
    column.name: violated(column, *RANGES.get(column.name, (-np.inf, np.inf)))
    for column in associations.columns
    if isinstance(column.type, sa.Float) or column.name in RANGES
}
_JOINED = context_matches.join(
    associations,
    sa.and_(
        context_matches.c.diaobjectid == associations.c.diaobjectid,
        context_matches.c.associationid == associations.c.associationid,
    ),
)


def context_in_range(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    """Count values that are not finite or out of range, and classes that do not exist."""
    wrong = {**_RULES, "classification": associations.c.classification.not_in([*CLASSES, ORPHAN])}
    rows = found.connection.execute(
        sa.select(
            context_matches.c.night,
            sa.func.count().label("rows"),
            *(sa.func.count().filter(condition).label(f"wrong {name}") for name, condition in wrong.items()),
        )
        .select_from(_JOINED)
        .where(context_matches.c.night.in_(dates(keys)))
        .group_by(context_matches.c.night)
    )
    verdicts = {}
    for row in rows:
        counts = row._mapping
        bad = {name: counts[f"wrong {name}"] for name in wrong if counts[f"wrong {name}"]}
        text = "; ".join(f"{name} in {number}" for name, number in bad.items()) or f"{counts['rows']} rows"
        said = f"of {counts['rows']} rows out of range: {text}" if bad else text
        verdicts[row.night.isoformat()] = Verdict(not bad, said, AssetCheckSeverity.WARN, {"rows": counts["rows"]})
    return verdicts


def context_as_usual(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    """Compare the fraction of each class, and of alerts without one, with earlier nights."""
    return {key: _as_usual(_shares(found, date.fromisoformat(key)), date.fromisoformat(key)) for key in keys}


def _shares(found: Evidence, night: date) -> dict[date, dict[str, float]]:
    """Fraction of each class among the alerts of this night and of earlier ones; the rest has no class."""
    columns = ingest_batch_facts.c
    alerts = (
        sa.select(columns.night, sa.func.sum(columns.rows).label("rows"))
        .where(columns.asset == "object_features", columns.night <= night, columns.replaced_by.is_(None))
        .group_by(columns.night)
        .order_by(columns.night.desc())
        .limit(COMPARED_NIGHTS + 1)
        .subquery()
    )
    sample = (
        sa.select(context_matches.c.diaobjectid, context_matches.c.associationid)
        .where(context_matches.c.night == alerts.c.night)
        .limit(SAMPLED_ROWS)
        .lateral()
    )
    rows = found.connection.execute(
        sa.select(alerts.c.night, alerts.c.rows, associations.c.classification, sa.func.count(sample.c.diaobjectid))
        .select_from(
            alerts.outerjoin(sample, sa.true()).outerjoin(
                associations,
                sa.and_(
                    associations.c.diaobjectid == sample.c.diaobjectid,
                    associations.c.associationid == sample.c.associationid,
                ),
            )
        )
        .group_by(alerts.c.night, alerts.c.rows, associations.c.classification)
    ).all()
    shares: dict[date, dict[str, float]] = {}
    for day, number, label, count in rows:
        of_night = shares.setdefault(day, dict.fromkeys((*CLASSES, ORPHAN), 0.0))
        if label is not None:
            of_night[label] = float(count) / max(min(float(number), SAMPLED_ROWS), 1.0)
    for of_night in shares.values():
        of_night["no class"] = 1.0 - sum(of_night.values())
    return shares


def _as_usual(shares: Mapping[date, Mapping[str, float]], night: date) -> Verdict:
    if night not in shares:
        return Verdict(True, "no alerts")
    now, earlier = shares[night], [shares[other] for other in sorted(shares) if other < night]
    said = {f"share of {name}": round(share, 4) for name, share in now.items() if share}
    if len(earlier) < LEAST_NIGHTS:
        return Verdict(True, "too few nights to compare with", metadata={"nights compared": len(earlier), **said})
    deviating = []
    for name, share in now.items():
        usual = np.array([item[name] for item in earlier])
        distance = unusual(share, usual, smallest_spread=SHARE_CHANGE / DEVIATIONS)
        if distance is not None and abs(distance) > DEVIATIONS:
            deviating.append(f"{name}: {share:.1%}, usually {np.median(usual):.1%}")
    text = "; ".join(deviating) or f"as in {len(earlier)} earlier nights"
    return Verdict(not deviating, text, AssetCheckSeverity.WARN, {"nights compared": len(earlier), **said})


NIGHT_CHECKS = (
    NightCheck(
        "context_matches",
        "context_in_range",
        "Every number of an association is finite and within the values that it may have, every class is known.",
        context_in_range,
        "See which catalogues a row comes from (`broker-assets why context_matches`) and load them again with a"
        " mapping that has the right units.",
    ),
    NightCheck(
        "context_matches",
        "context_as_usual",
        "The shares of the classes, and of alerts without one, are like those of earlier nights.",
        context_as_usual,
        "Look at `broker-assets catalogues list`: a catalogue may be missing; or the survey looked at another field.",
        live=False,
    ),
)
"""Checks of the context of alerts."""

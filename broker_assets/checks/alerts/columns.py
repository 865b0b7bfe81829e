"""Allowed values of a column, derived from its declaration.

No check is written by hand here: the rules follow from names, units and comments of `broker_assets.database.tables`,
so a new column is checked from its first night on. Each check is one pass over the rows of its nights.
What the database itself rejects (nulls in keys, duplicate keys) needs no check.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa
from dagster import AssetCheckSeverity

from broker_assets.checks.definition import Evidence, NightCheck, Verdict, dates
from broker_assets.database.point_identity import MJD_MAXIMUM, MJD_MINIMUM
from broker_assets.database.tables import BANDS, BOOKKEEPING, diaforcedsources, diasources, objects

ESSENTIAL = frozenset({"ra", "decl", "midpointmjdtai", "band"})
"""Columns without which a row cannot be used; a wrong value in another column is a warning."""

MJD_RANGE = (MJD_MINIMUM, MJD_MAXIMUM)
"""A time outside this range must be in another unit or scale; no packet with such a time of its own is stored."""

Rule = tuple[str, sa.ColumnElement[bool]]
"""Description of the rule for a column, and the condition that violates it (null is not a violation)."""


def rule(column: sa.Column[object]) -> Rule | None:
    """The rule for a column, or None if nothing follows from its declaration.

    Examples
    --------
    >>> rule(sa.Column("decl", sa.Double(), info={"unit": "deg, ICRS"}))[0]
    'within [-90, 90]'
    >>> rule(sa.Column("psffluxerr", sa.REAL(), comment="uncertainty of psfFlux [nJy]"))[0]
    'not negative'
    >>> rule(sa.Column("psfflux", sa.REAL())) is None
    True
    """
    found = _range(column)
    if found is None or column.name in ESSENTIAL or not isinstance(column.type, sa.Float):
        return found
    # Surveys write NaN for values that were not measured; this is a violation only where a value is essential.
    words, violated = found
    return words, sa.and_(violated, column != _NAN)


_NAN: sa.ColumnElement[float] = sa.literal_column("'NaN'::float8")


def _range(column: sa.Column[object]) -> Rule | None:
    unit, comment = column.info.get("unit", ""), column.comment or ""
    if unit == "deg, ICRS":
        if column.name.endswith(("decl", "dec")):
            return "within [-90, 90]", sa.not_(column.between(-90.0, 90.0))
        # NaN is greater than every number in PostgreSQL.
        return "within [0, 360)", sa.or_(column < 0.0, column >= 360.0)
    if unit == "d, MJD TAI":
        return f"within {list(MJD_RANGE)}", sa.not_(column.between(*MJD_RANGE))
    if column.name == "band":
        return f"one of {', '.join(BANDS)}", column.not_in(BANDS)
    if "0 to 1" in comment:
        return "within [0, 1]", sa.not_(column.between(0.0, 1.0))
    if comment.startswith("uncertainty of"):
        return "not negative", column < 0.0
    return None


def rules(table: sa.Table) -> dict[str, Rule]:
    """The rules for a table, by column; bookkeeping columns have none."""
    found = {column.name: rule(column) for column in table.columns if column.name not in BOOKKEEPING}
    return {name: item for name, item in found.items() if item is not None}


def violated(column: sa.Column[Any], low: float, high: float) -> sa.ColumnElement[bool]:
    """Whether a value is not finite or out of range; null is neither."""
    wrong: list[sa.ColumnElement[bool]] = []
    if isinstance(column.type, sa.Float):
        wrong.append(
            column.in_([sa.literal_column(f"'{value}'::float8") for value in ("NaN", "Infinity", "-Infinity")])
        )
    if np.isfinite(low):
        wrong.append(column < low)
    if np.isfinite(high):
        wrong.append(column > high)
    return sa.or_(*wrong)


def violations(
    table: sa.Table, asked: Mapping[str, Rule]
) -> Callable[[Evidence, Sequence[str]], Mapping[str, Verdict]]:
    """Return a function that counts violations of rules, by column, in the rows of some nights."""

    def judge(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
        statement = (
            sa.select(
                table.c.night,
                sa.func.count().label("rows"),
                *(sa.func.count().filter(condition).label(name) for name, (_, condition) in asked.items()),
            )
            .where(table.c.night.in_(dates(keys)))
            .group_by(table.c.night)
        )
        return {row.night.isoformat(): _verdict(row, asked) for row in found.connection.execute(statement)}

    return judge


def _verdict(row: sa.Row[tuple[object, ...]], asked: Mapping[str, Rule]) -> Verdict:
    counts = row._mapping
    wrong = {name: counts[name] for name in asked if counts[name]}
    if not wrong:
        return Verdict(True, f"{counts['rows']} rows", metadata={"rows": counts["rows"], "rules": len(asked)})
    worst = sorted(wrong, key=lambda name: -wrong[name])
    shown = "; ".join(f"{name} not {asked[name][0]} in {wrong[name]}" for name in worst[:10])
    severity = AssetCheckSeverity.ERROR if wrong.keys() & ESSENTIAL else AssetCheckSeverity.WARN
    return Verdict(False, f"of {counts['rows']} rows: {shown}", severity, {"violations": wrong})


NIGHT_CHECKS = tuple(
    NightCheck(
        asset,
        "columns_in_range",
        f"{len(rules(table))} columns of {table.name} have only values that their declaration allows.",
        violations(table, rules(table)),
        "read the announcements of the survey; a column with another unit needs a change in `packets/surveys`",
        # The objects of a night have no index: a pass over all of them belongs in the nightly job.
        live=table is not objects,
    )
    for asset, table in (("sources", diasources), ("forced_sources", diaforcedsources), ("objects", objects))
)
"""One check per table."""

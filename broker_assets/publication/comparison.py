"""Whether a file looks worse than the one that the archive has: fewer rows, more NaN, less time, missing columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from broker_assets.publication.content import Facts, covered_seconds
from broker_assets.publication.selection import Rules

EDGE: Final = 1.0
"""Seconds by which an interval may move: a better clock kernel moves all times by milliseconds."""


def worse(new: Facts, delivered: Facts, rules: Rules) -> list[str]:
    """List the reasons against a new version.

    Parameters
    ----------
    new, delivered : Facts
        Facts of the file to deliver, and of the one in the archive.
    rules : Rules
        Rules with the tolerances.

    Returns
    -------
    list of str
        One sentence per reason; empty if there are none.

    Examples
    --------
    >>> worse(Facts(rows=90), Facts(rows=100), Rules())
    ['90 rows, the delivered file has 100']
    >>> worse(Facts(rows=90), Facts(rows=100), Rules(tolerated_row_loss=0.1))
    []
    """
    found = []
    if delivered.rows - new.rows > rules.tolerated_row_loss * delivered.rows:
        found.append(f"{new.rows} rows, the delivered file has {delivered.rows}")
    for column, before in delivered.nan.items():
        after = new.nan.get(column)
        if after is None:
            found.append(f"column {column} is missing")
        elif after - before > rules.tolerated_nan_increase:
            found.append(f"column {column} has {after:.1%} NaN, the delivered file has {before:.1%}")
    whole = covered_seconds(delivered.covered)
    lost = whole - overlap(delivered.covered, new.covered)
    if whole > 0 and lost > rules.tolerated_coverage_loss * whole + 1e-6:
        found.append(f"{lost:.1f} s of the {whole:.1f} s of the delivered file are not covered")
    return found


def overlap(old: Sequence[tuple[float, float]], new: Sequence[tuple[float, float]]) -> float:
    """Seconds of `old` that `new` covers; each interval of `new` is extended by a second at both ends.

    Parameters
    ----------
    old, new : sequence of (begin, end)
        Both sorted and disjoint.

    Examples
    --------
    >>> overlap([(0.0, 100.0)], [(-5.0, 40.0), (60.0, 99.5)])
    82.0
    """
    wide: list[tuple[float, float]] = []
    for begin, end in new:
        begin, end = begin - EDGE, end + EDGE
        if wide and begin <= wide[-1][1]:
            wide[-1] = (wide[-1][0], max(end, wide[-1][1]))
        else:
            wide.append((begin, end))
    total, at = 0.0, 0
    for begin, end in old:
        while at < len(wide) and wide[at][1] <= begin:
            at += 1
        i = at
        while i < len(wide) and wide[i][0] < end:
            total += max(0.0, min(end, wide[i][1]) - max(begin, wide[i][0]))
            i += 1
    return total

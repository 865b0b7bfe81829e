"""Links between objects of different surveys: symmetric, between existing objects, and with the right separations."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from dagster import AssetCheckSeverity

from broker_assets.checks.definition import Evidence, NightCheck, Verdict, dates

_WRONG = sa.text(
    "SELECT link.night, count(*) AS rows, count(*) FILTER (WHERE back.diaobjectid IS NULL) AS one_way,"
    " count(*) FILTER (WHERE one.diaobjectid IS NULL OR other.diaobjectid IS NULL) AS gone,"
    " count(*) FILTER (WHERE one.survey <> link.survey OR other.survey <> link.linkedsurvey"
    " OR link.survey = link.linkedsurvey) AS surveys, count(*) FILTER (WHERE NOT link.arcsec >= 0) AS separations"
    " FROM object_link AS link"
    " LEFT JOIN object_link AS back ON back.diaobjectid = link.linkedid AND back.linkedid = link.diaobjectid"
    " LEFT JOIN objects AS one ON one.diaobjectid = link.diaobjectid"
    " LEFT JOIN objects AS other ON other.diaobjectid = link.linkedid"
    " WHERE link.night = ANY(:nights) GROUP BY link.night"
)
_MEANING = {
    "one_way": "links without the one back",
    "gone": "links of objects that are not stored",
    "surveys": "links of one survey, or with another survey than that of the object",
    "separations": "links without a separation",
}


def links_hold(found: Evidence, keys: Sequence[str]) -> Mapping[str, Verdict]:
    """Count invalid links of some nights."""
    rows = found.connection.execute(_WRONG, {"nights": dates(keys)}).mappings()
    return {row["night"].isoformat(): _verdict(row) for row in rows}


def _verdict(row: Mapping[Any, Any]) -> Verdict:
    wrong = {name: row[name] for name in _MEANING if row[name]}
    text = "; ".join(f"{count} {_MEANING[name]}" for name, count in wrong.items()) or f"{row['rows']} links"
    return Verdict(not wrong, text, AssetCheckSeverity.WARN, {"links": row["rows"]})


NIGHT_CHECKS = (
    NightCheck(
        "object_link",
        "links_hold",
        "Links go both ways, between stored objects of different surveys.",
        links_hold,
        "Materialise the night of object_link again; if that does not help, the code is wrong.",
        # The links of a night are made after the drain runs.
        live=False,
    ),
)
"""Checks of links."""

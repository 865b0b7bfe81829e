"""Alerts of the first campaign, reconstructed by rules that differ from those of the second.

An alert has all earlier detections of its object, and, if the first one is more than half a day old, the forced
photometry from 30 days before the first one on.
"""

# ruff: noqa: S608 - every query consists of constants of this module

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import dict_row

from broker_assets.tom.survey.reconstruction import BEFORE_FIRST_DAYS, FORCED_AFTER_DAYS

_CHOSEN: Final = (
    'WITH chosen AS MATERIALIZED (SELECT alert."alertId", source.*, (SELECT min("midPointTai") FROM'
    ' elasticc_diasource AS first WHERE first."diaObjectId" = source."diaObjectId") AS first FROM'
    ' elasticc_diaalert AS alert JOIN elasticc_diasource AS source ON source."diaSourceId" = alert."diaSourceId"'
    ' WHERE alert."alertId" = ANY(%(alerts)s)) '
)
_SOURCES: Final = _CHOSEN + "SELECT * FROM chosen"
_EARLIER: Final = (
    _CHOSEN + 'SELECT chosen."alertId", earlier.* FROM chosen JOIN elasticc_diasource AS earlier'
    ' ON earlier."diaObjectId" = chosen."diaObjectId" AND earlier."midPointTai" < chosen."midPointTai"'
    ' ORDER BY earlier."midPointTai", earlier."diaSourceId"'
)
_FORCED: Final = (
    _CHOSEN + 'SELECT chosen."alertId", forced.* FROM chosen JOIN elasticc_diaforcedsource AS forced'
    ' ON forced."diaObjectId" = chosen."diaObjectId" AND chosen."midPointTai" - chosen.first > %(after)s'
    ' AND forced."midPointTai" >= chosen.first - %(before)s AND forced."midPointTai" < chosen."midPointTai"'
    ' ORDER BY forced."midPointTai", forced."diaForcedSourceId"'
)
_OBJECTS: Final = _CHOSEN + (
    'SELECT DISTINCT thing.* FROM chosen JOIN elasticc_diaobject AS thing ON thing."diaObjectId" = chosen."diaObjectId"'
)


def alert_documents(connection: psycopg.Connection[Any], alerts: Sequence[int]) -> list[dict[str, Any]]:
    """Reconstruct alerts.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    alerts : sequence of int
        Their numbers; those that do not exist are left out.

    Returns
    -------
    list of dict
        In the order of `alerts`, with the names of schema 0.9.
    """
    values = {"alerts": list(alerts), "after": FORCED_AFTER_DAYS, "before": BEFORE_FIRST_DAYS}

    def rows(query: LiteralString) -> list[dict[str, Any]]:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(query, values).fetchall()

    found: dict[int, dict[str, Any]] = {}
    objects = {row["diaObjectId"]: row for row in rows(_OBJECTS)}
    for source in rows(_SOURCES):
        del source["first"]
        alert = source.pop("alertId")
        found[alert] = {
            "alertId": alert, "diaSource": source, "prvDiaSources": [], "prvDiaForcedSources": [],
            "prvDiaNonDetectionLimits": [], "diaObject": objects.get(source["diaObjectId"]),
            "cutoutDifference": None, "cutoutTemplate": None,
        }  # fmt: skip
    for name, query in (("prvDiaSources", _EARLIER), ("prvDiaForcedSources", _FORCED)):
        for row in rows(query):
            found[row.pop("alertId")][name].append(row)
    return [found[alert] for alert in alerts if alert in found]

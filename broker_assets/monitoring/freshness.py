"""Missed freshness targets: assets that were overdue, and until when."""

from __future__ import annotations

import datetime
from typing import Any, Final

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel

MOST: Final = 100
PROMISES: Final = ("fresh", "published_as_due", "filters_ran")
"""Checks of telemetry products, deliveries and annotations that are freshness targets, too; that of alerts is checked
by the canary."""


class Miss(BaseModel):
    """An asset that was not updated within its freshness policy, or a canary that was too late."""

    asset: str
    what: str
    """What was reported: the target, and by how much it was missed."""
    since: datetime.datetime
    """Beginning of the latest period in which it was seen overdue."""
    until: datetime.datetime | None
    """When it became fresh again; None while it is overdue."""
    count: int
    """How often it was seen overdue."""
    link: str
    """Page of the asset."""


def misses(connection: psycopg.Connection[Any], *, days: int = 30) -> list[Miss]:
    """Return the assets that are overdue, then those that were in the last days, latest first.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to the database.
    days : int
        Maximum number of days since the end.
    """
    with connection.cursor(row_factory=class_row(Miss)) as cursor:
        cursor.execute(
            "SELECT asset, subject AS what, first_at AS since, ended_at AS until, count, link FROM notification"
            " WHERE (kind IN ('freshness', 'canary') OR kind = 'check' AND detail = ANY (%s))"
            " AND (ended_at IS NULL OR ended_at > now() - %s * interval '1 day')"
            " ORDER BY ended_at IS NOT NULL, ended_at DESC, first_at DESC, asset LIMIT %s",
            (list(PROMISES), days, MOST),
        )
        return cursor.fetchall()

"""Reads annotations for users."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row


def counts(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Number of objects with an annotation from each annotator, by topic."""
    return dict(connection.execute("SELECT topic, count(*) FROM annotations GROUP BY topic").fetchall())


def annotated_objects(connection: psycopg.Connection[Any], topic: str, *, limit: int) -> list[dict[str, Any]]:
    """Current annotations from an annotator, the newest first: `diaobjectid`, `classification`, `version`,
    `explanation`, `classdict`, `url`, and `timestamp` (time of arrival)."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT diaobjectid, classification, version, explanation, classdict, url, timestamp FROM annotations"
            " WHERE topic = %s ORDER BY annotationid DESC LIMIT %s",
            (topic, limit),
        ).fetchall()

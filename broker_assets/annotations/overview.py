"""What annotators have said, as people look at it. Reading only."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.rows import dict_row


def counts(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Objects that have an annotation of each annotator, by topic."""
    return dict(connection.execute("SELECT topic, count(*) FROM annotations GROUP BY topic").fetchall())


def annotated_objects(connection: psycopg.Connection[Any], topic: str, *, limit: int) -> list[dict[str, Any]]:
    """Annotations of an annotator as they are now, the newest first: `diaobjectid`, `classification`, `version`,
    `explanation`, `classdict`, `url`, and `timestamp` when it came."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(
            "SELECT diaobjectid, classification, version, explanation, classdict, url, timestamp FROM annotations"
            " WHERE topic = %s ORDER BY annotationid DESC LIMIT %s",
            (topic, limit),
        ).fetchall()

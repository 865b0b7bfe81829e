"""Costs of runs: processor seconds, rows and bytes, recorded for each run and shown as a history by asset."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Sequence
from typing import Any

import psutil
import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict


class Cost(BaseModel):
    """What a run used for an asset, or in a stage."""

    model_config = ConfigDict(frozen=True)

    asset: str = ""
    """Asset; empty for the whole run."""
    stage: str = ""
    """Stage; empty for all stages."""
    seconds: float | None = None
    processor_seconds: float | None = None
    rows: int | None = None
    bytes: int | None = None


class Total(BaseModel):
    """Costs of an asset on a day."""

    day: str
    asset: str
    stage: str
    runs: int
    seconds: float | None
    processor_seconds: float | None
    rows: int | None
    bytes: int | None

    @property
    def processor_seconds_per_million_rows(self) -> float | None:
        """None if either is unknown."""
        if not self.rows or self.processor_seconds is None:
            return None
        return 1e6 * self.processor_seconds / self.rows


class Meter:
    """Time since it was last read, of this process and of programs that have ended under it."""

    def __init__(self) -> None:
        self._process = 0
        self._clock = self._processor = 0.0

    def read(self) -> tuple[float, float]:
        """Seconds and processor seconds since the last call, or since the start of the process, imports included."""
        now, processor = time.time(), processor_seconds()
        if self._process != os.getpid():  # a forked process starts from zero
            self._process, self._clock, self._processor = os.getpid(), psutil.Process().create_time(), 0.0
        found = max(now - self._clock, 0.0), max(processor - self._processor, 0.0)
        self._clock, self._processor = now, processor
        return found


METER = Meter()
"""The meter of this process; each run has its own process."""


def processor_seconds() -> float:
    """Processor time of this process since its start, and of its children that have ended."""
    used = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def record(connection: psycopg.Connection[Any], run_id: str, costs: Sequence[Cost]) -> None:
    """Add what a run cost; several reports of a run are added up."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO run_costs AS known (run_id, asset, stage, seconds, processor_seconds, rows, bytes)"
            " VALUES (%(run_id)s, %(asset)s, %(stage)s, %(seconds)s, %(processor_seconds)s, %(rows)s, %(bytes)s)"
            " ON CONFLICT (run_id, asset, stage) DO UPDATE SET at = now(),"
            " seconds = coalesce(known.seconds + excluded.seconds, excluded.seconds, known.seconds),"
            " processor_seconds = coalesce(known.processor_seconds + excluded.processor_seconds,"
            "  excluded.processor_seconds, known.processor_seconds),"
            " rows = coalesce(known.rows + excluded.rows, excluded.rows, known.rows),"
            " bytes = coalesce(known.bytes + excluded.bytes, excluded.bytes, known.bytes)",
            [{"run_id": run_id, **cost.model_dump()} for cost in costs],
        )


def history(
    connection: psycopg.Connection[Any], *, days: int = 30, asset: str | None = None, most: int = 1000
) -> list[Total]:
    """Costs of each asset and stage by day (UTC), the newest day and the most expensive asset first.

    Parameters
    ----------
    connection : psycopg.Connection
    days : int
        Number of days.
    asset : str, optional
        Only this asset.
    most : int
        Rows, at most."""
    with connection.cursor(row_factory=class_row(Total)) as cursor:
        return cursor.execute(
            "SELECT (at AT TIME ZONE 'UTC')::date::text AS day, asset, stage, count(*) AS runs,"
            " sum(seconds) AS seconds, sum(processor_seconds) AS processor_seconds,"
            " sum(rows)::bigint AS rows, sum(bytes)::bigint AS bytes"
            " FROM run_costs WHERE at > now() - %(days)s * interval '1 day'"
            " AND (%(asset)s::text IS NULL OR asset = %(asset)s)"
            " GROUP BY 1, 2, 3 ORDER BY 1 DESC, max(processor_seconds) DESC NULLS LAST, 2, 3 LIMIT %(most)s",
            {"days": days, "asset": asset, "most": most},
        ).fetchall()


def prune(connection: psycopg.Connection[Any], *, days: int) -> int:
    """Remove what was recorded more than this number of days ago; return the number of rows."""
    return connection.execute("DELETE FROM run_costs WHERE at < now() - %s * interval '1 day'", (days,)).rowcount

"""Nights of the alert stream: what was stored, quarantined and lost in each, and whether the night is complete.

A message that cannot be read, or that Kafka deleted, has no night of its own. Quarantined messages count for the night
in which they reached Kafka, lost ones for the first night of the batch that found them missing.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import psycopg
from psycopg.rows import class_row

from broker_assets.packets.nights import NOON_UTC_HOURS
from broker_assets.provenance.versions import Stale

State = Literal["complete", "stale", "held", "lost", "running", "not observed", "not received"]

MEANINGS: Final[Mapping[State, str]] = {
    "complete": "every message was stored",
    "stale": "something made from its alerts is out of date",
    "held": "messages wait in quarantine",
    "lost": "Kafka deleted messages before they were read",
    "running": "the night is not over",
    "not observed": "no alert; the stream was read past this night without a gap",
    "not received": "no alert has come, and nothing shows that there was none",
}
"""States of a night; if several apply, the worst counts."""
GLYPHS: Final[Mapping[State, str]] = {
    "complete": "✓", "stale": "↻", "held": "‖", "lost": "✗", "running": "▶", "not observed": "–", "not received": "○",
}  # fmt: skip
NOON: Final = NOON_UTC_HOURS["rubin"]
"""Hour (UTC) at which a night begins for anything without an observatory of its own."""


@dataclass(frozen=True)
class NightAccount:
    """What is known of a night."""

    night: datetime.date
    """Date of its evening."""
    state: State
    alerts: int = 0
    """Alerts stored, from Kafka and from quarantine; a reprocessing adds none."""
    duplicates: int = 0
    sources: int = 0
    """Rows of `diasources`."""
    forced_sources: int = 0
    """Rows of `diaforcedsources`."""
    solar_system_sources: int = 0
    """Rows of `sssources`."""
    quarantined: int = 0
    """Messages that could not be read when they arrived."""
    waiting: int = 0
    """Quarantined messages that are still waiting."""
    lost: int = 0
    """Messages that Kafka deleted before they were read."""
    stale: int = 0
    """Artefacts of the night that are out of date."""

    @property
    def glyph(self) -> str:
        """Sign of the state."""
        return GLYPHS[self.state]

    @property
    def meaning(self) -> str:
        """The state in a few words."""
        return MEANINGS[self.state]


@dataclass(frozen=True)
class TopicShare:
    """What a topic contributed to a night."""

    topic: str
    batches: int
    stored: int
    duplicate: int
    sources: int
    forced_sources: int
    first_at: datetime.datetime | None
    """End of the first batch."""
    last_at: datetime.datetime | None
    """End of the last batch."""
    latency_max: float | None
    """Longest time from Kafka to commit in these batches, seconds."""


@dataclass(frozen=True)
class NightArtefact:
    """Something that was made for a night."""

    asset: str
    code_version: str
    made_at: datetime.datetime
    reason: str = ""
    """Why it is out of date; empty if it is not."""


_COUNTS: Final = (
    "SELECT night, sum(entry.stored), sum(entry.duplicate), sum(entry.sources), sum(entry.forced_sources),"
    " sum(solar_system_sources) FROM ingest_batch_night AS entry JOIN ingest_batch AS batch USING (ingestid)"
    " WHERE kind <> 'reprocess' AND night BETWEEN %(first)s AND %(last)s GROUP BY night"
)
_CAME: Final = (
    "(coalesce(kafka_timestamp, quarantine.created_at) AT TIME ZONE 'UTC' - %(noon)s * interval '1 hour')::date"
)
_QUARANTINED: Final = (
    f"SELECT {_CAME} AS night, count(*), count(*) FILTER (WHERE state IN ('open', 'retried'))"  # noqa: S608
    " FROM quarantine JOIN ingest_batch AS batch USING (ingestid) WHERE kind = 'stream'"
    f" AND {_CAME} BETWEEN %(first)s AND %(last)s GROUP BY 1"
)
_GAPS: Final = (
    "SELECT sum(greatest(gap.next_offset - gap.first_offset, 0)),"
    " (SELECT max(night) FROM ingest_batch_night JOIN ingest_batch AS other USING (ingestid)"
    "  WHERE other.topic = gap.topic AND other.kind = 'stream' AND other.ingestid < gap.ingestid) AS before,"
    " coalesce((SELECT min(night) FROM ingest_batch_night WHERE ingestid = gap.ingestid),"
    "  (min(gap.created_at) AT TIME ZONE 'UTC' - %(noon)s * interval '1 hour')::date) AS found"
    " FROM stream_gap AS gap JOIN ingest_batch AS batch USING (ingestid) WHERE kind = 'stream'"
    " GROUP BY gap.topic, gap.ingestid"
)


def night_at(now: datetime.datetime) -> datetime.date:
    """The night that an instant belongs to.

    Parameters
    ----------
    now : datetime
        With a time zone.

    Examples
    --------
    >>> noon = datetime.datetime(2026, 11, 27, 16, tzinfo=datetime.UTC)
    >>> str(night_at(noon)), str(night_at(noon - datetime.timedelta(seconds=1)))
    ('2026-11-27', '2026-11-26')
    """
    return (now.astimezone(datetime.UTC) - datetime.timedelta(hours=NOON)).date()


def span(connection: psycopg.Connection[Any]) -> tuple[datetime.date, datetime.date] | None:
    """First and newest night with an alert; None if there is none."""
    row = connection.execute("SELECT min(night), max(night) FROM ingest_batch_night").fetchone()
    return (row[0], row[1]) if row is not None and row[0] is not None else None


def stale_of(stale: Iterable[Stale]) -> dict[str, int]:
    """Number of artefacts that are out of date, by partition."""
    found: dict[str, int] = {}
    for item in stale:
        found[item.partition] = found.get(item.partition, 0) + 1
    return found


def accounts(
    connection: psycopg.Connection[Any],
    first: datetime.date,
    last: datetime.date,
    *,
    now: datetime.datetime,
    stale: Mapping[str, int] | None = None,
) -> list[NightAccount]:
    """Return the account of each night of an interval, newest first.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to the database.
    first, last : date
        Both are included. Nights before the first one with an alert, and after the current one, are left out.
    now : datetime
        The current time, with a time zone; its night is still in progress.
    stale : mapping, optional
        See `stale_of`.

    Returns
    -------
    list of NightAccount
        Empty if no alert is stored.

    Notes
    -----
    Kafka keeps the order of messages. A night without alerts was therefore *not observed* if a later one was received
    and no message between them was lost; otherwise it was *not received*.
    """
    known = span(connection)
    if known is None:
        return []
    current = night_at(now)
    first, last = max(first, known[0]), min(last, max(current, known[1]))
    values = {"first": first, "last": last, "noon": NOON}
    counts = {row[0]: tuple(map(int, row[1:])) for row in connection.execute(_COUNTS, values)}
    held = {row[0]: (row[1], row[2]) for row in connection.execute(_QUARANTINED, values)}
    lost: dict[datetime.date, int] = {}
    gaps: list[tuple[datetime.date, datetime.date]] = []
    for number, before, found in connection.execute(_GAPS, values):
        lost[found] = lost.get(found, 0) + int(number)
        gaps.append((before or datetime.date.min, found))
    accounts = []
    for days in range((last - first).days + 1):
        night = last - datetime.timedelta(days=days)
        numbers = counts.get(night, (0, 0, 0, 0, 0))
        quarantined, waiting = held.get(night, (0, 0))
        old = (stale or {}).get(night.isoformat(), 0)
        state: State
        if night == current:
            state = "running"
        elif lost.get(night):
            state = "lost"
        elif not any(numbers):
            unknown = night > known[1] or any(begin < night < end for begin, end in gaps)
            state = "held" if waiting else "not received" if unknown else "not observed"
        else:
            state = "held" if waiting else "stale" if old else "complete"
        alerts, duplicates, sources, forced, moving = numbers
        accounts.append(
            NightAccount(
                night, state, alerts, duplicates, sources, forced, moving, quarantined, waiting, lost.get(night, 0), old
            )
        )
    return accounts


def topics(connection: psycopg.Connection[Any], night: datetime.date) -> list[TopicShare]:
    """What each topic contributed to a night, without reprocessing."""
    with connection.cursor(row_factory=class_row(TopicShare)) as cursor:
        return cursor.execute(
            "SELECT topic, count(*) AS batches, sum(entry.stored)::bigint AS stored,"
            " sum(entry.duplicate)::bigint AS duplicate, sum(entry.sources)::bigint AS sources,"
            " sum(entry.forced_sources)::bigint AS forced_sources, min(finished_at) AS first_at,"
            " max(finished_at) AS last_at, max(latency_max) AS latency_max"
            " FROM ingest_batch_night AS entry JOIN ingest_batch AS batch USING (ingestid)"
            " WHERE kind <> 'reprocess' AND night = %s GROUP BY topic ORDER BY topic",
            (night,),
        ).fetchall()


def archive(connection: psycopg.Connection[Any], night: datetime.date) -> tuple[int, int, int]:
    """Files, packets and bytes of a night in the archive."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum(packets), 0), coalesce(sum(bytes), 0) FROM archive_file WHERE night = %s",
        (night,),
    ).fetchone()
    return (int(row[0]), int(row[1]), int(row[2])) if row is not None else (0, 0, 0)


def artefacts(
    connection: psycopg.Connection[Any], night: datetime.date, stale: Iterable[Stale] = ()
) -> list[NightArtefact]:
    """What was made for a night, by name of the asset, and why it is out of date if it is."""
    key = night.isoformat()
    reasons = {item.asset: item.reason for item in stale if item.partition == key}
    rows = connection.execute(
        'SELECT asset, code_version, made_at FROM artefact WHERE "partition" = %s ORDER BY asset', (key,)
    )
    return [NightArtefact(asset, version, at, reasons.get(asset, "")) for asset, version, at in rows]

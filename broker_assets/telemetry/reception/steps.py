"""The steps of a telemetry file through the register, each one statement or one transaction.

See `register` for the states. A run that dies between two of them leaves rows that say where to continue.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from broker_assets.backoff import TELEMETRY_FILE, pause_after
from broker_assets.telemetry.reception.folders import Listed
from broker_assets.telemetry.reception.register import RegisteredFile


def delay_after(failures: int) -> datetime.timedelta:
    """Time until a file is retried.

    Examples
    --------
    >>> [delay_after(n).total_seconds() for n in (1, 2, 3, 9)]
    [60.0, 240.0, 960.0, 21600.0]
    """
    return datetime.timedelta(seconds=pause_after(failures, TELEMETRY_FILE))


def set_staging(connection: psycopg.Connection[Any], file: RegisteredFile) -> None:
    """Record that copying the file begins."""
    connection.execute(
        "UPDATE telemetry_file SET state = 'staging' WHERE telemetryfileid = %s", (file.telemetryfileid,)
    )


def set_waiting(connection: psycopg.Connection[Any], file: RegisteredFile, reason: str) -> None:
    """Record that the copy could not be written, which is not the fault of the file."""
    connection.execute(
        "UPDATE telemetry_file SET state = 'new', reason = %s WHERE telemetryfileid = %s",
        (reason, file.telemetryfileid),
    )


def set_changed(
    connection: psycopg.Connection[Any], file: RegisteredFile, found: Listed | None, reason: str, now: datetime.datetime
) -> None:
    """Record that the file was not complete: it is treated as if it had just arrived."""
    connection.execute(
        "UPDATE telemetry_file SET state = %s, size = %s, modified = %s, unchanged_since = %s, reason = %s,"
        " next_try = NULL WHERE telemetryfileid = %s",
        (
            "new" if found is not None else "gone",
            found.size if found is not None else file.size,
            found.modified if found is not None else file.modified,
            now,
            reason,
            file.telemetryfileid,
        ),
    )


def set_staged(
    connection: psycopg.Connection[Any], file: RegisteredFile, sha256: str, staged: str, now: datetime.datetime
) -> None:
    """Record that the copy is complete."""
    connection.execute(
        "UPDATE telemetry_file SET state = 'staged', sha256 = %s, staged = %s, staged_at = %s, copies = 0,"
        " next_try = NULL, reason = NULL WHERE telemetryfileid = %s",
        (sha256, staged, now, file.telemetryfileid),
    )


def set_copy_failed(
    connection: psycopg.Connection[Any], file: RegisteredFile, reason: str, now: datetime.datetime
) -> None:
    """Record that it could not be copied; it is retried indefinitely, since there is no copy to quarantine."""
    connection.execute(
        "UPDATE telemetry_file SET state = 'failed', copies = copies + 1, next_try = %s, reason = %s"
        " WHERE telemetryfileid = %s",
        (now + delay_after(file.copies + 1), reason, file.telemetryfileid),
    )


def set_lost(connection: psycopg.Connection[Any], file: RegisteredFile) -> None:
    """Record that the copy no longer exists: the file is copied again."""
    connection.execute(
        "UPDATE telemetry_file SET state = 'new', staged = NULL, next_try = NULL, reason = 'our copy was lost'"
        " WHERE telemetryfileid = %s",
        (file.telemetryfileid,),
    )


def set_tries(connection: psycopg.Connection[Any], file: RegisteredFile, tries: int, reason: str | None = None) -> None:
    """Record that an attempt begins, or did not count."""
    connection.execute(
        "UPDATE telemetry_file SET state = 'staged', tries = %s, reason = %s WHERE telemetryfileid = %s",
        (tries, reason, file.telemetryfileid),
    )


def set_failed(
    connection: psycopg.Connection[Any], file: RegisteredFile, tries: int, reason: str, now: datetime.datetime
) -> None:
    """Record that its packets could not be stored; it is retried later."""
    connection.execute(
        "UPDATE telemetry_file SET state = 'failed', next_try = %s, reason = %s WHERE telemetryfileid = %s",
        (now + delay_after(tries), reason, file.telemetryfileid),
    )


def set_quarantined(connection: psycopg.Connection[Any], file: RegisteredFile, reason: str) -> None:
    """Record that the file is in quarantine; the copy is kept."""
    connection.execute(
        "UPDATE telemetry_file SET state = 'quarantined', next_try = NULL, reason = %s WHERE telemetryfileid = %s",
        (reason, file.telemetryfileid),
    )


def set_known(
    connection: psycopg.Connection[Any],
    file: RegisteredFile,
    same_as: tuple[int, str],
    run_id: str | None,
    now: datetime.datetime,
) -> None:
    """Record that its content was processed before under another name or version."""
    connection.execute(
        "UPDATE telemetry_file AS file SET state = 'processed', same_as = other.telemetryfileid,"
        " reason = %(reason)s, packets = other.packets, new_packets = 0, bad_packets = other.bad_packets,"
        " staged = NULL, run_id = %(run)s, processed_at = %(now)s, reported_at = %(now)s"
        " FROM telemetry_file AS other"
        " WHERE file.telemetryfileid = %(id)s AND other.telemetryfileid = %(other)s",
        {
            "reason": f"same content as {same_as[1]}",
            "run": run_id,
            "now": now,
            "id": file.telemetryfileid,
            "other": same_as[0],
        },
    )


@dataclass(frozen=True)
class BadPiece:
    """A packet, or another piece, that could not be used."""

    position: int
    number: int | None
    reason: str
    data: bytes


def set_processed(
    connection: psycopg.Connection[Any],
    file: RegisteredFile,
    *,
    packets: int,
    new: int,
    bad: Sequence[BadPiece],
    days: Mapping[str, Iterable[datetime.date]],
    run_id: str | None,
    now: datetime.datetime,
) -> None:
    """Record that its packets are stored, in one transaction with their days and the bad packets."""
    pairs = [(family, day) for family, found in sorted(days.items()) for day in sorted(found)]
    with connection.transaction():
        connection.execute(
            "UPDATE telemetry_file SET state = 'processed', packets = %s, new_packets = %s, bad_packets = %s,"
            " staged = NULL, next_try = NULL, reason = NULL, run_id = %s, processed_at = %s"
            " WHERE telemetryfileid = %s",
            (packets, new, len(bad), run_id, now, file.telemetryfileid),
        )
        connection.execute(
            "INSERT INTO telemetry_file_day (telemetryfileid, family, day)"
            " SELECT %s, * FROM unnest(%s::text[], %s::date[]) ON CONFLICT DO NOTHING",
            (file.telemetryfileid, [family for family, _ in pairs], [day for _, day in pairs]),
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO telemetry_quarantine (telemetryfileid, position, reason, number, data)"
                " VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING",
                [(file.telemetryfileid, item.position, item.reason, item.number, item.data) for item in bad],
            )


def set_unreported(connection: psycopg.Connection[Any], names: Sequence[str]) -> None:
    """Record that packets of these files will be decoded again, so that the next run processes their days."""
    connection.execute(
        "UPDATE telemetry_file SET reported_at = NULL WHERE name = ANY(%s) AND state = 'processed' AND same_as IS NULL",
        (list(names),),
    )


def set_decoded(
    connection: psycopg.Connection[Any],
    names: Sequence[str],
    packets: Sequence[bytes],
    days: Mapping[str, Iterable[datetime.date]],
) -> None:
    """Record that packets that could not be used before now are, with their days."""
    pairs = [(family, day) for family, found in sorted(days.items()) for day in sorted(found)]
    with connection.transaction():
        connection.execute(
            "INSERT INTO telemetry_file_day (telemetryfileid, family, day)"
            " SELECT telemetryfileid, family, day FROM telemetry_file,"
            " unnest(%s::text[], %s::date[]) AS given (family, day)"
            " WHERE name = ANY(%s) AND state = 'processed' AND same_as IS NULL ON CONFLICT DO NOTHING",
            ([family for family, _ in pairs], [day for _, day in pairs], list(names)),
        )
        connection.execute(
            "WITH used AS (DELETE FROM telemetry_quarantine WHERE data = ANY(%s) RETURNING telemetryfileid),"
            " counted AS (SELECT telemetryfileid, count(*) AS number FROM used GROUP BY telemetryfileid)"
            " UPDATE telemetry_file AS file SET bad_packets = bad_packets - number FROM counted"
            " WHERE file.telemetryfileid = counted.telemetryfileid",
            (list(packets),),
        )

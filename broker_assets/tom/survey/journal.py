"""A journal of sending in the database, so that a sender that dies omits no alert and sends none twice.

Before a batch is sent, its alerts and the end offsets of its topics are recorded and committed. When Kafka has
confirmed all messages, the alerts are marked as sent and the entry is removed, in one transaction. The next sender for
the same place finds the entry of a sender that died, checks which of its alerts are in the topics, and sends the
others.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
from psycopg.types.json import Jsonb

from broker_assets.database.turns import session_turn
from broker_assets.tom.survey.kafka_topics import Positions

Connection = psycopg.Connection[Any]
TABLES: Final = "elasticc2_ppdbalert"
"""Place of the alerts that are in the tables; others are folders."""


class SenderBusy(RuntimeError):
    """Another sender is sending from the same place."""


@dataclass(frozen=True)
class Sending:
    """A batch that was begun."""

    sendingid: int
    alerts: list[int]
    """Number of the alert of each message."""
    topics: list[str]
    """Topic of each message."""
    positions: Positions
    """End offsets of the topics before it."""
    age: float
    """Seconds since it was begun."""


@contextmanager
def sole_sender(connection: Connection, place: str) -> Iterator[None]:
    """Hold a lock, so that there is one sender for each place.

    Raises
    ------
    SenderBusy
        If there already is one.
    """
    name = f"survey sender {place}"
    with session_turn(connection, name) as free:
        if not free:
            raise SenderBusy(f"another sender is sending the alerts of {place}")
        yield


def begin(
    connection: Connection, place: str, alerts: Sequence[int], topics: Sequence[str], positions: Positions
) -> int:
    """Record what is going to be sent, outside a transaction; return the number of the entry."""
    row = connection.execute(
        "INSERT INTO alert_sendings (place, alerts, topics, positions) VALUES (%s, %s, %s, %s) RETURNING sendingid",
        (place, list(alerts), list(topics), Jsonb(positions, dumps=json.dumps)),
    ).fetchone()
    assert row is not None  # noqa: S101 - INSERT … RETURNING gives a row
    return int(row[0])


def begun(connection: Connection, place: str) -> list[Sending]:
    """Batches that senders of a place have begun and not finished, in chronological order."""
    return [
        Sending(
            sendingid, alerts, topics,
            {topic: {int(number): end for number, end in ends.items()} for topic, ends in positions.items()}, age,
        )
        for sendingid, alerts, topics, positions, age in connection.execute(
            "SELECT sendingid, alerts, topics, positions,"
            " extract(epoch FROM clock_timestamp() - begun_at)::double precision"
            " FROM alert_sendings WHERE place = %s ORDER BY sendingid",
            (place,),
        )
    ]  # fmt: skip


def finish(connection: Connection, sendingid: int) -> None:
    """Remove an entry, in the transaction that marks what was sent."""
    connection.execute("DELETE FROM alert_sendings WHERE sendingid = %s", (sendingid,))


def mark_alerts(connection: Connection, alerts: Sequence[int]) -> None:
    """Mark alerts of the tables as sent, in the caller's transaction."""
    connection.execute(
        "UPDATE elasticc2_ppdbalert SET alertsenttimestamp = clock_timestamp()"
        " WHERE alert_id = ANY(%s) AND alertsenttimestamp IS NULL",
        (list(alerts),),
    )


def mark_files(connection: Connection, place: str, night: str, files: int, *, over: bool = False) -> None:
    """Count further files of a night of a folder as sent, in the caller's transaction."""
    connection.execute(
        "INSERT INTO sent_nights (place, night, files, over) VALUES (%s, %s, %s, %s) ON CONFLICT (place, night)"
        " DO UPDATE SET files = sent_nights.files + excluded.files, over = sent_nights.over OR excluded.over,"
        " sent_at = now()",
        (place, night, files, over),
    )


def sent_files(connection: Connection, place: str, night: str) -> tuple[int, bool]:
    """How many files of a night were sent, and whether the night is over."""
    row = connection.execute(
        "SELECT files, over FROM sent_nights WHERE place = %s AND night = %s", (place, night)
    ).fetchone()
    return (0, False) if row is None else (int(row[0]), bool(row[1]))

"""Answers to science requests of which packets are missing."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel

from broker_assets.telemetry.products.builders.sequences import sequences
from broker_assets.telemetry.products.kinds import kind_of
from broker_assets.telemetry.reception.packet_store import PacketStore

LOOK_BACK = datetime.timedelta(days=60)
"""What did not come for longer does not come any more."""
MOST = 500
"""Newest requests looked at: their packets are read."""


class Answer(BaseModel):
    """A file of level LB: the packets that answered a request."""

    name: str
    kind: str
    request_control: int
    request: int
    day: datetime.date
    made_at: datetime.datetime


class IncompleteAnswer(Answer):
    """An answer of which packets are missing."""

    missing: str
    """What is missing, sequence by sequence."""
    whole: int
    """Sequences that became products all the same."""


def recent_answers(connection: psycopg.Connection[Any], now: datetime.datetime) -> list[Answer]:
    """Answers of the last time, newest first."""
    with connection.cursor(row_factory=class_row(Answer)) as cursor:
        cursor.execute(
            "SELECT name, kind, request_control, request, day, made_at FROM product_file"
            " WHERE superseded_at IS NULL AND level = 'LB' AND request IS NOT NULL AND made_at > %s"
            " ORDER BY made_at DESC, name LIMIT %s",
            (now - LOOK_BACK, MOST),
        )
        return cursor.fetchall()


def incomplete_answers(folder: Path, answers: Iterable[Answer]) -> list[IncompleteAnswer]:
    """Those of which packets are missing, as the packet store in `folder` has them; none where there is no store."""
    listed = list(answers)
    if not listed or not (folder / "index.sqlite").is_file():
        return []
    found = []
    try:
        with PacketStore(folder) as store:
            # Level LB is named by the numbers of its packets, other levels by what they hold.
            keys = {"-".join(str(part) for part in key if part is not None): key for key in store.kinds()}
            keys |= {kind_of(key).file_stem: key for key in store.kinds()}
            for answer in listed:
                if answer.kind not in keys:
                    continue
                packets = store.of_request(keys[answer.kind], (answer.request_control, answer.request))
                parts = sequences([packet for packet in packets if packet.failure is None])
                missing = [part.missing for part in parts if part.missing]
                if missing:
                    text, whole = "; ".join(missing), len(parts) - len(missing)
                    found.append(IncompleteAnswer(**answer.model_dump(), missing=text, whole=whole))
    except (sqlite3.Error, OSError):
        # A store that cannot be read is told by the runs that need it.
        return []
    return found

"""Answers to science requests with missing packets."""

from __future__ import annotations

import datetime
import sqlite3
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import class_row
from pydantic import BaseModel

from broker_assets.telemetry.products.builders.sequences import sequences
from broker_assets.telemetry.products.kinds import kind_of
from broker_assets.telemetry.reception.packet_store import PacketStore
from broker_assets.telemetry.reception.shared_counts import held_between

LOOK_BACK = datetime.timedelta(days=60)
"""Packets that have been missing for longer than this will no longer arrive."""
MOST = 500
"""Number of latest requests checked, whose packets are read."""


class Answer(BaseModel):
    """A file of level LB: the packets that answered a request."""

    name: str
    kind: str
    request_control: int
    request: int
    day: datetime.date
    made_at: datetime.datetime


class IncompleteAnswer(Answer):
    """An answer with missing packets."""

    missing: str
    """What is missing, by sequence."""
    whole: int
    """Sequences that became products nevertheless."""


def recent_answers(connection: psycopg.Connection[Any], now: datetime.datetime) -> list[Answer]:
    """Recent answers, newest first."""
    with connection.cursor(row_factory=class_row(Answer)) as cursor:
        cursor.execute(
            "SELECT name, kind, request_control, request, day, made_at FROM product_file"
            " WHERE superseded_at IS NULL AND level = 'LB' AND request IS NOT NULL AND made_at > %s"
            " ORDER BY made_at DESC, name LIMIT %s",
            (now - LOOK_BACK, MOST),
        )
        return cursor.fetchall()


def incomplete_answers(folder: Path, answers: Iterable[Answer]) -> list[IncompleteAnswer]:
    """Return the answers with packets missing from the store in `folder`; empty if there is no store."""
    listed = list(answers)
    if not listed or not (folder / "index.sqlite").is_file():
        return []
    found = []
    try:
        with PacketStore(folder) as store:
            # Files of level LB are named by the numbers of their packets, those of other levels by their content.
            keys = {"-".join(str(part) for part in key if part is not None): key for key in store.kinds()}
            keys |= {kind_of(key).file_stem: key for key in store.kinds()}
            for answer in listed:
                if answer.kind not in keys:
                    continue
                key = keys[answer.kind]
                packets = store.of_request(key, (answer.request_control, answer.request))
                held = partial(held_between, store, key)
                parts = sequences([packet for packet in packets if packet.failure is None], held)
                missing = [part.missing for part in parts if part.missing]
                if missing:
                    text, whole = "; ".join(missing), len(parts) - len(missing)
                    found.append(IncompleteAnswer(**answer.model_dump(), missing=text, whole=whole))
    except (sqlite3.Error, OSError):
        # The runs that need the store report if it cannot be read.
        return []
    return found

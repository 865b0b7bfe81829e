"""Sinks and matches, as tests of delivery queue them."""

from __future__ import annotations

import datetime
import hashlib
import json
from collections.abc import Iterable
from typing import Any

import psycopg
import pyarrow as pa

from broker_assets.delivery.messages import Message
from broker_assets.delivery.outbox import MATCHES, put
from broker_assets.delivery.sinks import Sink

NIGHT = datetime.date(2026, 11, 20)
AT = datetime.datetime(2026, 11, 20, 3, 4, 5, tzinfo=datetime.UTC)
MESSAGE = Message(1, "ab", 2, 3, 4, "alert/5/6", 5, 6, NIGHT, '{"diaObjectId": 5}', True, AT, 0)
"""A message that comes late."""
SINK = Sink(
    2, 3, "ann", "bright", "kafka", "lasair_annbright", "plain", "now", True, True, None, None, AT, None, AT, 0, None,
    None,
)  # fmt: skip
"""Its sink."""


def add_sink(connection: psycopg.Connection[Any], filterid: int = 1, **columns: Any) -> int:
    """A row of `filter_sinks`."""
    values = {
        "filterid": filterid, "owner": "ann", "name": "bright", "kind": "webhook", "target": "https://ann.example/",
        **columns,
    }  # fmt: skip
    row = connection.execute(
        f"INSERT INTO filter_sinks ({', '.join(values)}) VALUES ({', '.join(['%s'] * len(values))}) RETURNING sinkid",
        list(values.values()),
    ).fetchone()
    assert row is not None
    return int(row[0])


def identity(filterid: int, sinkid: int, trigger: str) -> str:
    """What identifies a message wherever it arrives."""
    return hashlib.md5(f"{filterid}/{sinkid}/{trigger}".encode(), usedforsecurity=False).hexdigest()


def matches(sources: Iterable[int], *, filterid: int = 1, version: int = 1, night: datetime.date = NIGHT) -> pa.Table:
    """A match for each source, of the object with a tenth of its number."""
    numbers = list(sources)
    return pa.table(
        {
            "filterid": [filterid] * len(numbers),
            "version": [version] * len(numbers),
            "trigger": [f"alert/{number // 10}/{number}" for number in numbers],
            "diaobjectid": [number // 10 for number in numbers],
            "diasourceid": numbers,
            "night": [night] * len(numbers),
            "row": [json.dumps({"diaObjectId": number // 10, "gmag": 19.5}) for number in numbers],
        },
        schema=MATCHES,
    )


def queue(connection: psycopg.Connection[Any], sources: Iterable[int], *, ingestid: int = 1, **options: Any) -> int:
    """Queue a match for each source; commits."""
    with connection.transaction():
        return put(connection, matches(sources, **options), ingestid)

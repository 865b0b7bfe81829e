"""How far the topics of annotators have been read, as streams of the status."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

import psycopg

from broker_assets.settings import Settings
from broker_assets.stream.annotation_lag import AnnotationLag, look
from broker_assets.stream.messages import StreamEnds
from broker_assets.stream.topic_ends import Ends

WHAT: Final = "annotations"
"""Shown for such a stream in place of a survey."""


class Reached(NamedTuple):
    """How far a stream has been read."""

    name: str
    ends: StreamEnds
    positions: Mapping[int, tuple[int, datetime]]
    """Position of each partition, and when it last moved."""


def annotator_streams(
    connection: psycopg.Connection[Any], settings: Settings, ends: Ends
) -> tuple[list[Reached], list[str]]:
    """The streams of all active annotators whose brokers answer, and what deserves attention.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection to use.
    settings : Settings
        Clusters.
    ends : callable
        Queries a broker for where a topic ends.
    """
    found = look(connection, settings, ends)
    rows = connection.execute(
        'SELECT topic, "partition", next_offset, updated_at FROM stream_offset WHERE topic = ANY(%s)',
        (list(found.ends),),
    )
    reached: dict[str, dict[int, tuple[int, datetime]]] = {}
    for name, partition, position, moved in rows:
        reached.setdefault(name, {})[partition] = (position, moved)
    return [Reached(name, one, reached.get(name, {})) for name, one in sorted(found.ends.items())], _notices(
        connection, found
    )


def _notices(connection: psycopg.Connection[Any], found: AnnotationLag) -> list[str]:
    notices = [f"annotations of {name} cannot be read: {problem}" for name, problem in sorted(found.problems.items())]
    row = connection.execute("SELECT count(*) FROM annotation_waiting").fetchone()
    if row and row[0]:
        notices.append(f"{row[0]:,} annotations wait for objects that no alert has brought yet")
    return notices

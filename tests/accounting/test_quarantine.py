"""Messages that could not be read wait with their bytes."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.accounting import quarantine
from broker_assets.accounting.quarantine import QuarantinedMessage

pytestmark = pytest.mark.database


def _message(offset: int, **values: Any) -> QuarantinedMessage:
    given: dict[str, Any] = {"topic": "alerts", "partition": 0, "payload": bytes(range(256)), "reason": "truncated"}
    return QuarantinedMessage(offset=offset, **(given | values))


def test_messages_wait_until_they_are_resolved(connection: psycopg.Connection[Any]) -> None:
    quarantine.add(connection, 5, [_message(1), _message(2, key=b"k"), _message(3, topic="others")])
    waiting = quarantine.entries(connection, topic="alerts")
    assert [(entry.offset, entry.state, entry.ingestid, entry.key) for entry in waiting] == [
        (1, "open", 5, None),
        (2, "open", 5, b"k"),
    ]
    assert waiting[0].payload == bytes(range(256))
    first, second = (entry.quarantineid for entry in waiting)
    quarantine.fail(connection, first, reason="truncated still", traceback="walk.py:1")
    assert quarantine.resolve(connection, [second], ingestid=9) == 1
    assert quarantine.counts(connection) == {
        ("alerts", "resolved"): 1,
        ("alerts", "retried"): 1,
        ("others", "open"): 1,
    }
    (left,) = quarantine.entries(connection, topic="alerts")
    assert (left.quarantineid, left.reason, left.state) == (first, "truncated still", "retried")
    (done,) = quarantine.entries(connection, states=["resolved"])
    assert (done.resolved_ingestid, done.resolved_at is not None) == (9, True)
    assert [entry.offset for entry in quarantine.entries(connection, after=first)] == [3]


def test_a_message_is_resolved_once(connection: psycopg.Connection[Any]) -> None:
    quarantine.add(connection, 5, [_message(1)])
    (entry,) = quarantine.entries(connection)
    quarantine.resolve(connection, [entry.quarantineid], ingestid=9)
    with pytest.raises(LookupError, match="no longer in quarantine"):
        quarantine.resolve(connection, [entry.quarantineid], ingestid=10)
    assert quarantine.dismiss(connection, [entry.quarantineid]) == 0


def test_hostile_reasons_can_be_kept(connection: psycopg.Connection[Any]) -> None:
    quarantine.add(connection, 5, [_message(1, reason="nul \x00 and surrogate \udcff" + "x" * 10_000)])
    (entry,) = quarantine.entries(connection)
    assert entry.reason.startswith("nul \\0 and surrogate \\udcff")
    assert len(entry.reason) == quarantine.REASON_LENGTH

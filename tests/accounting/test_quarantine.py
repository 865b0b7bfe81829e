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


def test_reasons_are_grouped_without_what_differs(connection: psycopg.Connection[Any]) -> None:
    reasons = [
        *(f"the schema {number} is unknown\nand more {number}" for number in (7, 8, 123456)),
        "truncated at byte 12 of b'\\x00ab': 0x1f2e",
        "truncated at byte 99 of b'zz': 0x00",
        "the packet of 3f2a9c1e77 is damaged",
    ]
    quarantine.add(connection, 5, [_message(offset, reason=reason) for offset, reason in enumerate(reasons)])
    quarantine.add(connection, 5, [_message(99, topic="others", reason=reasons[0])])
    first = quarantine.entries(connection, topic="others")[0].quarantineid - len(reasons)
    quarantine.fail(connection, first, reason=reasons[1])
    found = [(group.topic, group.kind, group.waiting, group.retried) for group in quarantine.groups(connection)]
    assert found == [
        ("alerts", "the schema … is unknown", 3, 1),
        ("alerts", "truncated at byte … of …: …", 2, 0),
        ("alerts", "the packet of … is damaged", 1, 0),
        ("others", "the schema … is unknown", 1, 0),
    ]
    example = quarantine.groups(connection, topic="alerts", limit=1)[0]
    assert (example.example, example.reason) == (first, reasons[1])
    assert len(quarantine.matching(connection, reason="the schema … is unknown")) == 4
    assert len(quarantine.matching(connection, topic="alerts", reason="the schema … is unknown")) == 3
    assert quarantine.matching(connection, reason="3f2a9c1e77") == [first + 5]
    assert quarantine.matching(connection, reason="100% of_it") == []

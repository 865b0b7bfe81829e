"""Every pass over packets reports a packet that fails in the same way, and the others are read."""

from __future__ import annotations

from typing import Any

import pytest

from broker_assets.packets.failures import PacketFailure
from broker_assets.packets.framing import Framer
from broker_assets.packets.reader import PacketReader

SCHEMA: dict[str, Any] = {"type": "record", "name": "r", "fields": [{"name": "x", "type": "long"}]}
GOOD, LONG_NUMBER = b"\x54", b"\x80" * 11


class OneSchema:
    def by_id(self, schema_id: int) -> dict[str, Any]:
        return SCHEMA

    def for_topic(self, topic: str | None) -> dict[str, Any]:
        return SCHEMA


@pytest.mark.parametrize(
    ("failures", "reason"),
    [
        (lambda: PacketReader(SCHEMA).read([GOOD, LONG_NUMBER, GOOD]).failures, "more than ten bytes"),
        (lambda: Framer("confluent", OneSchema()).split([b"\0\0\0\0\7" + GOOD, b"\1"]).failures, ""),
    ],
    ids=["reader", "framing"],
)
def test_a_failure_names_its_packet_and_the_reason(failures, reason):  # type: ignore[no-untyped-def]
    [failure] = failures()
    assert isinstance(failure, PacketFailure)
    assert failure.packet == 1
    assert failure.reason
    assert reason in failure.reason

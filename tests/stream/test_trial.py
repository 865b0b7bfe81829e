"""Whether other messages pass is tried on stored and on waiting ones, and leaves nothing behind."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from enrichments import Meddler

from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.session import DrainSession
from broker_assets.stream.trial import any_passes

pytestmark = pytest.mark.database


def alerts(packets: ModuleType, numbers: range) -> list[bytes]:
    return [packets.encode(packets.alert(number, [(0, 61000.2)])) for number in numbers]


def tried(broker: Any, source: Any, plan: EnrichmentPlan, failed: set[tuple[int, int]]) -> bool:
    with DrainSession(broker.database_url, broker.topic, [0]) as session:
        session.settle(source, "run")
        before = broker.value("SELECT count(*) FROM ingest_batch")
        found = any_passes(session, source, broker.decoder(), plan, failed=failed)
        assert source.assigned == session.positions
    assert broker.value("SELECT count(*) FROM ingest_batch") == before
    return found


def test_a_stored_message_passes(broker: Any, packets: ModuleType) -> None:
    source = packets.ListSource.of(alerts(packets, range(1, 4)))
    broker.drain(source)
    assert tried(broker, source, broker.plan, set())


def test_a_waiting_message_passes_unless_all_have_failed(broker: Any, packets: ModuleType) -> None:
    source = packets.ListSource.of([b"damaged", b"damaged", *alerts(packets, range(1, 4))])
    assert tried(broker, source, broker.plan, {(0, 0)})
    assert not tried(broker, source, broker.plan, {(0, offset) for offset in range(5)})
    assert broker.value("SELECT count(*) FROM diasources") == 0


def test_code_that_fails_on_all(broker: Any, packets: ModuleType) -> None:
    source = packets.ListSource.of(alerts(packets, range(1, 4)))
    broker.drain(source)

    def on_write(written: Any) -> None:
        raise ZeroDivisionError

    assert not tried(broker, source, EnrichmentPlan([Meddler(on_write=on_write)]), set())

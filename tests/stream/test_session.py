"""An attempt at some partitions: locks, positions, gaps, and batches that were committed untold."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from broker_assets.accounting import balance
from broker_assets.accounting.ledger import StreamBusy
from broker_assets.database.engine import connect
from broker_assets.stream.errors import StreamResetError
from broker_assets.stream.messages import OffsetOutOfRangeError
from broker_assets.stream.report import StreamGap
from broker_assets.stream.session import DrainSession

pytestmark = pytest.mark.database


def session(broker: Any, *partitions: int) -> DrainSession:
    return DrainSession(broker.database_url, broker.topic, partitions)


def test_a_partition_has_one_owner(broker: Any) -> None:
    with session(broker, 0, 1):
        with session(broker, 2):
            pass
        with pytest.raises(StreamBusy), session(broker, 1, 2):
            pass
        with session(broker, 2):
            pass
    with session(broker, 1, 2):
        pass


def test_a_lost_connection_gives_the_partitions_free(broker: Any, terminate_connections: Callable[[str], int]) -> None:
    with session(broker, 0):
        assert terminate_connections("broker-assets drain") == 1
        with session(broker, 0):
            pass


def test_positions_are_those_of_the_database_past_what_retention_took(broker: Any, packets: ModuleType) -> None:
    survey = packets.Survey(objects=4, visits=3)
    source = packets.ListSource.of(list(survey.packets()), partitions=3)
    broker.drain(source, partitions=[0, 1])
    for partition, value in ((0, b"lost"), (0, b"kept"), (2, b"x")):
        source.append(partition, value)
    source.begins = {0: 5, 2: 2}
    with session(broker, 0, 1, 2) as attempt:
        assert attempt.settle(source, "run") == [StreamGap(0, 4, 5)]
        assert attempt.positions == {0: 5, 1: 4, 2: 2}
        assert source.assigned == attempt.positions
        assert attempt.settle(source, "run") == [], "a gap is found once"
    assert broker.query('SELECT "partition", first_offset, next_offset FROM stream_gap') == [(0, 4, 5)]
    with connect(broker.database_url) as connection:
        assert balance.batches(connection) == []


def test_a_position_behind_the_end_is_a_topic_made_anew(broker: Any, packets: ModuleType) -> None:
    source = packets.ListSource.of(list(packets.Survey(objects=2, visits=2).packets()))
    with session(broker, 0) as attempt:
        attempt.settle(source, "run")
        with pytest.raises(StreamResetError, match=r"partition 0 of alerts has no offset 90.*stream_offset"):
            attempt.explain(OffsetOutOfRangeError(0, 90), source)
        source.begins = {0: 3}
        attempt.explain(OffsetOutOfRangeError(0, 1), source)
        attempt.explain(OffsetOutOfRangeError(7, 1), source)


def test_batches_that_a_run_did_not_hear_of_are_found_whole(broker: Any, packets: ModuleType) -> None:
    """The counts of the ledger are those of the report."""
    values = [*packets.Survey(objects=5, visits=2).packets(), b"no packet"]
    report = broker.drain(packets.ListSource.of(values), run_id="untold")
    with session(broker, 0) as attempt:
        found = attempt.unreported("untold", 0)
        assert attempt.unreported("untold", max(batch.ingestid for batch in found)) == []
        assert attempt.unreported("another", 0) == []
    assert sum(batch.received for batch in found) == report.received == len(values)
    assert sum(batch.stored for batch in found) == report.stored
    assert sum(batch.received_bytes for batch in found) == report.received_bytes
    assert sum((batch.reasons for batch in found[1:]), found[0].reasons) == report.reasons
    assert {partition for batch in found for partition in batch.ranges} == set(report.offsets)
    for night, counted in report.nights.items():
        parts = [batch.nights[night] for batch in found if night in batch.nights]
        total = sum(parts[1:], parts[0])
        assert total == counted

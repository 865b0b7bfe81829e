"""Messages that make batches fail are found and quarantined, in one run and whatever they do; the others are stored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import psycopg
import pytest
from enrichments import Meddler
from forked_programs import open_program
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.limits import BatchTooLarge
from broker_assets.packets.registry import SchemaFolder
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.errors import BatchError, DrainFailedError
from broker_assets.stream.isolation import DOUBTFUL_IN_A_ROW, Isolation
from broker_assets.stream.messages import Message

VISITS = [(0, 61000.2), (1, 61001.2)]
FLOOD = DOUBTFUL_IN_A_ROW + 10


def failed(first: int, end: int, cause: Exception) -> BatchError:
    """The error of a batch of partition 0."""
    error = BatchError([Message(0, offset, -1, None, b"") for offset in range(first, end)])
    error.__cause__ = cause
    return error


def search(isolation: Isolation, messages: int, bad: set[int]) -> tuple[set[int], int]:
    """Process messages as a run does; those condemned, and how many batches it took."""
    position, batches = 0, 0
    condemned: set[int] = set()
    while position < messages:
        end = min(position + isolation.batch_max, messages)
        batches += 1
        if any(offset in bad and (0, offset) not in isolation.condemned for offset in range(position, end)):
            isolation.narrow(failed(position, end, ValueError("bad")))
            continue
        condemned |= {offset for _, offset in isolation.condemned if position <= offset < end}
        isolation.passed({0: (position, end)})
        position = end
    return condemned, batches


@given(st.integers(1, 300), st.sets(st.integers(0, 299), max_size=30), st.integers(1, 64))
def test_exactly_the_bad_ones_are_condemned(messages: int, bad: set[int], batch_max: int) -> None:
    isolation = Isolation(batch_max)
    bad = {offset for offset in bad if offset < messages}
    condemned, _ = search(isolation, messages, bad)
    assert condemned == bad
    assert isolation.batch_max == batch_max or isolation.searching
    assert not isolation.condemned, "what is behind us is forgotten"


def test_a_flood_costs_two_batches_a_message() -> None:
    _, batches = search(Isolation(4000), 1000, set(range(200, 800)))
    assert batches < 2 * 600 + 100


def test_batches_that_unpack_to_too_much_are_divided_and_nothing_is_condemned() -> None:
    isolation = Isolation(1000)
    isolation.narrow(failed(0, 1000, BatchTooLarge("x", 100)))
    assert isolation.batch_max == 100
    assert not isolation.searching
    for number in range(40):
        isolation.passed({0: (100 * number, 100 * number + 100)})
    assert isolation.batch_max == 1000
    assert not isolation.condemned


def test_memory_that_does_not_suffice_divides_a_batch() -> None:
    isolation = Isolation(8)
    isolation.narrow(failed(0, 8, MemoryError()))
    assert isolation.batch_max == 4
    isolation.narrow(failed(0, 1, MemoryError()))
    assert list(isolation.condemned) == [(0, 0)]


def test_what_is_not_the_fault_of_a_message_ends_the_run() -> None:
    with pytest.raises(DrainFailedError, match="not because of their content"):
        Isolation(10).narrow(failed(0, 5, psycopg.errors.UndefinedTable("no table")))


@pytest.fixture
def poisoned(packets: ModuleType) -> Callable[[set[int] | None], EnrichmentPlan]:
    """Makes a plan that fails on some sources; on all without them."""

    def plan(sources: set[int] | None) -> EnrichmentPlan:
        def on_compute(batch: Any) -> None:
            found = batch.alerts["diasourceid"].to_numpy()
            if found.size if sources is None else np.isin(found, list(sources)).any():
                raise ZeroDivisionError("these")

        return EnrichmentPlan([Meddler(on_compute)])

    return plan


@pytest.mark.database
class TestFloods:
    """More bad messages in a row than the run takes on trust."""

    def sources(self, packets: ModuleType, numbers: range) -> tuple[list[bytes], set[int]]:
        """Alerts, and the identifiers of their sources."""
        encoded = [packets.encode(packets.alert(number, VISITS[:1])) for number in numbers]
        return encoded, {packets.source_id(number, 0) for number in numbers}

    @pytest.mark.parametrize("place", ["before the good ones", "after them", "between"])
    def test_a_flood_is_quarantined_in_one_run(
        self, broker: Any, packets: ModuleType, poisoned: Any, place: str
    ) -> None:
        flood, poison = self.sources(packets, range(100, 100 + FLOOD))
        good, _ = self.sources(packets, range(1, 9))
        values = {
            "before the good ones": flood + good,
            "after them": good + flood,
            "between": good[:4] + flood + good[4:],
        }[place]
        if place == "after them":
            broker.drain(packets.ListSource.of(good), plan=poisoned(poison))
        report = broker.drain(packets.ListSource.of(values), plan=poisoned(poison))
        assert broker.value("SELECT count(*) FROM quarantine") == report.quarantined == FLOOD
        assert broker.value("SELECT count(*) FROM diasources") == len(good)
        assert broker.value("SELECT next_offset FROM stream_offset") == len(values)
        broker.assert_closed_ledger()

    def test_broken_code_quarantines_no_stream(self, broker: Any, packets: ModuleType, poisoned: Any) -> None:
        good, _ = self.sources(packets, range(1, 9))
        broker.drain(packets.ListSource.of(good), plan=poisoned(set()))
        more, _ = self.sources(packets, range(100, 100 + 3 * FLOOD))
        with pytest.raises(DrainFailedError, match="fails on every message of alerts that was tried: ZeroDivision"):
            broker.drain(packets.ListSource.of([*good, *more]), plan=poisoned(None))
        assert broker.value("SELECT count(*) FROM quarantine") <= DOUBTFUL_IN_A_ROW
        assert broker.value("SELECT count(*) FROM stream_attempt") == 0
        broker.assert_closed_ledger()
        report = broker.drain(packets.ListSource.of([*good, *more]), plan=poisoned(set()))
        assert report.quarantined == 0
        assert report.total_lag == 0


@pytest.mark.database
def test_what_unpacks_to_too_much_together_is_stored_in_parts(broker: Any, packets: ModuleType) -> None:
    survey = packets.Survey(objects=8, visits=6)
    decoder = lambda: AlertDecoder(  # noqa: E731
        "rubin", "confluent", SchemaFolder(broker.schemas), topic="alerts", batch_bytes=2000
    )
    report = broker.drain(packets.ListSource.of(list(survey.packets())), decoder=decoder)
    assert (report.stored, report.quarantined) == (48, 0)
    assert report.batches > 2
    broker.assert_closed_ledger()


@pytest.mark.database
@pytest.mark.parametrize("batch_max", [1, 50])
def test_no_message_stops_a_partition_even_if_it_ends_the_process(
    broker: Any, packets: ModuleType, batch_max: int
) -> None:
    """Two messages end the process that reads them: each is alone in quarantine in the end, the others are stored."""
    alerts = [packets.encode(packets.alert(number, VISITS[:1])) for number in range(1, 41)]
    arguments = {
        "database_url": broker.database_url,
        "archive_url": broker.archive_url,
        "schemas": str(broker.schemas),
        "messages": [alert.hex() for alert in alerts],
        "poison": [packets.source_id(number, 0) for number in (7, 30)],
        "batch_max": batch_max,
    }
    here = Path(__file__).parent
    died = 0
    while True:
        run, output = open_program("dying_drain", json.dumps(arguments), paths=[here, here.parent / "peers"])
        with output:
            said = output.read()
        code = run.wait(120)
        if code == 0:
            break
        assert code == 9, said
        died += 1
        assert died <= 12, "the partition does not go on"
    assert broker.value("SELECT count(*) FROM diasources") == 38
    quarantined = broker.query('SELECT "partition" + 2 * "offset" + 1, payload, reason FROM quarantine ORDER BY 1')
    assert [(number, bytes(payload)) for number, payload, _ in quarantined] == [(7, alerts[6]), (30, alerts[29])]
    assert all("runs died" in reason for _, _, reason in quarantined)
    assert broker.value("SELECT count(*) FROM stream_attempt") == 0
    assert sum(end for (end,) in broker.query("SELECT next_offset FROM stream_offset")) == 40
    broker.assert_closed_ledger()

"""The report of a run is the sum of its committed batches."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.database.alerts import NightCounts
from broker_assets.stream.progress import INTERRUPTIONS_KEPT, RATES_KEPT, Accounts, Committed, Progress
from broker_assets.stream.report import DrainReport
from broker_assets.stream.spent import Spent

NIGHTS = ("2026-01-01", "2026-01-02")
counts = st.builds(
    NightCounts,
    stored=st.integers(0, 5),
    duplicate=st.integers(0, 5),
    archived=st.integers(0, 9),
    archived_bytes=st.integers(0, 99),
    facts=st.dictionaries(st.sampled_from(["watchlist_facts", "area_facts"]), st.integers(0, 3)),
)
batches = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.integers(1, 9),
        st.integers(0, 3),
        st.dictionaries(st.sampled_from(NIGHTS), counts),
        st.sampled_from(["bad magic", "no schema"]),
    ),
    max_size=8,
)


def committed(number: int, partition: int, first: int, size: int, quarantined: int = 0, **more: object) -> Committed:
    values: dict[str, object] = {
        "ingestid": 100 + number,
        "ranges": {partition: (first, first + size)},
        "received": size,
        "stored": size - quarantined,
        "duplicate": 0,
        "quarantined": quarantined,
        "received_bytes": 10 * size,
        "nights": {},
        "reasons": Counter(),
        "commit_latency": np.full(size, 2.0),
        "observation_latency": np.full(size, 60.0),
        "spent": {"commit": Spent(0.5, 0.25)},
    }
    return Committed(**(values | more))  # type: ignore[arg-type]


@given(batches)
def test_counts_nights_offsets_and_reasons_add_up(given_batches: list[tuple[Any, ...]]) -> None:
    told: list[Progress] = []
    accounts = Accounts(DrainReport("alerts", "run", [0, 1, 2]), told.append)
    reached = {0: 0, 1: 50, 2: 7}
    first = dict(reached)
    for number, (partition, size, bad, nights, reason) in enumerate(given_batches):
        bad = min(bad, size)
        batch = committed(
            number, partition, reached[partition], size, bad, nights=nights, reasons=Counter({reason: bad})
        )
        accounts.add(batch)
        reached[partition] += size
    report = accounts.close()
    assert report.batches == len(given_batches) == len(told)
    assert report.received == report.stored + report.duplicate + report.quarantined
    assert report.received == sum(size for _, size, *_ in given_batches)
    assert report.received_bytes == 10 * report.received
    assert report.quarantined == sum(report.reasons.values())
    assert report.offsets == {p: (first[p], end) for p, end in reached.items() if end > first[p]}
    for night in NIGHTS:
        expected = sum((nights.get(night, NightCounts()) for *_, nights, _ in given_batches), NightCounts())
        assert report.nights.get(night, NightCounts()) == expected
    assert report.archived_bytes == sum(counted.archived_bytes for counted in report.nights.values())
    assert report.commit_latency.count == report.received
    assert report.stages.get("commit", Spent()) == Spent(0.5 * report.batches, 0.25 * report.batches)
    assert [item.received for item in told] == np.cumsum([size for _, size, *_ in given_batches]).tolist()
    if given_batches:
        assert report.ingest_ids == [100, 100 + len(given_batches) - 1]


def test_lag_counts_from_what_is_committed() -> None:
    accounts = Accounts(DrainReport("alerts", "run", [0, 1, 2]), lambda progress: None)
    accounts.positions = {0: 10, 1: 5}
    accounts.ends = {0: 30, 1: 5, 2: 99}
    assert accounts.lag() == {0: 20, 1: 0}, "of partition 2 nothing is known"
    accounts.add(committed(0, 0, 10, 15))
    assert accounts.lag() == {0: 5, 1: 0}
    accounts.ends = {0: 20}
    assert accounts.close().lag == {0: 0}, "an end seen before the commit is no negative lag"


def test_what_is_kept_of_long_runs_is_bounded() -> None:
    accounts = Accounts(DrainReport("alerts", "run", [0]), lambda progress: None)
    for number in range(RATES_KEPT + 10):
        accounts.add(committed(number, 0, number, 1))
    for number in range(INTERRUPTIONS_KEPT + 5):
        accounts.interrupted(f"the broker is away, {number}")
    report = accounts.close()
    assert len(report.rates) <= RATES_KEPT
    assert report.rates == sorted(report.rates, key=lambda point: point[0])
    assert report.interruptions == [f"the broker is away, {number}" for number in range(INTERRUPTIONS_KEPT)]

"""What a drain run says of itself."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np

from broker_assets.database.alerts import NightCounts
from broker_assets.stream.report import DrainReport, Outcome, QuarantineFlood, StreamGap


def report() -> DrainReport:
    made = DrainReport(topic="alerts", run_id="run", partitions=[0, 1])
    made.outcome = Outcome.SUPERSEDED
    made.received, made.stored, made.duplicate, made.quarantined = 100, 90, 7, 3
    made.received_bytes, made.busy_seconds = 5_000_000, 4.0
    made.reasons = Counter({"truncated": 2, "no schema": 1})
    made.lag = {1: 5, 0: 2}
    made.offsets = {1: (0, 40), 0: (10, 70)}
    made.gaps = [StreamGap(0, 3, 10)]
    made.floods = [QuarantineFlood("truncated", 2, 3, {0: 11})]
    made.nights = {
        "2025-11-20": NightCounts(stored=60, facts={"watchlist_facts": 2}),
        "2025-11-21": NightCounts(stored=30, facts={"watchlist_facts": 1, "area_facts": 4}),
    }
    made.commit_latency.add(np.array([1.0, 2.0, np.nan]))
    return made


def test_rates_and_sums() -> None:
    made = report()
    assert made.messages_per_second == 25.0
    assert made.bytes_per_second == 1_250_000.0
    assert made.total_lag == 7
    assert made.facts == {"watchlist_facts": 3, "area_facts": 4}
    assert made.gaps[0].offsets == 7


def test_a_run_without_messages_has_no_rate() -> None:
    idle = DrainReport(topic="alerts", run_id="run", partitions=[0])
    assert (idle.messages_per_second, idle.bytes_per_second, idle.total_lag, idle.facts) == (0.0, 0.0, 0, {})


def test_metadata_is_json_and_says_everything() -> None:
    said = json.loads(json.dumps(report().metadata()))
    assert said["outcome"] == "superseded"
    assert (said["received"], said["stored"], said["duplicate"], said["quarantined"]) == (100, 90, 7, 3)
    assert said["quarantine_reasons"] == {"truncated": 2, "no schema": 1}
    assert said["lag"] == {"0": 2, "1": 5}
    assert said["offsets"] == {"0": [10, 70], "1": [0, 40]}
    assert said["gaps"] == [[0, 3, 10]]
    assert said["quarantine_floods"] == [
        {"reason": "truncated", "failed": 2, "received": 3, "first_offsets": {"0": 11}}
    ]
    assert said["megabytes_per_second"] == 1.25
    assert said["facts"] == {"watchlist_facts": 3, "area_facts": 4}

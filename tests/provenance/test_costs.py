"""What runs cost: measured, recorded, added up by day."""

from __future__ import annotations

import subprocess
import time

import pytest

from broker_assets.database.engine import connect
from broker_assets.provenance import costs
from broker_assets.provenance.costs import Cost, Meter


def test_a_meter_counts_what_was_used_since(monkeypatch: pytest.MonkeyPatch) -> None:
    meter = Meter()
    whole = meter.read()
    assert whole[0] > 0.1
    assert whole[1] > 0.1, "what the process has loaded counts"
    ends = time.process_time() + 0.2
    while time.process_time() < ends:
        pass
    seconds, processor = meter.read()
    assert seconds >= 0.19
    assert 0.15 < processor < whole[1] + 60
    subprocess.run(["sh", "-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"], check=True)
    assert meter.read()[1] > 0.02, "programs that it started count"
    monkeypatch.setattr("os.getpid", lambda: 1)
    assert meter.read()[0] > 0.1, "a forked process begins with its own start"


@pytest.mark.database
def test_costs_are_added_up_and_pruned(database_url: str) -> None:
    with connect(database_url) as connection:
        costs.record(connection, "r1", [Cost(asset="a", seconds=2, processor_seconds=1, rows=10, bytes=100)])
        costs.record(connection, "r1", [Cost(asset="a", seconds=1, processor_seconds=None, rows=5)])
        costs.record(connection, "r2", [Cost(asset="a", processor_seconds=3, rows=5), Cost(stage="write", seconds=4)])
        (of_a,) = costs.history(connection, asset="a")
        assert (of_a.runs, of_a.seconds, of_a.processor_seconds, of_a.rows, of_a.bytes) == (2, 3, 4, 20, 100)
        assert of_a.processor_seconds_per_million_rows == 200_000
        assert [(one.asset, one.stage) for one in costs.history(connection)] == [("a", ""), ("", "write")]
        connection.execute("UPDATE run_costs SET at = now() - interval '3 days' WHERE run_id = 'r1'")
        assert costs.prune(connection, days=2) == 1
        assert costs.history(connection, days=2, asset="a")[0].processor_seconds == 3

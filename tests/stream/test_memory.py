"""Memory of messages is kept where the C library can, and the collector leaves old objects alone."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from broker_assets.stream.memory import keep_freed_memory

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "end_to_end.py"


def test_it_knows_whether_the_c_library_can() -> None:
    assert keep_freed_memory() is (platform.libc_ver()[0] == "glibc")


def test_the_collector_leaves_old_objects_alone_and_still_collects_cycles() -> None:
    """In a process of its own, since it changes the whole process."""
    program = """
import gc, weakref
from broker_assets.stream.memory import COLLECTIONS, spare_collector
class Node: pass
old = Node()
spare_collector()
assert not any(found is old for found in gc.get_objects())
assert gc.get_threshold() == COLLECTIONS
node = Node()
node.itself = node
watched = weakref.ref(node)
del node
kept = []
while watched() is not None and len(kept) < 50 * COLLECTIONS[0]:
    kept.append([])
assert watched() is None, "a cycle was never collected"
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


@pytest.mark.slow
@pytest.mark.kafka
@pytest.mark.database
@pytest.mark.platform
@pytest.mark.timeout(900)
def test_a_run_with_everything_on_stays_below_its_limit() -> None:
    """Packets with a year of history, and all enrichments with much to look at: the benchmark, smaller."""
    alerts, cones, stars = (
        (1500, 200_000, 1_000_000) if os.environ.get("BROKER_TEST_FULL") else (1000, 100_000, 300_000)
    )
    size = ["--alerts", str(alerts), "--preload-sources", "20000", "--preload-objects", "1000", "--naive", "0"]
    lists = ["--everything", "--no-defaults", "--cones", str(cones), "--areas", "50", "--context", str(stars)]
    done = subprocess.run(
        [sys.executable, str(BENCHMARK), *size, *lists, "--json"], stdout=subprocess.PIPE, text=True, check=True
    )
    result = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
    assert result["stored"] == alerts
    assert result["peak_rss"] < 1.5 * 2**30

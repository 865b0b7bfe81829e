"""The process apart, by its own functions; what the operating system limits is in `test_sandbox`."""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Iterator

import pyarrow as pa
import pytest

from broker_assets.filters.engine.worker import ERROR, Worker

TABLE = pa.table({"$diasourceid": list(range(3000)), "x": [float(n) for n in range(3000)]})


@pytest.fixture(autouse=True)
def _no_limit_stays() -> Iterator[None]:
    """The limit of processor time would stay after the test, and end the process of all tests."""
    before = resource.getrlimit(resource.RLIMIT_CPU)
    yield
    resource.setrlimit(resource.RLIMIT_CPU, before)


def test_tables_are_replaced_and_settings_locked() -> None:
    worker = Worker(64 * 1024**2, 1)
    worker.load([], [("objects", TABLE), ("other", TABLE)])
    worker.load(["CREATE MACRO twice(a) AS 2 * a"], [("objects", TABLE)])
    answer, rows = worker.run('SELECT "$diasourceid", twice(x) AS t FROM objects WHERE x = 4', 5.0, 10)
    assert rows is not None
    assert rows.to_pylist() == [{"$diasourceid": 4, "t": 8.0}]
    assert answer["beyond"] == []
    for statement in ("SELECT * FROM other", "SET threads = 8", "SELECT 1; SELECT 2", "nonsense"):
        answer, rows = worker.run(statement, 5.0, 10)
        assert (answer["problem"], rows) == (ERROR, None)


SLOW = """
import pyarrow as pa
from broker_assets.filters.engine.worker import TIME_OVER, Worker
worker = Worker(64 * 1024**2, 1)
worker.load([], [("objects", pa.table({"$diasourceid": range(3000), "x": [float(n) for n in range(3000)]}))])
slow = 'SELECT a."$diasourceid" FROM objects a, objects b, objects c WHERE sin(a.x) + sin(b.x) + sin(c.x) > 4'
answer, rows = worker.run(slow, 0.2, 10)
assert (answer["problem"], rows) == (TIME_OVER, None)
answer, rows = worker.run('SELECT "$diasourceid" FROM objects', 5.0, 10)
print(rows.num_rows, len(answer["beyond"]))
"""


def test_a_slow_statement_is_interrupted_and_the_next_one_runs() -> None:
    """In a process of its own: what other threads of this one do would count for its limit of processor time."""
    done = subprocess.run([sys.executable, "-c", SLOW], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "10 2990\n"), done.stderr

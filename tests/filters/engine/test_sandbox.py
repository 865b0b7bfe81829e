"""Statements of users run in a process apart: what they may not do, and what becomes of the others."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from broker_assets.filters.engine.sandbox import (
    ERROR,
    MEMORY,
    STARVED,
    TIME,
    EngineError,
    Limits,
    Sandbox,
)

ROWS = 2000
GOOD = 'SELECT "$diasourceid", x FROM objects WHERE x > 1990 ORDER BY x'


def table() -> pa.Table:
    """Alerts numbered from 0, `x` like their numbers."""
    numbers = np.arange(ROWS)
    return pa.table({"$diasourceid": numbers, "x": numbers.astype(np.float32), "s": [str(n) for n in numbers]})


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(Limits(statement_seconds=1.0)) as found:
        found.load({"objects": table()})
        yield found


def test_statements_give_their_rows(sandbox: Sandbox) -> None:
    outcome, other = sandbox.run([GOOD, "SELECT \"$diasourceid\" FROM objects WHERE s = '7'"])
    assert outcome.rows is not None
    assert outcome.rows["x"].to_pylist() == [1991.0 + n for n in range(9)]
    assert other.rows is not None
    assert other.rows.to_pylist() == [{"$diasourceid": 7}]
    assert outcome.problem is None
    assert not outcome.beyond
    assert outcome.seconds > 0


@pytest.mark.parametrize(
    ("statement", "problem"),
    [
        ("SELECT \"$diasourceid\" FROM read_csv('/etc/passwd')", ERROR),
        ("SELECT * FROM read_text('/proc/self/environ')", ERROR),
        ("SELECT * FROM glob('/*')", ERROR),
        ("SELECT \"$diasourceid\" FROM '/etc/passwd'", ERROR),
        ("SELECT * FROM read_parquet('http://127.0.0.1:9/x.parquet')", ERROR),
        ("ATTACH '/tmp/other.db'", ERROR),
        ("COPY objects TO '/tmp/objects.csv'", ERROR),
        ("EXPORT DATABASE '/tmp/export'", ERROR),
        ("SET memory_limit = '10GB'", ERROR),
        ("SET lock_configuration = false", ERROR),
        ("INSTALL httpfs", ERROR),
        ("LOAD httpfs", ERROR),
        ("DROP TABLE objects", ERROR),
        ("SELECT 1; DROP TABLE objects", ERROR),
        ("SELECT getenv('HOME')", ERROR),
        ("SELECT \"$diasourceid\", repeat('x', 2000000000) FROM objects", MEMORY),
        ('SELECT "$diasourceid", range(100000000) FROM objects', MEMORY),
        ('SELECT a."$diasourceid" FROM objects a, objects b, objects c WHERE sin(a.x) + sin(b.x) + sin(c.x) > 4', TIME),
        (
            'WITH RECURSIVE r AS (SELECT 1 AS "$diasourceid" UNION ALL SELECT "$diasourceid" + 1 FROM r)'
            ' SELECT "$diasourceid" FROM r',
            TIME,
        ),
    ],
)
def test_an_attack_fails_and_the_filter_after_it_runs(sandbox: Sandbox, statement: str, problem: str) -> None:
    attack, good = sandbox.run([statement, GOOD])
    assert (attack.problem, attack.rows) == (problem, None)
    assert attack.message
    assert good.rows is not None
    assert good.rows.num_rows == 9


def test_a_statement_that_ends_the_process_costs_only_itself(sandbox: Sandbox) -> None:
    starts = sandbox.starts
    # Neither the memory limit of DuckDB nor its interrupt stops this one.
    huge = "SELECT \"$diasourceid\", sum(length(repeat('y', 100000000))) FROM objects GROUP BY 1"
    first, attack, last = sandbox.run([GOOD, huge, GOOD])
    assert attack.problem in (MEMORY, TIME)
    assert attack.rows is None
    assert first.rows is not None
    assert last.rows is not None
    assert first.rows == last.rows
    assert sandbox.run([GOOD])[0].rows == last.rows
    assert sandbox.starts <= starts + 2


def test_the_process_is_started_again_when_it_was_killed(sandbox: Sandbox) -> None:
    sandbox.run([GOOD])
    process = sandbox._process
    assert process is not None
    os.kill(process.pid, 9)
    process.wait()
    assert sandbox.run([GOOD])[0].rows is not None


def test_the_process_knows_no_secrets_and_no_user_variables(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_DATABASE__URL", "secret")
    with Sandbox() as other:
        other.load({"objects": table()})
        assert other._process is not None
        environment = Path(f"/proc/{other._process.pid}/environ").read_bytes()
    assert b"BROKER" not in environment
    assert b"secret" not in environment


def test_rows_beyond_the_limit_are_known_by_their_alerts() -> None:
    with Sandbox(Limits(rows=10)) as few:
        few.load({"objects": table()})
        outcome = few.run(['SELECT "$diasourceid" FROM objects WHERE x >= 1980 ORDER BY 1'])[0]
    assert outcome.rows is not None
    assert outcome.rows["$diasourceid"].to_pylist() == list(range(1980, 1990))
    assert outcome.beyond == tuple(range(1990, 2000))


def test_what_has_no_time_left_is_starved(sandbox: Sandbox) -> None:
    slow = 'SELECT a."$diasourceid" FROM objects a, objects b, objects c WHERE sin(a.x) + sin(b.x) + sin(c.x) > 4'
    first, second = sandbox.run([slow, GOOD], seconds=0.5)
    assert first.problem == TIME
    assert second.problem == STARVED
    assert sandbox.run([GOOD])[0].problem is None


def test_tables_that_cannot_be_held_are_nobodys_fault() -> None:
    with Sandbox(Limits(memory=8 * 1024**2)) as small, pytest.raises(EngineError, match="cannot run over this batch"):
        small.load({"objects": pa.table({"$diasourceid": range(3_000_000)})})


def test_a_large_batch_needs_little_memory() -> None:
    """Ten thousand alerts of a hundred columns, fifty filters over all of them: the process stays far below its end."""
    number = 10_000
    columns = {f"c{place}": np.random.default_rng(place).normal(size=number) for place in range(100)}
    objects = pa.table({"$diasourceid": np.arange(number), **columns})
    with Sandbox(Limits(statement_seconds=30.0)) as one:
        one.load({"objects": objects})
        outcomes = one.run([f"SELECT * FROM objects WHERE c{place} > 0" for place in range(50)], seconds=60.0)
        assert all(outcome.rows is not None and outcome.rows.num_rows > 4000 for outcome in outcomes)
        status = Path(f"/proc/{one.process}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
    assert peak < 400, f"{peak:.0f} MiB"

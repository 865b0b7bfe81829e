"""The separate process: holds the tables of a batch in DuckDB and runs statements over them.

DuckDB's own limits do not stop everything (`repeat('x', 2000000000)` heeds neither its memory limit nor an interrupt),
so the operating system limits the process: address space, CPU time of each statement, no files. It reads its
requests from standard input, answers on standard output, and ends when the pipe closes. The caller is
`broker_assets.filters.engine.sandbox`.
"""

from __future__ import annotations

import math
import os
import resource
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any, BinaryIO, Final

import duckdb
import pyarrow as pa

from broker_assets.filters.engine import frames

ALERT: Final = "$diasourceid"
"""Column of every result that says which alert a row is about."""
TIME_OVER: Final = "time"
MEMORY_OVER: Final = "memory"
ERROR: Final = "error"
"""Kinds of problems."""
_SPARE_PROCESSOR_SECONDS: Final = 2
_BATCH_ROWS: Final = 2048

_FAILURES: Final = (duckdb.Error, pa.ArrowException, ValueError, TypeError, RuntimeError, OverflowError)
"""Errors that a statement may raise; anything else ends the process, and the statement is blamed."""

_CONFIGURATION: Final = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_unsigned_extensions": "false",
    "python_enable_replacements": "false",
    "python_scan_all_frames": "false",
    "temp_directory": "",
}


class _Watch:
    """Interrupts a statement that takes too long."""

    def __init__(self) -> None:
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._deadline = math.inf
        self._changed = threading.Condition()
        self.fired = False
        """Whether the last statement was interrupted: DuckDB does not always raise, and gives fewer rows instead."""
        threading.Thread(target=self._run, daemon=True).start()

    def begin(self, connection: duckdb.DuckDBPyConnection, seconds: float) -> None:
        with self._changed:
            self._connection, self._deadline, self.fired = connection, time.monotonic() + seconds, False
            self._changed.notify()

    def end(self) -> None:
        with self._changed:
            self._connection, self._deadline = None, math.inf

    def _run(self) -> None:
        with self._changed:
            while True:
                if self._connection is None:
                    self._changed.wait()
                    continue
                left = self._deadline - time.monotonic()
                if left > 0:
                    self._changed.wait(min(left, 0.2))
                    continue
                self.fired = True
                self._connection.interrupt()
                self._changed.wait(0.05)


class Worker:
    """Answers requests.

    Parameters
    ----------
    memory : int
        Bytes that DuckDB may use.
    threads : int
        Threads of DuckDB.
    """

    def __init__(self, memory: int, threads: int) -> None:
        self._options: dict[str, str | bool | int | float | list[str]] = {
            **_CONFIGURATION,
            "memory_limit": f"{memory // 1024}KiB",
            "threads": threads,
        }
        self._threads = threads
        self._watch = _Watch()
        self._connection = self._opened()

    def _opened(self) -> duckdb.DuckDBPyConnection:
        connection = duckdb.connect(":memory:", config=self._options)
        connection.execute("SET TimeZone = 'UTC'")
        return connection

    def load(self, setup: Sequence[str], tables: Sequence[tuple[str, pa.Table]]) -> None:
        """Replace all tables with these, after statements that prepare the database."""
        self._connection.close()
        self._connection = self._opened()
        for statement in setup:
            self._connection.execute(statement)
        for name, table in tables:
            self._connection.register("arrived", table)
            self._connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM arrived')  # noqa: S608 - our own names
            self._connection.unregister("arrived")
        self._connection.execute("SET lock_configuration = true")

    def run(self, statement: str, seconds: float, keep: int) -> tuple[dict[str, Any], pa.Table | None]:
        """Run one statement.

        Parameters
        ----------
        statement : str
            One SELECT with the column `ALERT`.
        seconds : float
            Time limit.
        keep : int
            Most rows that are returned; beyond them, only the alerts.

        Returns
        -------
        answer, rows : dict, pyarrow.Table
            `answer` has the seconds, and the problem with its message if there was one.
        """
        began = time.perf_counter()
        self._limit_processor(seconds)
        self._watch.begin(self._connection, seconds)
        try:
            found = duckdb.extract_statements(statement)
            if len(found) != 1 or found[0].type != duckdb.StatementType.SELECT:
                raise ValueError("not one SELECT")
            rows, beyond = self._fetched(statement, keep)
            answer: dict[str, Any] = {"beyond": beyond}
        except (duckdb.OutOfMemoryException, MemoryError, pa.ArrowMemoryError) as error:
            rows, answer = None, {"problem": MEMORY_OVER, "message": _first_line(error)}
        except _FAILURES as error:
            memory = "bad_alloc" in str(error) or "allocate" in str(error)
            rows, answer = None, {"problem": MEMORY_OVER if memory else ERROR, "message": _first_line(error)}
        finally:
            self._watch.end()
        if self._watch.fired:
            rows, answer = None, {"problem": TIME_OVER, "message": f"took longer than {seconds:g} s"}
        return answer | {"seconds": time.perf_counter() - began}, rows

    def _fetched(self, statement: str, keep: int) -> tuple[pa.Table, list[int]]:
        reader: Any = self._connection.execute(statement).to_arrow_reader(_BATCH_ROWS)
        kept: list[pa.RecordBatch] = []
        held, beyond = 0, set[int]()
        place = reader.schema.get_field_index(ALERT)
        for batch in reader:
            if held < keep:
                kept.append(batch.slice(0, keep - held))
                held += kept[-1].num_rows
                batch = batch.slice(kept[-1].num_rows)
            if batch.num_rows and place >= 0:
                beyond.update(batch.column(place).to_pylist())
        return pa.Table.from_batches(kept, reader.schema), sorted(beyond)

    def _limit_processor(self, seconds: float) -> None:
        usage = resource.getrusage(resource.RUSAGE_SELF)
        allowed = usage.ru_utime + usage.ru_stime + seconds * (self._threads + 1) + _SPARE_PROCESSOR_SECONDS
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(allowed), hard))


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", 1)[0][:500] or type(error).__name__


def _limit_process(address_space: int) -> None:
    """Limit the resources that the process can get from the operating system from now on."""
    with open("/proc/self/statm", encoding="ascii") as status:
        held = int(status.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (held + address_space, held + address_space))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until the pipe closes."""
    options, _ = frames.read(requests)
    pa.set_memory_pool(pa.system_memory_pool())  # other allocators reserve address space in advance
    worker = Worker(options["memory"], options["threads"])
    worker.load([], [("warm", pa.table({"a": [1]}))])  # reads now what would be read from files on first use
    worker.run("SELECT 1, strftime(now(), '%Y'), a FROM warm", 10.0, 10)
    _limit_process(options["address_space"])
    frames.write(answers, {"ready": True})
    while True:
        try:
            request, content = frames.read(requests)
        except EOFError:
            return
        if "load" in request:
            frames.write(answers, _load(worker, request, content))
            continue
        for number, statement in request["run"]:
            if time.monotonic() > request["until"]:  # both processes read the same monotonic clock
                break
            frames.write(answers, {"began": number})
            answer, rows = worker.run(statement, request["seconds"], request["keep"])
            frames.write(answers, answer | {"number": number}, b"" if rows is None else frames.table_bytes(rows))
        frames.write(answers, {"done": True})


def _load(worker: Worker, request: dict[str, Any], content: bytes) -> dict[str, Any]:
    tables, position = [], 0
    try:
        for name, length in request["load"]:
            tables.append((name, frames.bytes_table(content[position : position + length])))
            position += length
        worker.load(request["setup"], tables)
    except (*_FAILURES, duckdb.OutOfMemoryException, MemoryError) as error:
        return {"problem": ERROR, "message": _first_line(error)}
    return {"loaded": len(tables)}


if __name__ == "__main__":
    sys.tracebacklimit = 0  # source files can no longer be read
    with os.fdopen(os.dup(0), "rb") as requests, os.fdopen(os.dup(1), "wb") as answers:
        serve(requests, answers)

"""The caller's side of the separate process: tables and statements in, rows or a problem for each statement out.

The process is started when it is first needed, kept, and restarted when it dies. A statement that kills it, by memory
or CPU time, is the one that was running when it died; the statements after it run in the next process as if nothing had
happened.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pyarrow as pa

from broker_assets.filters.engine import frames

logger = logging.getLogger(__name__)

TIME: Final = "time"
MEMORY: Final = "memory"
ERROR: Final = "error"
STARVED: Final = "starved"
"""Kinds of problems; `STARVED`: the statement did not run, because the time of all statements was up."""

_PACKAGE: Final = Path(__file__).resolve().parents[3]
_START_SECONDS: Final = 60.0
_GRACE_SECONDS: Final = 2.0
"""Seconds after the limit in which a statement may still end by itself."""
_LOAD_SECONDS: Final = 60.0
_BROKEN: Final = (EOFError, OSError, ValueError, KeyError, TypeError, pa.ArrowException)
"""Errors from reading from a process that has died or does not follow the protocol."""


class EngineError(RuntimeError):
    """The process cannot be started or cannot hold the tables; no statement is to blame."""


@dataclass(frozen=True)
class Limits:
    """Resource limits of statements."""

    memory: int = 192 * 1024**2
    """Bytes that DuckDB may use."""
    address_space: int = 384 * 1024**2
    """Bytes of address space that the process may allocate after its start."""
    threads: int = 1
    """Threads of DuckDB."""
    statement_seconds: float = 2.0
    """Time limit of one statement."""
    seconds: float = 10.0
    """Time limit of all statements of a batch; those that have not begun by then are starved."""
    rows: int = 50_000
    """Most rows that one statement returns; beyond them, only the alerts are returned."""


@dataclass(frozen=True)
class Outcome:
    """The result of a statement."""

    rows: pa.Table | None
    """Its rows, at most `Limits.rows`; None if it has a problem."""
    beyond: tuple[int, ...] = ()
    """Alerts of the rows beyond."""
    seconds: float = 0.0
    problem: str | None = None
    """`TIME`, `MEMORY`, `ERROR` or `STARVED`."""
    message: str = ""


class Sandbox:
    """Runs statements over tables in a separate process.

    Parameters
    ----------
    limits : Limits
        Resource limits.

    Examples
    --------
    >>> with Sandbox() as sandbox:
    ...     sandbox.load({"objects": pa.table({"$diasourceid": [1, 2], "x": [0.5, 1.5]})})
    ...     outcome = sandbox.run(['SELECT "$diasourceid", x FROM objects WHERE x > 1'])[0]
    >>> outcome.rows.to_pylist()
    [{'$diasourceid': 2, 'x': 1.5}]
    """

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._loaded: tuple[Mapping[str, Any], bytes] | None = None
        self._lock = threading.RLock()
        self.starts = 0
        """How often the process was started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def lock(self) -> threading.RLock:
        """Lock to hold from `load` to the last `run` over the same tables, if several threads use the sandbox."""
        return self._lock

    @property
    def process(self) -> int | None:
        """Process id, if there is a process."""
        return None if self._process is None else self._process.pid

    def close(self) -> None:
        """End the process."""
        with self._lock:
            process, self._process, self._loaded = self._process, None, None
            if process is None:
                return
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(OSError):
                        stream.close()
            process.kill()
            process.wait()

    def load(self, tables: Mapping[str, pa.Table], setup: Sequence[str] = ()) -> None:
        """Replace the tables.

        Parameters
        ----------
        tables : mapping of str to pyarrow.Table
            Tables by their names in SQL.
        setup : sequence of str
            Statements that run first: functions that are used.

        Raises
        ------
        EngineError
            If the process cannot be started or cannot hold them.
        """
        contents = {name: frames.table_bytes(table).to_pybytes() for name, table in tables.items()}
        header = {"load": [[name, len(content)] for name, content in contents.items()], "setup": list(setup)}
        with self._lock:
            self._loaded = (header, b"".join(contents.values()))
            self._load_again()

    def run(self, statements: Sequence[str], *, seconds: float | None = None) -> list[Outcome]:
        """Run statements over the tables, one after the other.

        Parameters
        ----------
        statements : sequence of str
            Each one SELECT with the column `"$diasourceid"`.
        seconds : float, optional
            Time limit of all of them; default: `Limits.seconds`.

        Returns
        -------
        list of Outcome
            One for each statement.

        Raises
        ------
        EngineError
            If the process cannot be started again.
        """
        deadline = time.monotonic() + (self.limits.seconds if seconds is None else seconds)
        found: dict[int, Outcome] = {}
        with self._lock:
            while len(found) < len(statements) and time.monotonic() < deadline:
                if self._process is None:
                    self._load_again()
                waiting = [number for number in range(len(statements)) if number not in found]
                self._run_some(statements, waiting, found, deadline)
            if any(outcome.problem == MEMORY for outcome in found.values()):
                self._bury()  # its allocator does not return memory: start again with a small process
        over = Outcome(None, problem=STARVED, message="the time of all filters of the batch was over")
        return [found.get(number, over) for number in range(len(statements))]

    def _run_some(
        self, statements: Sequence[str], waiting: Sequence[int], found: dict[int, Outcome], deadline: float
    ) -> None:
        """Run statements until all are done, time is up, or one has killed the process."""
        header = {
            "run": [[number, statements[number]] for number in waiting],
            "seconds": self.limits.statement_seconds,
            "until": deadline,
            "keep": self.limits.rows,
        }
        running, clock = None, time.monotonic()
        try:
            self._send(header)
            while True:
                answer, content = self._receive(self.limits.statement_seconds + _GRACE_SECONDS)
                if "done" in answer:
                    return
                if "began" in answer:
                    running, clock = int(answer["began"]), time.monotonic()
                    continue
                found[int(answer["number"])] = _outcome(answer, content)
                running = None
        except _BROKEN as error:
            reason = self._bury()
            logger.warning("the process that runs filters ended (%s, %r); it is started again", reason, error)
            if running is not None:
                took = time.monotonic() - clock
                found[running] = self._blame(took, isinstance(error, TimeoutError), reason)

    def _blame(self, took: float, silent: bool, reason: str) -> Outcome:
        """The result of the statement that was running when the process ended."""
        if silent or took >= self.limits.statement_seconds:
            message = f"took longer than {self.limits.statement_seconds:g} s and could not be interrupted"
            return Outcome(None, (), took, TIME, message)
        return Outcome(None, (), took, MEMORY, f"used more memory than it may and was ended ({reason})")

    def _load_again(self) -> None:
        for last in (False, True):
            try:
                self._start()
                if self._loaded is not None:
                    self._send(*self._loaded)
                    answer, _ = self._receive(_LOAD_SECONDS)
                    if "problem" in answer:
                        raise EngineError(f"filters cannot run over this batch: {answer['message']}")
                return
            except _BROKEN as error:
                reason = self._bury()
                if last:
                    raise EngineError(f"the process that runs filters cannot be used: {error!r} ({reason})") from error

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self._bury()
        self.starts += 1
        # It needs nothing from this environment, which may hold secrets.
        environment = {"PATH": os.defpath, "PYTHONPATH": str(_PACKAGE), "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        environment |= {"OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2", "ARROW_DEFAULT_MEMORY_POOL": "system"}
        self._process = subprocess.Popen(
            [sys.executable, "-s", "-m", "broker_assets.filters.engine.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,  # `select` cannot see what is buffered here
            cwd="/",
            env=environment,
            start_new_session=True,
        )
        limits = self.limits
        self._send({"memory": limits.memory, "threads": limits.threads, "address_space": limits.address_space})
        self._receive(_START_SECONDS)

    def _send(self, header: Mapping[str, Any], content: bytes = b"") -> None:
        process = self._process
        if process is None or process.stdin is None:
            raise EOFError("there is no process")
        frames.write(process.stdin, header, content)

    def _receive(self, seconds: float) -> tuple[dict[str, Any], bytes]:
        process = self._process
        if process is None or process.stdout is None:
            raise EOFError("there is no process")
        if not select.select([process.stdout], [], [], seconds)[0]:
            raise TimeoutError(f"no answer for {seconds:g} s")
        return frames.read(process.stdout)

    def _bury(self) -> str:
        """End the process, if there is one; return how it ended."""
        process, self._process = self._process, None
        if process is None:
            return "it was not started"
        ended = process.poll()
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        return "it was stopped" if ended is None else f"exit status {ended}"


def _outcome(answer: Mapping[str, Any], content: bytes) -> Outcome:
    return Outcome(
        frames.bytes_table(content) if content else None,
        tuple(int(alert) for alert in answer.get("beyond", ())),
        float(answer["seconds"]),
        answer.get("problem"),
        str(answer.get("message", "")),
    )

"""Faults that begin and end, and an engine that injects them at random moments; used by tests and the soak test.

A fault is something that the machine does to a platform: processes die or hang, connections stall or break, disks are
slow or full, the clock steps. None of them alters our code.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import psutil
from network_link import NetworkLink

Find = Callable[[], list[psutil.Process]]
"""Finds the processes that a fault may affect at the moment."""


CLOCK = Path(__file__).with_name("stepped_clock.c")


class FaultImpossibleError(RuntimeError):
    """The fault cannot be caused now, or not on this machine; the message says why."""


class Fault(Protocol):
    """Something that goes wrong for a while."""

    name: str
    seconds: tuple[float, float]
    """Shortest and longest time that it lasts."""

    def begin(self, chance: random.Random) -> str:
        """Let it happen; returns what it struck. Raises `FaultImpossibleError`."""

    def end(self) -> None:
        """Let the machine work again."""


@dataclass
class Kill:
    """SIGKILL of one process, or of it with its children."""

    name: str
    find: Find
    seconds: tuple[float, float] = (0.0, 0.0)

    def begin(self, chance: random.Random) -> str:
        """Kill one of those that are there."""
        victim = _one(self.find(), chance)
        victim.send_signal(signal.SIGKILL)
        return f"pid {victim.pid}"

    def end(self) -> None:
        """Restarting the process is left to the platform."""


@dataclass
class Pause:
    """SIGSTOP of processes for a while: to others they look dead, and then they continue."""

    name: str
    find: Find
    seconds: tuple[float, float] = (5.0, 30.0)
    children: bool = True
    """Whether what it started stops with it."""
    paused: list[psutil.Process] = field(default_factory=list)

    def begin(self, chance: random.Random) -> str:
        """Stop one of those that are there, with its children."""
        victim = _one(self.find(), chance)
        with suppress(psutil.Error):
            self.paused = [victim, *(victim.children(recursive=True) if self.children else [])]
        for process in self.paused:
            with suppress(psutil.Error):
                process.send_signal(signal.SIGSTOP)
        return f"pid {victim.pid} and {len(self.paused) - 1} children"

    def end(self) -> None:
        """Continue those that still live."""
        for process in reversed(self.paused):
            with suppress(psutil.Error):
                process.send_signal(signal.SIGCONT)
        self.paused = []


def _one(found: Sequence[psutil.Process], chance: random.Random) -> psutil.Process:
    if not found:
        raise FaultImpossibleError("no such process runs at the moment")
    return chance.choice(list(found))


@dataclass
class CutLink:
    """A link that stalls, is reset, or is closed in one direction."""

    name: str
    link: NetworkLink
    how: str
    """`stall`, `reset` or `half_close`."""
    seconds: tuple[float, float] = (2.0, 20.0)

    def begin(self, chance: random.Random) -> str:
        """Disturb the link."""
        if self.how == "stall":
            self.link.stall()
            return "all connections"
        count = self.link.reset() if self.how == "reset" else self.link.half_close()
        return f"{count} connections"

    def end(self) -> None:
        """Let it pass what waits."""
        self.link.restore()


@dataclass
class LoopbackDown:
    """Every TCP connection of this network namespace stalls: the device `lo` is down. Unix sockets still work.

    Only for a process in a network namespace of its own (`unshare --net`), as root.
    """

    name: str = "cut network"
    seconds: tuple[float, float] = (2.0, 20.0)

    def begin(self, chance: random.Random) -> str:
        """Take the device down."""
        _run("ip", "link", "set", "lo", "down")
        return "lo"

    def end(self) -> None:
        """Take it up."""
        _run("ip", "link", "set", "lo", "up")


@dataclass
class ResetPort:
    """All TCP connections to a port of this network namespace are destroyed by the kernel; both sides see an error."""

    name: str
    port: Callable[[], int]
    seconds: tuple[float, float] = (0.0, 0.0)

    def begin(self, chance: random.Random) -> str:
        """Destroy them."""
        port = self.port()
        _run("ss", "-K", "dport", "=", f":{port}")
        return f"port {port}"

    def end(self) -> None:
        """Clients connect again by themselves."""


@dataclass
class SlowDisk:
    """Every fsync of some processes takes longer: a debugger delays the answer of the kernel (`strace`)."""

    name: str
    find: Find
    delay: float = 0.3
    """Seconds for each fsync."""
    seconds: tuple[float, float] = (5.0, 20.0)
    _tracer: subprocess.Popen[bytes] | None = None

    def begin(self, chance: random.Random) -> str:
        """Attach to all that are there, and to what they start."""
        program = shutil.which("strace")
        found = self.find()
        if program is None or not found:
            raise FaultImpossibleError("strace is not installed" if program is None else "no such process runs")
        calls = "fsync,fdatasync,sync_file_range"
        command = [program, "-qq", "-f", "-o", "/dev/null", "-e", f"trace={calls}"]
        command += ["-e", f"inject={calls}:delay_exit={round(self.delay * 1e6)}"]
        for process in found:
            command += ["-p", str(process.pid)]
        self._tracer = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        time.sleep(0.2)
        if self._tracer.poll() not in (None, 0):
            raise FaultImpossibleError("strace may not attach to other processes here")
        return f"{len(found)} processes, {self.delay:g} s for each fsync"

    def end(self) -> None:
        """Detach: SIGTERM lets the traced processes go on."""
        if self._tracer is not None:
            self._tracer.terminate()
            try:
                self._tracer.wait(30.0)
            except subprocess.TimeoutExpired:
                self._tracer.kill()
                self._tracer.wait()
            self._tracer = None


@dataclass
class FullDisk:
    """A file takes the space of a file system that only the test has."""

    name: str
    folder: Path
    spare: int = 64 << 10
    """Bytes that stay free."""
    seconds: tuple[float, float] = (3.0, 15.0)

    @property
    def _filler(self) -> Path:
        return self.folder / ".filler"

    def begin(self, chance: random.Random) -> str:
        """Fill it."""
        if not os.path.ismount(self.folder):
            raise FaultImpossibleError(f"{self.folder} is not a file system of its own")
        free = shutil.disk_usage(self.folder).free
        with self._filler.open("wb") as file:
            size = max(0, free - self.spare)
            with suppress(OSError):
                os.posix_fallocate(file.fileno(), 0, max(1, size))
        return f"{size >> 20} MB of {self.folder.name}"

    def end(self) -> None:
        """Give the space back."""
        self._filler.unlink(missing_ok=True)


@dataclass
class ClockStep:
    """The wall clock of processes under `steppable_clock` steps; the monotonic one does not, as in the kernel."""

    name: str
    file: Path
    """What `steppable_clock` was given."""
    steps: tuple[float, ...] = (-30.0, 30.0, -3.0, 3.0)
    """Seconds by which it is wrong."""
    seconds: tuple[float, float] = (10.0, 30.0)

    def begin(self, chance: random.Random) -> str:
        """Step away from the true time."""
        step = chance.choice(self.steps)
        _write_offset(self.file, step)
        return f"{step:+.0f} s"

    def end(self) -> None:
        """Step back."""
        _write_offset(self.file, 0.0)


def _write_offset(file: Path, seconds: float) -> None:
    # Written in place, since processes have mapped the file.
    with file.open("r+b") as opened:
        opened.write(round(seconds * 1e9).to_bytes(8, "little", signed=True))


def steppable_clock(file: Path) -> dict[str, str]:
    """Environment for processes whose clock `ClockStep` steps.

    Notes
    -----
    A library of our own: with libfaketime 0.9.10, whose `clock_nanosleep` changes deadlines of the monotonic clock too,
    `time.sleep` of Python 3.11 fails with EINVAL while the clock is shifted.

    Raises
    ------
    FaultImpossibleError
        If there is no C compiler.
    """
    file.write_bytes(bytes(8))
    library = file.with_suffix(".so")
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise FaultImpossibleError("there is no C compiler")
    _run(compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(CLOCK), "-ldl")
    return {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(file)}


@dataclass
class Intruder:
    """A second process of something of which there should be one, for a while."""

    name: str
    start: Callable[[], subprocess.Popen[bytes]]
    seconds: tuple[float, float] = (20.0, 40.0)
    process: subprocess.Popen[bytes] | None = None

    def begin(self, chance: random.Random) -> str:
        """Start it."""
        self.process = self.start()
        return f"pid {self.process.pid}"

    def end(self) -> None:
        """Kill it if it has not ended by itself."""
        if self.process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=20)
    if done.returncode:
        raise FaultImpossibleError(f"{' '.join(command)}: {done.stderr.strip()}")


@dataclass(frozen=True)
class Strike:
    """A fault that happened, or was not possible."""

    fault: str
    struck: str
    at: float
    """Unix time of its beginning."""
    seconds: float
    """How long it lasted."""
    happened: bool = True


class FaultEngine:
    """Injects one fault at a time, each as often as the others.

    Parameters
    ----------
    faults : sequence of Fault
        What may happen.
    chance : random.Random
        Decides what, when and for how long; the same seed gives the same order.
    wait : callable, optional
        Sleeps; returns true if the engine is to end early.
    """

    def __init__(
        self, faults: Sequence[Fault], chance: random.Random, wait: Callable[[float], bool] | None = None
    ) -> None:
        self.faults = list(faults)
        self.strikes: list[Strike] = []
        self._chance = chance
        self._wait = wait or _sleep
        self._bag: list[Fault] = []

    def next_fault(self) -> Fault:
        """Each fault once in random order, then all again."""
        if not self._bag:
            self._bag = list(self.faults)
            self._chance.shuffle(self._bag)
        return self._bag.pop()

    def strike(self, fault: Fault | None = None) -> Strike:
        """Let one fault begin, last and end."""
        fault = fault or self.next_fault()
        begun, clock = time.time(), time.monotonic()
        try:
            struck = fault.begin(self._chance)
            happened = True
            self._wait(self._chance.uniform(*fault.seconds))
        except (FaultImpossibleError, psutil.Error, OSError) as error:
            struck, happened = str(error), False
        finally:
            fault.end()
        done = Strike(fault.name, struck, begun, time.monotonic() - clock, happened)
        self.strikes.append(done)
        return done

    def pause(self, per_hour: float) -> bool:
        """Wait for the next moment of a Poisson process; true if the engine is to end early."""
        return self._wait(self._chance.expovariate(per_hour / 3600.0))


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return False

"""Whether one commit is slower than another, from alternating rounds, and the record of the measurements."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import psutil

RECORDS = Path(__file__).resolve().parent / "records"
"""Where records are kept; not part of the repository, since the figures depend on the machine."""

BOUND = 0.05
"""Largest acceptable increase of a median, as a fraction."""


@dataclass(frozen=True)
class Judgement:
    """The comparison of one figure."""

    row: str
    before: float
    """Median of the rounds."""
    now: float
    """Median of the rounds."""
    spread: float
    """The larger of the two ranges (maximum minus minimum), as a fraction of its median."""
    bound: float

    @property
    def change(self) -> float:
        """Relative increase of the cost."""
        return self.now / self.before - 1 if self.before else 0.0

    @property
    def slower(self) -> bool:
        """Whether it grew by more than the bound, and by more than the rounds of one commit differ."""
        return self.change > max(self.bound, self.spread)

    def __str__(self) -> str:
        """A line of a report."""
        verdict = "SLOWER" if self.slower else "ok"
        medians = f"{self.before:,.3f} -> {self.now:,.3f}"
        return f"{self.row}: {medians}, {self.change:+.1%} (spread {self.spread:.1%}) {verdict}"


def judge(row: str, before: Sequence[float], now: Sequence[float], bound: float = BOUND) -> Judgement:
    """Compare the rounds of two commits; the figures are costs: smaller is better.

    Examples
    --------
    >>> judge("drain", [100, 101, 102], [110, 111, 112]).slower
    True
    >>> judge("drain", [80, 100, 120], [110, 111, 112]).slower
    False
    """
    medians = [statistics.median(values) for values in (before, now)]
    spreads = [
        (max(values) - min(values)) / median if median else 0.0
        for values, median in zip((before, now), medians, strict=True)
    ]
    return Judgement(row, medians[0], medians[1], max(spreads), bound)


def machine() -> dict[str, object]:
    """The machine and versions on which the figures depend."""
    model = ""
    if (info := Path("/proc/cpuinfo")).exists():
        lines = (line.partition(":") for line in info.read_text().splitlines())
        model = next((value.strip() for name, _, value in lines if name.strip() == "model name"), "")
    return {
        "processor": model or platform.processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9),
        "load": [round(value, 2) for value in os.getloadavg()],
        "python": platform.python_version(),
    }


def commit(tree: Path) -> str:
    """The commit of a checkout, with a mark when files differ from it."""
    described = subprocess.run(
        ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"],
        cwd=tree,
        check=False,
        capture_output=True,
        text=True,
    )
    return described.stdout.strip() or "unknown"


def write_record(kind: str, tree: Path, content: Mapping[str, object], folder: Path = RECORDS) -> Path:
    """Keep what was measured, with date, commit and machine.

    Parameters
    ----------
    kind : str
        What was run; the beginning of the file's name.
    tree : Path
        The checkout that was measured.
    content : mapping
        The figures; `Judgement` objects are written with their verdict.
    folder : Path, optional
        Where to.

    Returns
    -------
    Path
        The file, JSON.
    """
    now = datetime.now(UTC)
    record = {"kind": kind, "date": now.isoformat(timespec="seconds"), "commit": commit(tree), "machine": machine()}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{kind}-{now:%Y-%m-%dT%H%M%SZ}-{record['commit']}.json"
    path.write_text(json.dumps(record | dict(content), default=_plain, indent=1) + "\n")
    return path


def _plain(value: object) -> object:
    if isinstance(value, Judgement):
        return asdict(value) | {"change": value.change, "slower": value.slower}
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be recorded")

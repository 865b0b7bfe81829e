"""The stages of the platform in two checkouts of this repository: CPU time of the benchmarks of both, alternating.

    git worktree add /tmp/before COMMIT
    python benchmarks/versus_stages.py --before /tmp/before --rounds 5

Each round runs the stage benchmarks of both checkouts (reading packets, bulk insert, matching, telemetry), alternating
which is first, and reads the figures of the rows that both print. Their clock is replaced by CPU time, including that
of PostgreSQL, so that other work on the machine has little effect. The output shows the medians, the spread of each,
and the changes. Without `--before` nothing is compared or measured. The exit code is 1 if a median grew by more than
the bound and by more than the rounds of one commit differ.
"""

from __future__ import annotations

import argparse
import os
import re
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
from _judgement import BOUND, Judgement, judge

from broker_assets.local.postgres import EmbeddedPostgres

HERE = Path(__file__).resolve().parent.parent
SHARED = HERE.parent / "shared"
STAGES: dict[str, list[str]] = {
    "packet_reading": ["--folder", str(SHARED / "data/alerts/lsst"), "--packets", "400"],
    "bulk_insert": ["--way", "ours_staged", "--way", "ours_straight", "--way", "ours_whole"],
    "matching": [],
    "telemetry_decode": [
        "--packets", str(SHARED / "golden/stix/packets"), "--idb", str(SHARED / "data/stix/idb/v2.26.34/idb.sqlite"),
    ],
    "telemetry_products": ["--data", str(SHARED / "data/stix")],
}  # fmt: skip
"""The benchmarks that both checkouts have, with their options."""
SECONDS = {"s": 1e6, "ms": 1e3}
"""Microseconds in a unit of time."""
SMALL = {
    "packet_reading": ["--packets", "100"],
    "bulk_insert": ["--rows", "20000"],
    "matching": ["--cones", "50000", "--areas", "1000"],
}
"""Options that make a stage short, at the price of a larger spread; the other stages have only one size."""


def with_processor_time(script: Path, server: int | None) -> None:
    """Run a benchmark whose clock is the processor time of this process and of a PostgreSQL server."""

    def spent() -> float:
        total = time.process_time()
        if server is not None:
            # With what its ended children have used, which it has waited for.
            top = psutil.Process(server)
            total += sum(top.cpu_times()[:4])
            for process in _children(top):
                # A process that ends now is counted at the next call.
                with suppress(psutil.NoSuchProcess):
                    total += sum(process.cpu_times()[:2])
        return total

    time.perf_counter = spent
    sys.path.insert(0, str(script.parent))
    runpy.run_path(str(script), run_name="__main__")


def _children(top: psutil.Process) -> list[psutil.Process]:
    """Children of a process; by the kernel's list where there is one, which costs a hundredth of a walk over all."""
    try:
        listed = Path(f"/proc/{top.pid}/task/{top.pid}/children").read_text().split()
    except OSError:
        return top.children()
    found = []
    for pid in listed:
        with suppress(psutil.NoSuchProcess):
            found.append(psutil.Process(int(pid)))
    return found


def number(text: str) -> float:
    """A figure as the benchmarks print it."""
    return float(text.replace(",", ""))


def figures(stage: str, lines: Sequence[str]) -> Iterator[tuple[str, float]]:
    """What a benchmark printed, by row: microseconds, whether it printed a time or a rate."""
    kind = ""
    titles: list[str] = []
    for line in lines:
        if stage == "packet_reading" and (found := re.match(r"(.{37})\s+([\d,]+)\s", line)):
            yield " ".join(found[1].split()), 1e6 / number(found[2])
        elif stage == "bulk_insert":
            if found := re.match(r"(\w+): \d+ columns", line):
                kind = found[1]
            elif found := re.match(r"  (.{24})\s*([\d,]+) rows/s", line):
                yield f"{kind}: {found[1].strip()}", 1e6 / number(found[2])
        elif stage == "matching" and (found := re.match(r"(.{62})\s*([\d,.]+) (s|ms|alerts/s)\b", line)):
            rate = found[3] == "alerts/s"
            yield found[1].strip(), 1e6 / number(found[2]) if rate else number(found[2]) * SECONDS[found[3]]
        elif stage == "telemetry_decode" and (found := re.match(r"mean of the \d+ packets: ([\d.]+) ms", line)):
            yield "mean of the packets", number(found[1]) * 1e3
        elif stage == "telemetry_products":
            if line.startswith("ms per packet"):
                titles = line[59:].split()
            elif titles and len(columns := line[59:].split()) >= len(titles) - 1:
                for title, value in zip(titles, columns, strict=False):
                    if title not in ("plain", "clock"):
                        yield f"{line[:46].strip()}: {title}", number(value) * 1e3


class Checkout:
    """One of the two, with a database of its own."""

    def __init__(self, name: str, tree: Path, server: EmbeddedPostgres) -> None:
        self.name, self.tree, self._server = name, tree.resolve(), server
        with psycopg.connect(server.dsn("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")

    def run(self, stage: str, *, small: bool) -> dict[str, float]:
        """Figures of one stage."""
        database = stage == "bulk_insert"
        options = [
            *STAGES[stage],
            *(SMALL.get(stage, []) if small else []),
            *(["--url", self._server.url(self.name)] if database else []),
        ]
        server = str(self._server.pid) if database else "0"
        script = self.tree / "benchmarks" / f"{stage}.py"
        done = subprocess.run(
            [sys.executable, __file__, "--script", str(script), "--server", server, "--", *options],
            cwd=self.tree,
            env=os.environ | {"PYTHONPATH": str(self.tree), "NUMBA_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        return dict(figures(stage, done.stdout.splitlines()))


def measure(before: Path, arguments: argparse.Namespace) -> list[Judgement]:
    """All rounds; prints the table of each stage."""
    configuration = {"autovacuum": "off", "checkpoint_timeout": "1d", "max_wal_size": "32GB"}
    judgements = []
    with (
        tempfile.TemporaryDirectory(prefix="versus-") as folder,
        EmbeddedPostgres(Path(folder) / "postgres", configuration=configuration) as server,
    ):
        checkouts = [Checkout("before", before, server), Checkout("now", HERE, server)]
        for stage in arguments.stage or STAGES:
            found: dict[str, dict[str, list[float]]] = defaultdict(lambda: {"before": [], "now": []})
            for turn in range(-1, arguments.rounds):
                for checkout in checkouts if turn % 2 == 0 else checkouts[::-1]:
                    printed = checkout.run(stage, small=arguments.small)
                    for row, value in printed.items() if turn >= 0 else ():  # the first one compiles
                        found[row][checkout.name].append(value)
            print(f"\n{stage:58}{'µs before (least to most)':>34}{'now':>34}  change")
            for row, values in found.items():
                if len(values["before"]) == len(values["now"]) == arguments.rounds:
                    judged = judge(f"{stage}: {row}", values["before"], values["now"], arguments.bound)
                    judgements.append(judged)
                    shown = (
                        f"{statistics.median(each):,.3f} ({min(each):,.3f} to {max(each):,.3f})"
                        for each in values.values()
                    )
                    mark = "  SLOWER" if judged.slower else ""
                    print(
                        f"{row:58}" + "".join(f"{text:>34}" for text in shown) + f"{judged.change:>+8.1%}{mark}",
                        flush=True,
                    )
    return judgements


def main() -> None:
    """Run the comparison, or one benchmark of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, help="a checkout of the commit to compare with")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stage", action="append", choices=list(STAGES), help="only this one")
    parser.add_argument("--small", action="store_true", help="few of everything: quick, with a larger spread")
    parser.add_argument("--bound", type=float, default=BOUND, help="a median that grew by more is too slow")
    parser.add_argument("--script", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--server", type=int, help=argparse.SUPPRESS)
    parser.add_argument("options", nargs="*", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.script is not None:
        sys.argv = [str(arguments.script), *arguments.options]
        with_processor_time(arguments.script, arguments.server or None)
    elif arguments.before is None:
        print("nothing to compare with: --before CHECKOUT")
    else:
        slower = [judgement for judgement in measure(arguments.before, arguments) if judgement.slower]
        for judgement in slower:
            print(judgement)
        if slower:
            raise SystemExit(1)


if __name__ == "__main__":
    main()

"""A soak test of a whole platform, under load and faults for hours: growth, losses, and interruptions.

``make soak HOURS=2`` starts a platform of its own with everything switched on (`broker-assets up --demo`), sends
simulated alerts, lets telemetry arrive, injects faults, and writes a report (Markdown and JSON). Exit code 1 if an
invariant is violated or something grows that should not. As root it has a network and a disk of its own, so that faults
reach nothing else on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "peers"))

import platform_invariants as invariants
from fault_engine import FaultEngine
from platform_samples import ends, sample
from soak_report import write_report
from soaked_platform import TOPIC, SoakedPlatform, apart

PLAYER = Path(__file__).with_name("alert_player.py")
RECOVERY_SECONDS = 300.0
"""Within this time after the end of a fault the stream must continue."""
DRAIN_SECONDS = 900.0
WHOLE_EVERY = 10
"""The whole ledger is compared after every tenth fault; only new batches after the others."""


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--rate", type=float, default=256.0, help="alerts a second")
    parser.add_argument("--faults-per-hour", type=float, default=60.0)
    parser.add_argument("--only", help="only faults whose name contains this")
    parser.add_argument("--seed", type=int, default=None, help="repeats the choice of faults")
    parser.add_argument("--sample-seconds", type=float, default=15.0)
    parser.add_argument("--telemetry-minutes", type=float, default=3.0, help="a file of telemetry in each")
    parser.add_argument("--disk-gb", type=float, default=16.0, help="size of the platform's disk")
    parser.add_argument("--keep-archive-gb", type=float, default=4.0, help="older archive files are deleted")
    parser.add_argument("--no-clock", action="store_true", help="leave the clock alone")
    parser.add_argument("--folder", type=Path, help="for everything; default: a temporary one, removed at the end")
    parser.add_argument("--report", type=Path, default=Path("soak-report"), help="without suffix")
    return parser.parse_args()


class Soak:
    """One soak.

    Parameters
    ----------
    options : argparse.Namespace
        See `arguments`.
    platform : SoakedPlatform
        Which runs.
    """

    def __init__(self, options: argparse.Namespace, platform: SoakedPlatform) -> None:
        self.options = options
        self.platform = platform
        self.samples: list[tuple[float, dict[str, float]]] = []
        self.violations: list[str] = []
        self.interruptions: list[tuple[str, float]] = []
        self.pruned: set[str] = set()
        self.stop = threading.Event()
        self.sent = platform.folder / "sent.bin"
        self.player_report: dict[str, Any] = {}
        self._checked = 0
        seed = options.seed if options.seed is not None else random.randrange(10**6)
        self.seed = seed
        self.engine = FaultEngine(
            [one for one in platform.faults() if not options.only or options.only in one.name],
            random.Random(seed),
            self._wait,
        )

    def _wait(self, seconds: float) -> bool:
        return self.stop.wait(max(0.0, min(seconds, self.ends - time.monotonic())))

    def run(self) -> None:
        """Send alerts, inject faults and measure until the time is over; then wait for rest, and compare."""
        self.begun = time.time()
        self.ends = time.monotonic() + 3600.0 * self.options.hours
        player = self._play()
        threads = [
            threading.Thread(target=self._sample, daemon=True),
            threading.Thread(
                target=self.platform.telemetry, args=(self.stop, self.options.telemetry_minutes), daemon=True
            ),
        ]
        for thread in threads:
            thread.start()
        try:
            while time.monotonic() < self.ends and not self.stop.is_set():
                if self.options.faults_per_hour <= 0:
                    self._wait(3600.0)
                elif not self.engine.pause(self.options.faults_per_hour) and time.monotonic() < self.ends:
                    self._strike(player)
                if player.poll() is not None or not self.platform.supervised:
                    self._violate(["the player or the supervisor has ended"])
                    break
        finally:
            self._end_player(player)
            self._finish()
            self.stop.set()
            for thread in threads:
                thread.join(60.0)

    # Load ---------------------------------------------------------------------------------------------------------

    def _play(self) -> subprocess.Popen[str]:
        given = {
            "servers": self.platform.bootstrap_servers,
            "topic": TOPIC,
            "rate": self.options.rate,
            "sent": str(self.sent),
        }
        errors = (self.platform.folder / "player.log").open("ab")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("BROKER_")}
        with errors:
            return subprocess.Popen(
                [sys.executable, str(PLAYER), json.dumps(given)],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=environment,
            )

    def _end_player(self, player: subprocess.Popen[str]) -> None:
        if player.poll() is None:
            player.send_signal(signal.SIGTERM)
        try:
            output, _ = player.communicate(timeout=1000)
        except subprocess.TimeoutExpired:
            player.kill()
            output = ""
        with suppress(ValueError):
            self.player_report = json.loads(output or "")
        if player.returncode or not self.player_report:
            words = (self.platform.folder / "player.log").read_text()[-500:]
            self._violate([f"the player could not deliver all alerts: {words}"])

    # Faults and what they did -------------------------------------------------------------------------------------

    def _strike(self, player: subprocess.Popen[str]) -> None:
        before = self._ingested()
        for _ in self.engine.faults:  # some affect processes that do not always exist
            done = self.engine.strike()
            if done.happened:
                break
        self._say(f"{done.fault}: {done.struck} ({done.seconds:.1f} s)")
        began = time.monotonic()
        at_end = max(before, self._ingested())
        while time.monotonic() - began < RECOVERY_SECONDS and player.poll() is None:
            if self._ingested() > at_end:
                break
            if time.monotonic() > self.ends:  # the comparison at the end decides
                return
            time.sleep(1.0)
        else:
            self._violate([f"after {done.fault} nothing was ingested for {RECOVERY_SECONDS:.0f} s"])
        self.interruptions.append((done.fault, time.monotonic() - began))
        self._compare(whole=len(self.engine.strikes) % WHOLE_EVERY == 0)

    def _ingested(self) -> int:
        from broker_assets.database.engine import connect

        with (
            suppress(*invariants.UNREACHABLE),
            connect(self.platform.database_url, connect_timeout=5, statement_timeout=10) as connection,
        ):
            row = connection.execute(
                "SELECT coalesce(sum(next_offset), 0)::bigint FROM stream_offset WHERE topic = %s", (TOPIC,)
            ).fetchone()
            return int(row[0]) if row else 0
        return 0

    def _compare(self, *, whole: bool) -> None:
        with suppress(*invariants.UNREACHABLE):
            self._violate(invariants.ledger(self.platform.database_url, whole=whole, first=self._checked))
            repeated = invariants.repeated_alerts(self.platform.alerts)
            self._repeated = repeated

    def _violate(self, found: list[str]) -> None:
        for violation in found:
            if violation not in self.violations:
                self.violations.append(violation)
                self._say(f"VIOLATED: {violation}")

    # The end ------------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        self._say("Waiting until everything is ingested …")
        deadline = time.monotonic() + DRAIN_SECONDS
        offsets: dict[int, int] = {}
        late: list[str] = ["the stream was not read to its end"]
        while time.monotonic() < deadline:
            with suppress(*invariants.UNREACHABLE):
                offsets = ends(self.platform.bootstrap_servers, TOPIC)
                late = invariants.received(self.platform.database_url, TOPIC, offsets) if offsets else late
                if not late and not self._waiting():
                    break
            time.sleep(2.0)
        self._violate(late)
        url = self.platform.database_url
        count = int(self.player_report.get("messages", 0))
        self._violate(invariants.ledger(url))
        self._violate(invariants.rows(url, self.sent, count, TOPIC))
        self._violate(invariants.archive_files(url, self.platform.home / "archive", frozenset(self.pruned)))
        self._violate(invariants.deliveries(url, self.platform.bootstrap_servers))
        self.quarantine = invariants.quarantine_reasons(url)
        self.repeated = invariants.repeated_alerts(self.platform.alerts)
        restarts = sum(one.happened for one in self.engine.strikes)
        # A notification that was being sent when its sender died is sent again: it must not be lost.
        if sum(self.repeated.values()) > restarts:
            self._violate([f"alerts were repeated: {self.repeated}"])

    def _waiting(self) -> int:
        from broker_assets.database.engine import connect

        with connect(self.platform.database_url, connect_timeout=5) as connection:
            row = connection.execute(
                "SELECT count(*) FROM deliveries JOIN filter_sinks USING (sinkid)"
                " WHERE state IN ('pending', 'sending') AND kind = 'kafka'"
            ).fetchone()
        return int(row[0]) if row else 0

    # Measuring ----------------------------------------------------------------------------------------------------

    def _sample(self) -> None:
        while not self.stop.wait(self.options.sample_seconds):
            begun = time.time()
            with suppress(Exception):  # a measurement that fails is missing; the next one follows
                self.samples.append((begun, sample(self.platform.victims, self.platform.database_url, TOPIC, TOPIC)))
            self._prune()

    def _prune(self) -> None:
        """Delete the oldest verified archive files: the disk is smaller than that of an observatory."""
        archive = self.platform.home / "archive"
        with suppress(OSError):
            files = sorted(
                ((path.stat().st_mtime, path.stat().st_size, path) for path in archive.rglob("*.avro")), reverse=True
            )
            kept = 0.0
            for modified, size, path in files:
                kept += size
                if kept > self.options.keep_archive_gb * 1e9 and time.time() - modified > 600.0:
                    path.unlink()
                    self.pruned.add(path.as_uri())

    def _say(self, message: str) -> None:
        print(f"{time.strftime('%H:%M:%S', time.gmtime())} {message}", flush=True)


def main() -> None:
    """Soak, and report."""
    options = arguments()
    apart()
    folder = (options.folder or Path(tempfile.mkdtemp(prefix="broker-soak-"))).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    platform = SoakedPlatform(folder, disk_megabytes=round(options.disk_gb * 1000), clock=not options.no_clock)
    print(f"The platform is in {folder}", flush=True)
    with platform.running({}):
        soak = Soak(options, platform)
        print(f"Faults by --seed {soak.seed}: {', '.join(one.name for one in soak.engine.faults)}", flush=True)
        soak.run()
        failed = write_report(options.report, soak)
    if options.folder is None and not failed:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""The closing scene, step by step: a night drained, exported, moved, lost, restored, and the next one.

`tests/faults/closing_scene.py` runs it with servers of its own.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from closing_steps import Stream, points_of, sample_of
from numpy.typing import NDArray

from broker_assets.backups.programs import Programs
from broker_assets.backups.shelf import Backup, Shelf
from broker_assets.packets.nights import night_of

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))

from _rubin_packets import ID_BASE, PacketFactory

VISITS = 4
"""Alerts of each object in the night."""
NEXT_NIGHT = 334
"""Visits, three minutes apart, until the next night."""
NEXT_SHARE = 25
"""One object in this number has alerts in the next night: two, the first of them before the server is lost."""
HISTORY, FORCED, NEW_FORCED = 6, 24, 3
"""Points of each packet, its own among them."""


@dataclass
class Scene:
    """The whole of it.

    Parameters
    ----------
    stream : Stream
        Topic, servers and folder.
    factory : PacketFactory
        Of the packets.
    alerts : int
        Alerts of the night.
    seed : int
        Repeats the choice of the run that is killed and when, and of the objects that are asked for.
    samples : int
        Objects whose light curves are compared.
    """

    stream: Stream
    factory: PacketFactory
    alerts: int
    seed: int
    samples: int = 1000
    ahead: int = 200_000
    """Messages that Kafka holds at most."""
    rows: list[tuple[str, str]] = field(default_factory=list)
    """Of the report."""

    def __post_init__(self) -> None:
        self.choice = random.Random(self.seed)
        self.objects = np.arange(max(self.alerts // VISITS, NEXT_SHARE), dtype=np.int64)
        self.some = [ID_BASE + one for one in sample_of(self.objects, self.samples, self.choice)]
        self.nights = [self._night(0), self._night(NEXT_NIGHT)]
        self.until = self.factory.fresh_mjd + 0.4
        """Between the two nights."""
        self.shelf, self.programs = Shelf(self.stream.folder / "backups"), Programs()

    def _night(self, visit: int) -> str:
        return str(night_of([self.factory.fresh_mjd + 0.003 * visit], "rubin")[0])

    def say(self, what: str, said: str) -> None:
        """A row of the report."""
        self.rows.append((what, said))
        print(f"{what:<58} {said}", flush=True)

    @contextmanager
    def timed(self, what: str) -> Iterator[list[str]]:
        """A step of the report, with its time."""
        begin, said = time.perf_counter(), list[str]()
        yield said
        self.say(what, ", ".join([f"{time.perf_counter() - begin:,.0f} s", *said]))

    def play(self) -> Backup:
        """Run everything until the server is lost; return the backup."""
        self.night()
        self.land()
        curves = self.across_the_border()
        backup, acknowledged = self.loss()
        self.before, self.acknowledged = curves, acknowledged
        return backup

    def night(self) -> None:
        """The alerts of the night, through three drain runs of which one is killed."""
        stream, visits = self.stream, range(VISITS)
        for run in range(stream.runs):
            stream.start(run)
        at = self.choice.randrange(self.alerts // 10, self.alerts * 3 // 4)
        with self.timed("the night, sent and drained") as said, stream.pruned():
            begin = time.perf_counter()
            with ThreadPoolExecutor(1) as sender:
                sent = sender.submit(self.send, self.objects, visits, min(self.ahead, self.alerts // 10))
                stream.wait(until=at)
                stream.kill(self.choice)
                sent.result()
            stream.wait()
            rate = stream.produced / (time.perf_counter() - begin)
            said += [f"{stream.produced:,} alerts", f"{rate:,.0f} alerts/s"]
        self.say("killed with SIGKILL", ", ".join(stream.kills))
        self.say("ledger closed, every message once", f"{stream.assert_closed():,} messages")

    def land(self) -> None:
        """The night as partitions of Iceberg and in a HATS catalogue; then its packets are deleted."""
        with self.timed("night as partitions of Iceberg") as said:
            written = self.stream.export(self.nights[0])
            said += [f"{rows:,} {name}" for name, rows in written.items() if rows]
        assert written["objects"] == len(self.objects)
        with self.timed("HATS catalogue of the night") as said:
            made, _ = self.stream.catalogue(self.nights[0])
            said += [f"{made.total:,} objects", f"{len(made.rows):,} tiles"]
        assert made.total == len(self.objects)
        self.say("packets of the night deleted", size(self.stream.prune_archive(self.nights[0])))

    def across_the_border(self) -> list[dict[str, Any]]:
        """Months leave; the API answers as before."""
        before = self.stream.ask(self.some, self.until)
        with self.timed("months that left, compared twice") as said:
            months, rows = self.stream.leave(self.nights[0])
            said += [f"{months[0]} to {months[-1]}", f"{rows:,} rows equal"]
        with self.timed("the API across the border, equal rows") as said:
            assert self.stream.ask(self.some, self.until) == before
            said += [f"{points_of(before):,} points of {len(before):,} objects"]
        assert points_of(before) == len(self.some) * self.points
        return before

    @property
    def points(self) -> int:
        """Points of an object after the night: its history, and what each visit brought."""
        old = self.factory.history - 1 + self.factory.forced - 2 * NEW_FORCED
        return old + VISITS * (1 + NEW_FORCED)

    def next_night(self, visit: int) -> None:
        """Send alerts of some objects in the next night."""
        self.send(self.objects[::NEXT_SHARE], range(visit, visit + 1), self.ahead)

    def send(self, objects: NDArray[np.int64], visits: range, ahead: int) -> None:
        """Send the alerts of some visits of objects."""
        for visit in visits:
            self.stream.send(self.factory.packets(objects, visit), objects.tolist(), ahead=ahead)

    def loss(self) -> tuple[Backup, int]:
        """A backup; the next night begins; the server is lost."""
        with self.timed("base backup") as said:
            receiver = self.stream.keep_log(self.shelf, self.programs)
            backup = self.stream.back_up(self.shelf, self.programs)
            said += [size(sum(one.size for one in backup.manifest.files) if backup.manifest else 0)]
        self.in_backup = self.stream.received()
        self.next_night(NEXT_NIGHT)
        self.stream.wait()
        return backup, self.stream.lose(receiver)

    def restored(self, backup: Backup, place: Path) -> None:
        """Unpack the backup and follow the log, in an empty folder."""
        with self.timed("restored into an empty folder") as said:
            received = self.stream.restore(self.shelf, backup, self.programs, place)
            assert received == self.acknowledged, "every committed batch is back"
            said += [f"{received:,} messages, all that were acknowledged"]

    def go_on(self, postgres: Any) -> None:
        """The stream continues with the restored server."""
        stream = self.stream
        stream.postgres = postgres
        assert stream.ask(self.some, self.until) == self.before
        self.say("the restored API, equal rows", f"{points_of(self.before):,} points")
        for run in range(stream.runs):
            stream.start(run)
        with self.timed("the stream goes on") as said:
            self.next_night(NEXT_NIGHT + 1)
            stream.wait()
            said += [f"{stream.produced - self.acknowledged:,} alerts"]
        stream.stop()
        self.say("ledger closed, every message once", f"{stream.assert_closed():,} messages")
        with self.timed("next night as partitions of Iceberg") as said:
            written = stream.export(self.nights[1])
            said += [f"{rows:,} {name}" for name, rows in written.items() if rows]
        assert written["objects"] == len(self.objects[::NEXT_SHARE])
        with self.timed("HATS catalogue, next night") as said:
            made, kept = stream.catalogue(self.nights[1])
            said += [f"{made.total:,} objects", f"{len(made.rows) - kept:,} of {len(made.rows):,} tiles written"]
        assert made.total == len(self.objects)


def make_factory() -> PacketFactory:
    """Of packets without cutouts, with 30 points; their times are before the present month."""
    return PacketFactory(
        HISTORY - 1, FORCED, NEW_FORCED, cutouts=False, own_history=True, fresh_mjd=61060.1, old_mjd=61059.0
    )


def write_schema(folder: Path, factory: PacketFactory) -> Path:
    """The schema of the packets, for the drain runs."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{factory.schema_id}.avsc").write_text(json.dumps(factory.schema))
    return folder


def size(number: float) -> str:
    """Bytes for people."""
    return f"{number / 1e9:,.2f} GB"

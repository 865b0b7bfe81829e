"""The rows of light curves do not depend on the order, the batches, the partitions or the runs of the packets.

Packets of a few objects are made at random, so that nothing about them is in order: points that only later packets
have, points measured before the first source, times that differ in the last digit, other values of the same point in
every packet, packets that come twice. One of the times of a point may be wrong by weeks or by a year; so may that of a
source without object whose packet is sent again. Whatever is done with them, the rows must be those of a brute-force
rule: the row of a point is that of its own packet, else that of the earliest packet that lists it; of two own packets,
either.
"""

from __future__ import annotations

import math
import os
import random
import threading
import time
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import pytest

from broker_assets.database.engine import connect
from broker_assets.database.stored_points import TABLES
from broker_assets.packets.archive import read_packet
from broker_assets.packets.kafka_place import kafka_place
from broker_assets.provenance.why import why
from broker_assets.settings import DrainSettings
from broker_assets.stream.reprocess import reprocess_night

pytestmark = pytest.mark.database

SURVEYS = {"alerts": "rubin"}
VISITS = [(number, 60998.2 + 13 * (number // 3) + 0.013 * (number % 3)) for number in range(15)]
"""Five nights in three months."""
YEARS = [(number, 60300.2 + 52 * number) for number in range(15)]
"""Nights of two years: packets list the last one."""
WINDOW = 365.0
"""Days that a packet looks back."""
NOT_COMPARED = ("ingestid", "archivefileid", "archiveposition", "archivelength", "timestamp")

Point = tuple[int, int]
"""Object and identifier of a point."""


@dataclass
class World:
    """Packets, and what the rows made from them must be."""

    packets: ModuleType
    generator: random.Random
    visits: list[tuple[int, float]] = field(default_factory=lambda: VISITS)
    values: list[bytes] = field(default_factory=list)
    sources: dict[Point, tuple[bool, float, int, float, float]] = field(default_factory=dict)
    """(not own, time of the packet, its source) of the best row yet, and its own time and flux."""
    forced: dict[Point, tuple[bool, float, int, float, float]] = field(default_factory=dict)
    withdrawn: dict[Point, float] = field(default_factory=dict)
    """Earliest time at which a packet says that a point was withdrawn."""
    resent: dict[Point, tuple[bool, float, int, float, float]] = field(default_factory=dict)
    """Rows of own packets that were sent again with another time: they are duplicates of the first, or it of them."""
    wrong: set[Point] = field(default_factory=set)
    """Points that a packet listed with a wrong time."""

    def add(self, object_id: int, visit: int) -> None:
        """Make the packet of a source."""
        generator, packets = self.generator, self.packets
        number, mjd = self.visits[visit]
        trigger = packets.source_id(object_id, number)
        record = packets.alert(object_id, [(number, mjd)], cutout_bytes=8)
        record["diaSource"]["psfFlux"] = self._flux()
        if object_id == 0 or generator.random() < 0.2:
            record["diaObject"] = None
        self._note(self.sources, (object_id, trigger), False, mjd, trigger, record["diaSource"])
        history, forced = [], []
        if object_id:
            # Not every packet lists every point, as if the survey had measured some of them afterwards.
            for earlier, time in self.visits[: visit + generator.randrange(2)]:
                if time < mjd - WINDOW:
                    continue
                if generator.random() < 0.6:
                    at = self._jittered(time, (object_id, packets.source_id(object_id, earlier)))
                    history.append(packets.source(object_id, earlier, at, psfFlux=self._flux()))
                if generator.random() < 0.6:
                    forced.append(packets.forced_source(object_id, earlier, time))
                    at = self._jittered(time, (object_id, -forced[-1]["diaForcedSourceId"]))
                    forced[-1]["midpointMjdTai"] = at
                    forced[-1]["psfFlux"] = self._flux()
                    if generator.random() < 0.1:
                        forced[-1]["timeWithdrawnMjdTai"] = mjd - generator.randrange(2)
                if history and generator.random() < 0.05:
                    history[-1]["timeWithdrawnMjdTai"] = mjd
            if history and generator.random() < 0.1:
                history.append(history[0] | {"psfFlux": history[0]["psfFlux"]})
            if generator.random() < 0.1:
                history.append(packets.source(object_id + 100, 3, self.visits[3][1], psfFlux=self._flux()))
            if generator.random() < 0.1:
                forced.append(packets.forced_source(object_id, 99, generator.choice([2461000.7, 1.48e9, math.nan])))
            if generator.random() < 0.2:
                generator.shuffle(history)
                generator.shuffle(forced)
        record["prvDiaSources"] = history
        record["prvDiaForcedSources"] = forced
        for point in history:
            key = (point["diaObjectId"], point["diaSourceId"])
            self._note(self.sources, key, True, mjd, trigger, point)
            self._mark(key, point)
        for point in forced:
            key = (point["diaObjectId"], point["diaForcedSourceId"])
            if 40000 <= point["midpointMjdTai"] <= 100000:
                self._note(self.forced, key, True, mjd, trigger, point)
                self._mark(key, point)
        value = packets.encode(record)
        self.values += [value] * (1 + (generator.random() < 0.1))

    def resend(self, visit: int) -> None:
        """Make another packet of a source without object, whose time is of another month."""
        number, mjd = self.visits[visit]
        trigger = self.packets.source_id(0, number)
        mjd += self.generator.choice([45.0, -45.0, -400.0])
        record = self.packets.alert(0, [(number, mjd)], cutout_bytes=8)
        record["diaSource"]["psfFlux"] = self._flux()
        record["diaObject"] = None
        self._note(self.resent, (0, trigger), False, mjd, trigger, record["diaSource"])
        self.values.append(self.packets.encode(record))

    def _flux(self) -> float:
        return float(self.generator.randrange(10**6))

    def _jittered(self, time: float, point: Point) -> float:
        if point not in self.wrong and self.generator.random() < 0.05:
            self.wrong.add(point)
            return time + self.generator.choice([20.0, 45.0, -20.0, -45.0, -400.0])
        return self.generator.choice([time, time, time, math.nextafter(time, 0), math.nextafter(time, 1e9)])

    @staticmethod
    def _note(
        rows: dict[Point, tuple[bool, float, int, float, float]],
        key: Point,
        listed: bool,
        mjd: float,
        trigger: int,
        point: dict[str, Any],
    ) -> None:
        row = (listed, mjd, trigger, point["midpointMjdTai"], point["psfFlux"])
        if key not in rows or row[:3] < rows[key][:3]:
            rows[key] = row

    def _mark(self, key: Point, point: dict[str, Any]) -> None:
        if (time := point["timeWithdrawnMjdTai"]) is not None:
            self.withdrawn[key] = min(time, self.withdrawn.get(key, math.inf))

    def check(self, broker: Any) -> None:
        """Compare the tables with the rule."""
        for table, name, expected in (
            ("diasources", "diasourceid", self.sources),
            ("diaforcedsources", "diaforcedsourceid", self.forced),
        ):
            own = "archivefileid IS NULL" if table == "diasources" else "true"
            found = broker.query(
                f"SELECT diaobjectid, {name}, {own}, broughtbymjdtai, broughtby, midpointmjdtai, psfflux::float8"
                f" FROM {table}"
            )
            assert len(found) == len(expected)
            rows = {(row[0], row[1]): row[2:] for row in found}
            assert rows == expected | {
                key: row for key, row in self.resent.items() if key in expected and rows[key] == row
            }
            marks = (
                f"SELECT diaobjectid, {name}, timewithdrawnmjdtai FROM {table} WHERE timewithdrawnmjdtai IS NOT NULL"
            )
            assert {row[:2]: row[2] for row in broker.query(marks)} == {
                key: time for key, time in self.withdrawn.items() if key in expected
            }


def make_world(packets: ModuleType, seed: int) -> World:
    """A world whose packets are in the order of time."""
    world = World(packets, random.Random(seed), YEARS if seed % 3 == 2 else VISITS)
    for visit in range(len(world.visits)):
        for object_id in (0, 1, 2, 3):
            if world.generator.random() < 0.5:
                world.add(object_id, visit)
                if object_id == 0 and world.generator.random() < 0.4:
                    world.resend(visit)
    return world


def tables(broker: Any) -> dict[str, list[Any]]:
    """All rows but for what depends on the batches."""
    return {
        name: broker.rows(name, without=NOT_COMPARED)
        for name in ("diasources", "diaforcedsources", "objects", "sssources")
    }


def sums_are_right(broker: Any) -> None:
    """The sums are those of the stored points."""
    with connect(broker.database_url) as connection:
        kept = connection.execute("SELECT diaobjectid, months FROM point_sums ORDER BY 1").fetchall()
        assert kept
        assert all(months is not None for _, months in kept)
        wanted = {
            row[0]
            for table in TABLES.values()
            for row in connection.execute(f"SELECT diaobjectid FROM {table.name} WHERE diaobjectid <> 0")
        }
        assert wanted <= {row[0] for row in kept}


def every_source_names_its_packet(broker: Any) -> None:
    """Whichever packet brought a source, `why` finds it in the archive."""
    with connect(broker.database_url) as connection:
        for (number,) in connection.execute("SELECT DISTINCT diasourceid FROM diasources").fetchall():
            for answer in why(connection, "diasources", {"diasourceid": number}, kafka_place):
                found = answer.packet
                assert found is not None
                packet = read_packet(found.archive_url, found.position, found.length)
                assert (packet.partition, packet.offset) == (found.partition, found.offset)
                assert broker.decoder().identify([packet.value]).diasourceid.tolist() == [found.diasourceid]


def nights(broker: Any) -> list[str]:
    """Nights with archived packets."""
    return [row[0] for row in broker.query("SELECT DISTINCT night::text FROM archive_file ORDER BY 1")]


def reprocess(broker: Any, night: str) -> None:
    """Rebuild a night."""
    report = reprocess_night(broker.database_url, night, surveys=SURVEYS, plan=broker.plan)
    assert not report.quarantined


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60 if os.environ.get("BROKER_TEST_FULL") else 3))
def test_any_order_and_split_gives_the_same_rows(broker: Any, packets: ModuleType, seed: int) -> None:
    world = make_world(packets, seed)
    generator = random.Random(-seed - 1)
    values = list(world.values)
    if seed:  # the first as the telescope sends them
        generator.shuffle(values)
    source = packets.ListSource.of([], partitions=2)
    while values:
        for _ in range(generator.randrange(1, 40)):
            if values:
                source.append(generator.randrange(2), values.pop(0))
        settings = DrainSettings(batch_max=generator.randrange(1, 30), batch_seconds=0.02, idle_seconds=0.01)
        broker.drain(source, settings=settings)
        if generator.random() < 0.3:
            reprocess(broker, generator.choice(nights(broker)))
    world.check(broker)
    before = tables(broker)
    order = nights(broker)
    generator.shuffle(order)
    for night in order:
        reprocess(broker, night)
    world.check(broker)
    assert tables(broker) == before
    sums_are_right(broker)
    every_source_names_its_packet(broker)
    broker.assert_closed_ledger()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20 if os.environ.get("BROKER_TEST_FULL") else 2))
def test_partitions_in_parallel_give_the_same_rows(broker: Any, packets: ModuleType, seed: int) -> None:
    """Three runs at a time, with packets of the same objects, while nights are rebuilt."""
    world = make_world(packets, 100 + seed)
    generator = random.Random(seed)
    values = list(world.values)
    generator.shuffle(values)
    failures: list[BaseException] = []

    def drain(partition: int) -> None:
        source = packets.ListSource.of([], partitions=3)
        for place, value in enumerate(values):
            source.append(place % 3, value)
        source.logs = {partition: source.logs[partition]}
        try:
            broker.drain(source, settings=DrainSettings(batch_max=4, batch_seconds=0.02, idle_seconds=0.01))
        except BaseException as error:  # noqa: BLE001 (reported below)
            failures.append(error)

    def rebuild() -> None:
        try:
            while any(thread.is_alive() for thread in threads[:3]):
                for night in nights(broker):
                    reprocess(broker, night)
                    time.sleep(0.1)
        except BaseException as error:  # noqa: BLE001 (reported below)
            failures.append(error)

    threads = [threading.Thread(target=drain, args=(partition,)) for partition in range(3)]
    threads.append(threading.Thread(target=rebuild))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    world.check(broker)
    sums_are_right(broker)

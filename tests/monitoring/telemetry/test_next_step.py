"""What comes next for a telemetry file: a day followed through its levels, as provenance records it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.monitoring.telemetry.next_step import chain, lines_of_files, next_steps
from broker_assets.provenance import versions
from broker_assets.publication.delivery_status import HeldFile, PendingFile, TargetState
from broker_assets.telemetry.archive.day_products import EMPTY_DAY, LEVELS, MADE_FROM, level_and_family, packets_of
from broker_assets.telemetry.archive.days import FAMILIES
from broker_assets.telemetry.archive.due_products import AGE
from broker_assets.telemetry.archive.input_versions import INPUTS, KERNELS
from broker_assets.telemetry.reception.register import entries

pytestmark = pytest.mark.database

TODAY = datetime.datetime.now(datetime.UTC).date()
DAY = TODAY - datetime.timedelta(days=2)


@dataclass
class Platform:
    """Provenance and register of a day."""

    connection: psycopg.Connection[Any]
    day: datetime.date = DAY

    def make(self, asset: str, version: str = "1") -> None:
        """An asset is made from what there is."""
        now = {name: versions.data_versions(self.connection, name, [self.day.isoformat()]) for name in MADE_FROM[asset]}
        inputs = tuple(
            versions.Input(asset=name, partition=key, data_version=made)
            for name, found in now.items()
            for key, made in found.items()
        )
        self._record(asset, version, inputs)

    def give(self, *names: str, version: str = "1") -> None:
        """Inputs have a version for the day."""
        for name in names:
            self._record(name, version)

    def _record(self, asset: str, version: str, inputs: tuple[versions.Input, ...] = ()) -> None:
        entry = versions.Artefact(asset=asset, partition=self.day.isoformat(), data_version=version, inputs=inputs)
        versions.record(self.connection, [entry])

    def next(self, family: str, targets: list[TargetState] | None = None) -> str:
        """What comes next for the family."""
        step = next_steps(self.connection, {(family, self.day)}, targets or [])[family, self.day]
        return step.line if step is not None else "nothing"

    def file(self, name: str, state: str = "processed", families: tuple[str, ...] = (), **more: Any) -> int:
        """A file of the register."""
        columns = {"folder": "/tm", "url": f"/tm/{name}", "name": name, "version": 1, "size": 1, "state": state, **more}
        row = self.connection.execute(
            f"INSERT INTO telemetry_file ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
            " RETURNING telemetryfileid",
            list(columns.values()),
        ).fetchone()
        assert row is not None
        for family in families:
            self.connection.execute("INSERT INTO telemetry_file_day VALUES (%s, %s, %s)", (row[0], family, self.day))
        return int(row[0])

    def lines(self) -> dict[str, str]:
        """The line of each file, by name."""
        files = entries(self.connection)
        found = lines_of_files(self.connection, files)
        return {file.name: found[file.telemetryfileid] for file in files}


@pytest.fixture
def platform(database_url: str) -> Iterator[Platform]:
    with engine.connect(database_url, autocommit=True) as connection:
        yield Platform(connection)


def test_every_asset_is_in_one_chain_in_the_order_of_levels() -> None:
    chains = {family: chain(family) for family in FAMILIES}
    assert sorted(asset for found in chains.values() for asset in found) == sorted(MADE_FROM)
    for family, found in chains.items():
        assert [level_and_family(asset)[0] for asset in found] == list(LEVELS)[: len(found)]
        assert {packets_of(asset) for asset in found} == {family}


@pytest.mark.parametrize("family", FAMILIES)
def test_a_day_goes_from_level_to_level(platform: Platform, family: str) -> None:
    platform.give(*INPUTS)
    for asset in chain(family):
        level, name = level_and_family(asset)
        starter = "the job ingest_telemetry" if level == "LB" else "the sensor automation"
        assert platform.next(family).startswith(f"{level} {name} of {DAY} waits for {starter}")
        platform.make(asset)
    assert platform.next(family) == "nothing"


@pytest.mark.parametrize("missing", INPUTS)
def test_a_level_waits_for_the_inputs_that_it_needs(platform: Platform, missing: str) -> None:
    platform.give(*(name for name in INPUTS if name != missing))
    for asset in chain("science"):
        if missing in MADE_FROM[asset]:
            break
        platform.make(asset)
    level, _ = level_and_family(asset)
    assert f"{level} science of {DAY} waits for what is missing: " in platform.next("science")
    platform.give(missing)
    assert "missing" not in platform.next("science")


def test_new_packets_are_followed_through_all_levels(platform: Platform) -> None:
    platform.give(*INPUTS)
    for asset in chain("quicklook"):
        platform.make(asset)
    platform.make("lb_quicklook", "2")
    assert platform.next("quicklook").startswith(f"L0 quicklook of {DAY} waits for the sensor automation")
    assert "since lb_quicklook changed" in platform.next("quicklook")
    platform.make("l0_quicklook", "1")  # the same result
    assert platform.next("quicklook").startswith("L1 quicklook")
    platform.make("l1_quicklook", "1")
    assert platform.next("quicklook") == "nothing"
    platform.give(KERNELS, version="2")
    assert "since spice_kernels changed" in platform.next("quicklook")


@pytest.mark.parametrize(
    ("family", "last", "waits"),
    [
        ("quicklook", "l2_quicklook", "a light curve of the whole day"),
        ("housekeeping", "l2_auxiliary", "flown kernels"),
    ],
)
def test_products_that_are_made_later(platform: Platform, family: str, last: str, waits: str) -> None:
    platform.give(*INPUTS)
    for asset in chain(family):
        platform.make(asset, EMPTY_DAY if asset == last else "1")
    assert waits in platform.next(family)
    platform.make(last, "1")
    assert platform.next(family) == "nothing"


def test_what_will_never_be_made_is_not_waited_for(platform: Platform) -> None:
    platform.day = TODAY - AGE - datetime.timedelta(days=1)
    platform.give(*INPUTS, version="flown 1")
    for family, last in (
        ("quicklook", "l2_quicklook"),
        ("housekeeping", "l2_auxiliary"),
        ("calibration", "l2_calibration"),
    ):
        for asset in chain(family):
            platform.make(asset, EMPTY_DAY if asset == last else "1")
        assert platform.next(family) == "nothing"


def test_deliveries_come_last_and_operators_first(platform: Platform) -> None:
    platform.give(*INPUTS)
    for name in ("a.fits", "b.fits"):
        platform.connection.execute(
            "INSERT INTO product_file (path, name, level, family, kind, version, day, rows, starts, ends, digest, size,"
            " incomplete, code_version) VALUES (%s, %s, 'L1', 'science', 'k', 1, %s, 1, '', '', 'd', 1, false, '1')",
            (f"L1/{name}", name, DAY),
        )
    now = datetime.datetime.now(datetime.UTC)
    target = TargetState(target="soar", pending=[PendingFile(name="a.fits", day=DAY, due_since=now)])
    assert platform.next("science", [target]).startswith("LB")
    for asset in chain("science"):
        platform.make(asset)
    assert platform.next("science", [target]) == (
        f"delivery of a.fits of {DAY} waits for the schedule publish_due, which runs hourly (soar)"
    )
    held = HeldFile(name="b.fits", status="held", reason="fewer rows", decided_at=now)
    target = target.model_copy(update={"open": [held]})
    assert platform.next("science", [target]).endswith("waits for an operator, who must agree: fewer rows")


def test_a_file_has_one_line(platform: Platform) -> None:
    platform.give(*INPUTS)
    first = platform.file("one", families=("quicklook", "science"))
    platform.file("copy", same_as=first)
    platform.file("other", families=("housekeeping",))
    platform.file("bad", "quarantined")
    platform.file("again", "failed", next_try=datetime.datetime(2026, 11, 29, 12, 30, tzinfo=datetime.UTC))
    platform.file("lost", "gone")
    for asset in (*chain("housekeeping"), "lb_quicklook", "lb_science", "l0_science"):
        platform.make(asset)
    found = platform.lines()
    assert found["one"].startswith(f"L0 quicklook of {DAY} waits for the sensor automation")
    assert found["one"].endswith("(and 1 more)")
    assert found["copy"] == found["one"]
    assert found["other"].startswith("complete")
    assert "telemetry files retry" in found["bad"]
    assert found["again"].endswith("the next try of the job ingest_telemetry (2026-11-29 12:30 UTC)")
    assert "removed from its folder" in found["lost"]
    assert all("\n" not in line for line in found.values())

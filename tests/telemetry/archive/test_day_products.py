"""Product files in the database: what follows from a change, and what does not."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import psycopg
import pytest

from broker_assets.database.engine import connect
from broker_assets.provenance import versions
from broker_assets.telemetry.archive.day_products import changed_inputs, record_files, stale_files
from broker_assets.telemetry.archive.product_archive import Outcome
from broker_assets.telemetry.products.files.record import ProductFile

pytestmark = pytest.mark.database

DAY = datetime.date(2021, 1, 17)
BEFORE = DAY - datetime.timedelta(days=1)


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with connect(database_url) as opened:
        yield opened


def file(
    level: str, day: datetime.date, digest: str, *, version: int = 2, parents: tuple[str, ...] = ()
) -> ProductFile:
    name = f"solo_{level}_stix-ql-lightcurve_{day:%Y%m%d}_V{version:02d}U.fits"
    return ProductFile(
        PurePosixPath(level, name), level, "quicklook", "ql-lightcurve", version, day, None, 10, "a", "b",
        parents=parents, inputs={"spice_kernels": "V1"} if level == "L1" else {}, incomplete=True, digest=digest,
    )  # fmt: skip


def enter(connection: psycopg.Connection[Any], *files: ProductFile, kernels: str = "k1", **overrides: int) -> None:
    given = {name.replace("_", "/", 1).replace("_", "-"): number for name, number in overrides.items()}
    inputs = {day: {"spice_kernels": kernels} for day in (BEFORE, DAY)}
    record_files(connection, Outcome(files=list(files)), inputs, archive=Path("/"), overrides=given, run_id=None)


def parent(day: datetime.date) -> str:
    """Name of a level L0 file as headers show it: without the mark of growing files."""
    return f"solo_L0_stix-ql-lightcurve_{day:%Y%m%d}_V02.fits"


def stale(connection: psycopg.Connection[Any], **overrides: int) -> set[tuple[str, str, str]]:
    given = {name.replace("_", "/", 1).replace("_", "-"): number for name, number in overrides.items()}
    return {(item.level, item.day.isoformat(), item.cause) for item in stale_files(connection, given)}


@pytest.fixture
def recorded(connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """Level L0 of two days, and L1 of the second, which has some rows of the first."""
    enter(connection, file("L0", BEFORE, "a"), file("L0", DAY, "b"))
    enter(connection, file("L1", DAY, "c", parents=(parent(BEFORE), parent(DAY))))
    assert stale(connection) == set()
    return connection


def test_parent_of_the_same_day_counts(recorded: psycopg.Connection[Any]) -> None:
    enter(recorded, file("L0", DAY, "other"))
    assert stale(recorded) == {("L1", DAY.isoformat(), "parent")}


def test_parent_of_the_day_beside_does_not(recorded: psycopg.Connection[Any]) -> None:
    """Its packets near midnight are in the version of the packets of this day."""
    enter(recorded, file("L0", BEFORE, "other"))
    assert stale(recorded) == set()


def test_bump_reaches_what_follows(recorded: psycopg.Connection[Any]) -> None:
    bump = {"L0_ql_lightcurve": 3}
    assert stale(recorded, **bump) == {
        ("L0", BEFORE.isoformat(), "code"),
        ("L0", DAY.isoformat(), "code"),
        ("L1", DAY.isoformat(), "upstream"),
    }
    assert stale(recorded, L1_hk_mini=3) == set()


def test_inputs_count_for_their_day(recorded: psycopg.Connection[Any]) -> None:
    known = versions.Artefact(asset="spice_kernels", partition=DAY.isoformat(), data_version="k1")
    versions.record(recorded, [known])
    assert stale(recorded) == set()
    found = {BEFORE: {"spice_kernels": "k2"}, DAY: {"spice_kernels": "k2"}}
    changed = changed_inputs(recorded, found)
    assert [(item.asset, item.partition) for item in changed] == [
        ("spice_kernels", BEFORE.isoformat()),
        ("spice_kernels", DAY.isoformat()),
    ]
    versions.record(recorded, changed)
    assert stale(recorded) == {("L1", DAY.isoformat(), "input")}
    assert changed_inputs(recorded, found) == []
    assert changed_inputs(recorded, {DAY: {}}) == [], "what is not available any more keeps its version"

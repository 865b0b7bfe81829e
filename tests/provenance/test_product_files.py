"""Product files in the database: which version is current, what it was made from, what must be made again."""

from __future__ import annotations

import datetime
from pathlib import PurePosixPath
from typing import Any

import psycopg
import pytest

from broker_assets.provenance.product_files import FileRecord, Recorded, StaleFile, record, stale, why

pytestmark = pytest.mark.database

DAY = datetime.date(2023, 11, 1)
NEXT = datetime.date(2023, 11, 2)
CODE = {("LB", "ql-lightcurve"): "1", ("L0", "ql-lightcurve"): "1", ("L1", "ql-lightcurve"): "1"}
INPUTS = {"instrument_database": "2.26.34", "spice_kernels": "V01"}


def file(level: str, day: datetime.date = DAY, **changes: Any) -> FileRecord:
    version = changes.get("version", 2)
    name = f"solo_{level}_stix-ql-lightcurve_{day:%Y%m%d}_V{version:02d}.fits"
    values: dict[str, Any] = {
        "path": PurePosixPath(level, name),
        "level": level,
        "family": "quicklook",
        "kind": "ql-lightcurve",
        "version": 2,
        "day": day,
        "rows": 10,
        "start": f"{day}T00:00:00",
        "end": f"{day}T23:59:59",
        "digest": f"{level}-a",
        "size": 5760,
        "inputs": {} if level == "LB" else INPUTS,
    }
    return FileRecord(**(values | changes))


def chain(connection: psycopg.Connection[Any], day: datetime.date = DAY) -> None:
    """LB, L0, L1 of a day, each made from the one before."""
    below = file("LB", day, raw_files=("one.xml",))
    record(connection, [below], run_id="run-lb", code_version="1")
    level0 = file("L0", day, parents=(below.path.name,), raw_files=("one.xml",))
    record(connection, [level0], run_id="run-l0", code_version="1")
    level1 = file("L1", day, parents=(level0.path.name,), raw_files=("one.xml",))
    record(connection, [level1], run_id="run-l1", code_version="1")


def causes(found: list[StaleFile]) -> list[tuple[str, str, str]]:
    return [(item.level, str(item.day), item.cause) for item in found]


def test_a_version_is_kept_when_another_takes_its_place(connection: psycopg.Connection[Any]) -> None:
    first = record(connection, [file("L0")], run_id="run-1", code_version="1")
    again = record(connection, [file("L0")], run_id="run-2", code_version="1")
    other = record(connection, [file("L0", digest="b", rows=11)], run_id="run-3", code_version="1")
    assert (first, again, other) == (Recorded(new=1), Recorded(unchanged=1), Recorded(replaced=1))
    current, old = why(connection, file("L0").path.name)
    assert (current.rows, current.run_id, current.superseded_at) == (11, "run-3", None)
    assert (old.rows, old.run_id, old.checked_run_id) == (10, "run-1", "run-2")
    assert old.superseded_at is not None


def test_a_removed_file_is_no_longer_current(connection: psycopg.Connection[Any]) -> None:
    record(connection, [file("L0")], run_id=None, code_version="1")
    assert record(connection, [], removed=[file("L0").path], run_id=None, code_version="1") == Recorded(removed=1)
    assert [item.superseded_at is not None for item in why(connection, file("L0").path.name)] == [True]
    assert stale(connection, code_versions={("L0", "ql-lightcurve"): "2"}) == []


def test_why_names_inputs_parents_and_telemetry_files_with_checksums(connection: psycopg.Connection[Any]) -> None:
    connection.execute(
        "INSERT INTO telemetry_file (folder, url, name, version, size, sha256, state, processed_at)"
        " VALUES ('file:///in', 'file:///in/one.xml', 'one.xml', 1, 3, 'abc', 'processed', now())"
    )
    chain(connection)
    (found,) = why(connection, "somewhere/else/" + file("L1").path.name)
    assert [(use.kind, use.name, use.version) for use in found.used] == [
        ("input", "instrument_database", "2.26.34"),
        ("input", "spice_kernels", "V01"),
        ("parent", file("L0").path.name, "L0-a"),
        ("raw", "one.xml", "abc"),
    ]
    assert why(connection, "solo_L1_nothing.fits") == []


def test_versions_of_the_day_are_compared_and_what_the_file_says_is_a_detail(
    connection: psycopg.Connection[Any],
) -> None:
    versions = {DAY: {"instrument_database": "sha1", "spice_kernels": "sha2"}}
    record(connection, [file("L0")], run_id=None, code_version="1", input_versions=versions)
    (found,) = why(connection, file("L0").path.name)
    assert [(use.version, use.detail) for use in found.used] == [("sha1", "2.26.34"), ("sha2", "V01")]
    assert stale(connection, inputs=versions) == []


def test_nothing_is_stale_after_making_everything(connection: psycopg.Connection[Any]) -> None:
    chain(connection)
    assert stale(connection, inputs={DAY: INPUTS}, code_versions=CODE) == []


def test_a_better_kernel_makes_exactly_the_files_of_its_days_stale(connection: psycopg.Connection[Any]) -> None:
    chain(connection)
    chain(connection, NEXT)
    found = stale(connection, inputs={DAY: INPUTS, NEXT: INPUTS | {"spice_kernels": "V02"}}, code_versions=CODE)
    assert causes(found) == [("L0", str(NEXT), "input"), ("L1", str(NEXT), "input")]
    assert [item.depth for item in found] == [0, 1]
    assert "V01 → V02" in found[0].reason


def test_an_input_that_is_gone_and_one_that_came(connection: psycopg.Connection[Any]) -> None:
    record(connection, [file("L1", inputs={"spice_kernels": "V01"})], run_id=None, code_version="1")
    record(connection, [file("L1", NEXT, inputs={"observation_plan": ""})], run_id=None, code_version="1")
    found = stale(connection, inputs={DAY: {}, NEXT: {"observation_plan": "p"}})
    assert causes(found) == [("L1", str(DAY), "missing"), ("L1", str(NEXT), "input")]


def test_a_code_version_makes_its_files_and_what_follows_stale(connection: psycopg.Connection[Any]) -> None:
    chain(connection)
    found = stale(connection, code_versions=CODE | {("L0", "ql-lightcurve"): "2"})
    assert causes(found) == [("L0", str(DAY), "code"), ("L1", str(DAY), "upstream")]
    assert causes(stale(connection, code_versions=CODE | {("L0", "ql-lightcurve"): "2"}, levels=["L1"])) == [
        ("L1", str(DAY), "upstream")
    ]


def test_a_parent_with_other_content_makes_its_children_stale(connection: psycopg.Connection[Any]) -> None:
    chain(connection)
    record(connection, [file("LB", digest="LB-b")], run_id=None, code_version="1")
    assert causes(stale(connection)) == [("L0", str(DAY), "parent"), ("L1", str(DAY), "upstream")]
    record(connection, [], removed=[file("LB").path], run_id=None, code_version="1")
    assert causes(stale(connection)) == [("L0", str(DAY), "missing"), ("L1", str(DAY), "upstream")]


def test_files_of_an_earlier_processing_version_are_left_alone(connection: psycopg.Connection[Any]) -> None:
    chain(connection)
    parents = (file("LB").path.name,)
    record(connection, [file("L0", version=3, digest="L0-3", parents=parents)], run_id=None, code_version="2")
    found = stale(connection, code_versions=CODE | {("L0", "ql-lightcurve"): "2"})
    assert causes(found) == [("L1", str(DAY), "parent")]
    assert "followed by version 3" in found[0].reason

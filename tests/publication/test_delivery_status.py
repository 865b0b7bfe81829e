"""What each target has, what it waits for, and what an operator must answer."""

from __future__ import annotations

import datetime
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from telemetry_records import Records

from broker_assets.database.engine import connect
from broker_assets.database.tables import publication, publication_run
from broker_assets.publication.delivery_status import pending_files, target_state
from broker_assets.settings import PublicationTarget

pytestmark = pytest.mark.database

DUE = 14 * 24.0
"""Hours after which a file is due."""


@pytest.fixture
def records(database_url: str, tmp_path: Path) -> Records:
    return Records(database_url, tmp_path, datetime.datetime(2024, 6, 1, tzinfo=datetime.UTC))


@pytest.fixture
def connection(records: Records) -> Iterator[psycopg.Connection[Any]]:
    with connect(records.database.url, autocommit=True) as opened:
        yield opened


def pending(records: Records, connection: Any, folder: Path) -> tuple[list[tuple[str, bool]], int]:
    settings = records.settings.publication
    files, young = pending_files(connection, settings.targets[0], settings, records.now, folder)
    return [(file.name, file.tried) for file in files], young


def test_files_wait_until_they_are_old_enough(records: Records, connection: Any, tmp_path: Path) -> None:
    second = records.product("L1", "2024-05-02", made=DUE + 1)
    first = records.product("L1", "2024-05-01", made=DUE + 2)
    records.product("L1", "2024-05-03", made=DUE - 1)
    quick = records.product("LL01", "2024-05-31", made=1.0, name="solo_LL01_stix-ql-lightcurve_20240531T1_V01.fits")
    records.product("LB", "2024-05-01", made=DUE + 1)
    records.settings.publication.targets[0].levels.append("LL01")
    found, young = pending(records, connection, tmp_path)
    assert [name for name, _ in found if name != quick] == [first, second]
    assert young == 1


def test_what_was_decided_does_not_wait(records: Records, connection: Any, tmp_path: Path) -> None:
    """Unless it was made again since, failed, or may be tried again."""
    name = records.product("L1", "2024-05-01", made=DUE + 2)
    records.decision(name, "published", ago=DUE)
    assert pending(records, connection, tmp_path) == ([], 0)
    records.execute("UPDATE publication SET settled = false, status = 'error'")
    assert pending(records, connection, tmp_path) == ([(name, True)], 0)
    records.execute("UPDATE publication SET settled = true, status = 'published', decided_at = '2000-01-01'")
    assert pending(records, connection, tmp_path) == ([(name, False)], 0)
    with records.database.engine.begin() as opened:
        later = records.now + datetime.timedelta(hours=1)
        opened.execute(sa.update(publication).values(status="ignored", retry_after=later, decided_at=records.now))
    assert pending(records, connection, tmp_path) == ([], 0)
    records.now += datetime.timedelta(hours=2)
    assert pending(records, connection, tmp_path) == ([(name, True)], 0)


def test_a_file_made_again_with_known_content_does_not_wait(records: Records, connection: Any, tmp_path: Path) -> None:
    """Its times are those that the publisher settled: it would look, find the same, and do nothing."""
    name = records.product("L1", "2024-05-01", made=DUE + 2)
    path = tmp_path / "L1" / name
    path.parent.mkdir()
    path.write_bytes(b"content")
    records.decision(name, "published", ago=DUE + 10)
    assert pending(records, connection, tmp_path) == ([(name, False)], 0)
    with records.database.engine.begin() as opened:
        found = os.stat(path)
        opened.execute(sa.update(publication).values(source_size=found.st_size, source_mtime=found.st_mtime_ns))
    assert pending(records, connection, tmp_path) == ([], 0)


def test_a_target_at_a_glance(records: Records, connection: Any, tmp_path: Path) -> None:
    for number, status in enumerate(("published", "published", "supplement", "ignored", "held", "error"), 1):
        name = f"solo_L1_stix-ql-lightcurve_2024050{number}_V02.fits"
        records.decision(name, status, ago=10.0 - number, reason=f"reason {number}")
    records.insert(publication_run, run_id="1", target="soar", finished_at=records.hours(3.0), counts={}, failure="no")
    records.insert(publication_run, run_id="2", target="soar", finished_at=records.hours(1.0), counts={})
    records.insert(publication_run, run_id="3", target="soar", counts={})
    settings = records.settings.publication
    state = target_state(connection, settings.targets[0], settings, records.now, tmp_path)
    assert (state.published, state.supplements, state.ignored, state.held, state.errors) == (2, 1, 1, 1, 1)
    assert [(file.status, file.reason) for file in state.open] == [("held", "reason 5"), ("error", "reason 6")]
    assert (state.last_run, state.failure) == (records.hours(1.0), "")


def test_a_mirror_counts_copies(records: Records, connection: Any, tmp_path: Path) -> None:
    mirror = PublicationTarget(name="copy", url="/copy", mirror=True)
    records.product("L1", "2024-05-01", made=DUE + 2)
    state = target_state(connection, mirror, records.settings.publication, records.now, tmp_path)
    assert (state.mirror, state.copied, state.pending) == (True, 0, [])


def test_without_its_blacklist_nothing_is_said(records: Records, connection: Any, tmp_path: Path) -> None:
    settings = records.settings.publication.model_copy(update={"blacklist": tmp_path / "gone.txt"})
    with pytest.raises(OSError, match=r"gone\.txt"):
        pending_files(connection, settings.targets[0], settings, records.now, tmp_path)

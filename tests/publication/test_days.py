"""Publication by observation day, over rows as telemetry and publisher write them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from telemetry_records import Records

from broker_assets.database.engine import connect
from broker_assets.database.tables import publication, publication_mirror, publication_receipt
from broker_assets.publication.days import (
    candidates,
    days_answered_since,
    days_delivered_since,
    due_days,
    sample_receipts,
    states,
    unmirrored,
)
from broker_assets.settings import PublicationTarget

pytestmark = pytest.mark.database

FIRST, SECOND = datetime.date(2024, 5, 1), datetime.date(2024, 5, 2)
OLD = 15 * 24.0
"""Hours; files of this age are due."""


@pytest.fixture
def records(database_url: str, tmp_path: Path) -> Records:
    return Records(database_url, tmp_path, datetime.datetime(2024, 6, 1, tzinfo=datetime.UTC))


@pytest.fixture
def connection(records: Records) -> Iterator[psycopg.Connection[Any]]:
    with connect(records.database.url, autocommit=True) as opened:
        yield opened


def deliver(records: Records, name: str, sha256: str, *, ago: float = 1.0) -> None:
    """Make a decided file a delivered one."""
    records.decision(name, "published", ago=ago)
    with records.database.engine.begin() as opened:
        opened.execute(
            sa.update(publication)
            .where(publication.c.path == name)
            .values(delivered_name=name, sha256=sha256, size=10, delivered_at=records.hours(ago))
        )
        opened.execute(
            sa.insert(publication_receipt).from_select(
                ["publicationid", "target", "name", "url", "size", "sha256", "run_id"],
                sa.select(
                    publication.c.publicationid, publication.c.target, sa.literal(name), sa.literal("file:///x"),
                    sa.literal(10), sa.literal(sha256), sa.literal("r"),
                ).where(publication.c.path == name),
            )
        )  # fmt: skip


def test_candidates_are_the_current_files_above_level_lb(records: Records, connection: Any, tmp_path: Path) -> None:
    records.product("LB", "2024-05-01")
    records.product("L0", "2024-05-01", made=5.0)
    records.product("L1", "2024-05-02")
    records.product("L1", "2024-05-01", name="solo_L1_stix-ql-background_20240501_V01.fits", superseded_at=records.now)
    (found,) = candidates(connection, tmp_path, [FIRST])
    assert found.path == tmp_path / "L0/solo_L0_stix-ql-lightcurve_20240501_V02.fits"
    assert found.relative == "L0/solo_L0_stix-ql-lightcurve_20240501_V02.fits"
    assert found.made_at == records.hours(5.0)


def test_days_are_due_when_their_files_are_old_and_not_decided_on(
    records: Records, connection: Any, tmp_path: Path
) -> None:
    records.settings.publication.targets.append(PublicationTarget(name="copy", url="/copy", mirror=True))
    settings = records.settings.publication
    records.product("L1", "2024-05-02", made=OLD)
    records.product("L1", "2024-05-03", made=1.0)
    held = records.product("L1", "2024-05-01", made=OLD)
    records.decision(held, "held", ago=2.0)
    assert due_days(connection, settings, records.now, tmp_path) == [SECOND]
    records.execute("UPDATE publication SET settled = false, agreed_at = now()")
    assert due_days(connection, settings, records.now, tmp_path) == [FIRST, SECOND]


def test_the_version_of_a_day_changes_with_what_targets_have(records: Records, connection: Any) -> None:
    names = [records.product("L1", day, made=OLD) for day in ("2024-05-01", "2024-05-02")]
    empty = states(connection, [FIRST, SECOND])
    assert empty[FIRST].data_version == empty[SECOND].data_version
    deliver(records, names[0], "a" * 64)
    records.decision("solo_L1_stix-ql-lightcurve_20240502_V02.fits", "held", reason="90 rows")
    one = states(connection, [FIRST, SECOND])
    assert [(receipt.name, receipt.sha256, receipt.status) for receipt in one[FIRST].receipts] == [
        (names[0], "a" * 64, "published")
    ]
    assert one[FIRST].data_version != empty[FIRST].data_version
    assert one[SECOND].data_version == empty[SECOND].data_version
    assert [(held.name, held.reason) for held in one[SECOND].held] == [(names[1], "90 rows")]
    assert one[SECOND].counts["soar"]["held"] == 1
    records.execute("UPDATE publication SET agreed_at = now() WHERE status = 'held'")
    assert states(connection, [SECOND])[SECOND].held == []
    assert days_answered_since(connection, datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)) == [
        SECOND
    ]


def test_days_of_deliveries_since_a_time(records: Records, connection: Any) -> None:
    """The complete version V02 of a day was delivered under the name that the growing file V02U had, too."""
    deliver(records, records.product("L1", "2024-05-01", made=OLD), "a" * 64, ago=30.0)
    deliver(records, "solo_L1_stix-ql-background_20240502_V02.fits", "b" * 64, ago=2.0)
    records.product("L1", "2024-05-02", kind="ql-background", name="solo_L1_stix-ql-background_20240502_V02U.fits")
    assert days_delivered_since(connection, None) == [FIRST, SECOND]
    assert days_delivered_since(connection, records.hours(10.0)) == [SECOND]
    assert days_delivered_since(connection, records.now) == []


def test_a_sample_has_the_newest_and_differs_by_its_seed(records: Records, connection: Any) -> None:
    names = [f"solo_L1_stix-ql-lightcurve_202405{day:02d}_V02.fits" for day in range(1, 13)]
    for number, name in enumerate(names):
        deliver(records, name, f"{number:064d}", ago=20.0 - number)
    samples = [sample_receipts(connection, "soar", number=6, seed=str(seed)) for seed in range(8)]
    for sample in samples:
        assert {names.index(name) for name, _ in sample} >= {9, 10, 11}
        assert all(int(sha256) == names.index(name) for name, sha256 in sample)
        assert 3 <= len(sample) <= 6
    assert len({tuple(sample) for sample in samples}) > 1
    assert sample_receipts(connection, "other", number=6, seed="") == []


def test_copies_lack_new_and_newer_files(records: Records, connection: Any) -> None:
    for day, made in (("2024-05-01", 5.0), ("2024-05-02", 5.0), ("2024-05-03", 5.0)):
        records.product("L1", day, made=made)
    path = "L1/solo_L1_stix-ql-lightcurve_2024050{}_V02.fits"
    for number, verified in ((1, 1.0), (2, 9.0)):
        records.insert(
            publication_mirror, target="copy", path=path.format(number), size=1, sha256="0" * 64,
            verified_at=records.hours(verified), run_id="r",
        )  # fmt: skip
    assert unmirrored(connection, "copy") == [path.format(2), path.format(3)]

"""Copies of our archive in other stores, and whether archives still have what they got."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from broker_assets.publication.mirror import sync
from broker_assets.publication.questions import pending, receipts
from broker_assets.publication.run import publish
from broker_assets.publication.selection import Rules, files_below
from broker_assets.publication.targets import Target
from broker_assets.publication.verification import verify

pytestmark = pytest.mark.database


def ours(archive: Path) -> dict[str, bytes]:
    return {path.relative_to(archive).as_posix(): path.read_bytes() for path in archive.rglob("solo_*")}


def test_only_differences_are_copied_and_nothing_is_removed_unasked(
    connection: Any, archive: Path, products: Any, remote: Any
) -> None:
    day = products.put(archive / "L1" / "2021", products.DAY)
    products.put(archive / "L1" / "2021", products.request(1))
    products.put(archive / "LB", "solo_LB_stix-21-6-30_0664070400_V02.fits")
    (archive / ".solo_L1_stix-ql-lightcurve_20210117_V02U.fits.x.part").write_text("not yet")
    assert len(sync(connection, archive, remote.target, dry_run=True).copied) == 3
    assert remote.files() == {}
    first = sync(connection, archive, remote.target)
    assert (len(first.copied), first.unchanged, first.failed, first.failure) == (3, 0, {}, None)
    assert remote.files() == ours(archive)
    second = sync(connection, archive, remote.target)
    assert (second.copied, second.unchanged) == ([], 3)
    products.put(day.parent, products.DAY, rows=70)
    assert sync(connection, archive, remote.target).copied == [f"L1/2021/{products.DAY}"]
    assert remote.files() == ours(archive)
    day.unlink()
    third = sync(connection, archive, remote.target)
    assert third.surplus == [f"L1/2021/{products.DAY}"]
    assert len(remote.files()) == 3
    assert sync(connection, archive, remote.target, remove=True).removed == [f"L1/2021/{products.DAY}"]
    assert remote.files() == ours(archive)


def test_a_mirror_leaves_files_of_others_alone(connection: Any, archive: Path, products: Any, tmp_path: Path) -> None:
    far = tmp_path / "far"
    far.mkdir()
    (far / "README").write_text("of the data centre")
    products.put(archive, products.DAY)
    target = Target("mirror", str(far))
    sync(connection, archive, target)
    report = sync(connection, archive, target, remove=True)
    assert (report.removed, report.surplus) == ([], ["README"])
    with pytest.raises(ValueError, match="the whole archive"):
        sync(connection, archive, target, files=[], remove=True)


def test_a_damaged_copy_is_found_by_reading_it_back(
    connection: Any, archive: Path, products: Any, tmp_path: Path
) -> None:
    far = tmp_path / "far"
    far.mkdir()
    path = products.put(archive, products.DAY)
    target = Target("mirror", str(far))
    sync(connection, archive, target)
    damaged = bytearray(path.read_bytes())
    damaged[-1] ^= 1
    (far / products.DAY).write_bytes(damaged)
    assert sync(connection, archive, target).copied == []
    assert sync(connection, archive, target, verify=True).copied == [products.DAY]
    assert (far / products.DAY).read_bytes() == path.read_bytes()
    (far / products.DAY).unlink()
    assert sync(connection, archive, target).copied == [products.DAY]


def test_some_files_of_a_mirror(connection: Any, archive: Path, products: Any, tmp_path: Path) -> None:
    far = tmp_path / "far"
    far.mkdir()
    first = products.put(archive / "L1", products.DAY)
    products.put(archive / "L1", products.request(1))
    report = sync(connection, archive, Target("mirror", str(far)), files=[first])
    assert report.copied == [f"L1/{products.DAY}"]


def test_a_mirror_that_is_away(connection: Any, archive: Path, products: Any, tmp_path: Path) -> None:
    products.put(archive, products.DAY)
    report = sync(connection, archive, Target("mirror", str(tmp_path / "not mounted")))
    assert report.failure is not None
    assert "is unavailable" in report.failure


def test_losses_at_an_archive_are_found_and_repaired(
    connection: Any, archive: Path, products: Any, remote: Any, tmp_path: Path
) -> None:
    for number in (1, 2):
        products.put(archive, products.request(number), value=number)
    products.put(archive, products.DAY)
    first = publish(connection, files_below(archive), remote.target, Rules())
    assert verify(connection, remote.target) == []
    before = remote.files()
    names = sorted(before)
    remote.target.remove(names[0])
    bad = tmp_path / "bad"
    bad.write_bytes(before[names[1]][:-1] + b"x")
    remote.target.deliver(names[1], bad, hashlib.sha256(bad.read_bytes()).hexdigest())
    losses = verify(connection, remote.target)
    assert {loss.name: loss.state for loss in losses} == {names[0]: "missing", names[1]: "damaged"}
    assert pending(connection) == []
    verify(connection, remote.target, repair=True)
    assert len(pending(connection)) == 2
    again = publish(connection, files_below(archive), remote.target, Rules())
    assert sorted(outcome.delivered_name or "" for outcome in again.outcomes) == names[:2]
    # The same bytes, the time of the first delivery included.
    assert remote.files() == before
    assert len(receipts(connection)) == len(first.outcomes) + 2
    assert verify(connection, remote.target) == []

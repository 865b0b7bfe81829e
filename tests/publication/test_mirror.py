"""Copies of our archive in other stores, and whether archives still have what they got."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from broker_assets.publication.mirror import sync
from broker_assets.publication.run import publish
from broker_assets.publication.selection import Rules, files_below
from broker_assets.publication.targets import Target

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


def test_a_mirror_within_the_archive_is_refused(connection: Any, archive: Path, products: Any, tmp_path: Path) -> None:
    """It would be copied into itself, deeper with each sync."""
    products.put(archive / "L1", products.DAY)
    before = ours(archive)
    (archive / "copy").mkdir()
    (tmp_path / "link").symlink_to(archive)
    for place in (archive, archive / "copy", tmp_path / "link" / "copy"):
        for url in (f"{place}/", f"file://{place}"):
            report = sync(connection, archive, Target("mirror", url), remove=True)
            assert "mirror is within the archive" in (report.failure or ""), url
            assert (report.copied, report.removed, ours(archive)) == ([], [], before)
    next_to = archive.with_name(f"{archive.name}-copy")
    next_to.mkdir()
    assert sync(connection, archive, Target("mirror", str(next_to))).copied == [f"L1/{products.DAY}"]


@pytest.mark.parametrize("place", ["products", "products/copy", "products/../products/copy", "link/copy"])
def test_an_archive_within_ours_is_refused(
    connection: Any, archive: Path, products: Any, tmp_path: Path, place: str
) -> None:
    """What is delivered there would be taken for a product of our own."""
    assert archive == tmp_path / "products"
    products.put(archive / "L1", products.DAY)
    (archive / "copy").mkdir()
    (tmp_path / "link").symlink_to(archive)
    for url in (f"{tmp_path}/{place}", f"file://{tmp_path}/{place}/"):
        inside, outside = Target("inside", url), Target("outside", str(tmp_path))
        for target, conflicts in ((inside, None), (outside, inside)):
            for dry_run in (True, False):
                report = publish(
                    connection, files_below(archive), target, Rules(), conflicts=conflicts, dry_run=dry_run
                )
                assert "inside is within the archive" in (report.failure or "")
                assert (report.outcomes, len(report.left)) == ([], 1)
    assert len(list(archive.rglob("solo_*"))) == 1


def test_an_archive_without_files_removes_nothing(
    connection: Any, archive: Path, products: Any, tmp_path: Path
) -> None:
    """A disk that is not mounted looks like that."""
    far, empty = tmp_path / "far", tmp_path / "empty"
    far.mkdir()
    empty.mkdir()
    products.put(archive, products.DAY)
    target = Target("mirror", str(far))
    sync(connection, archive, target)
    report = sync(connection, empty, target, remove=True)
    assert report.failure is not None
    assert "nothing is removed" in report.failure
    assert (far / products.DAY).is_file()


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

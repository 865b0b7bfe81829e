"""Databases, archives and backups of every release open in this version; a snapshot of each release is kept."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest
import zstandard
from release_snapshot import RELEASES, counts

from broker_assets.accounting import balance
from broker_assets.backups.programs import Connection, Programs
from broker_assets.backups.shelf import Shelf
from broker_assets.backups.users_data import restore_users_data
from broker_assets.database import migrations
from broker_assets.database.engine import connect
from broker_assets.packets import archive
from broker_assets.sky.matching import SkyMatching
from broker_assets.stream.enrichment import EnrichmentPlan
from broker_assets.stream.reprocess import reprocess_night

pytestmark = pytest.mark.database

SNAPSHOTS = sorted(path for path in RELEASES.iterdir() if path.is_dir())


@pytest.mark.parametrize("release", SNAPSHOTS, ids=lambda path: path.name)
def test_a_release_opens_in_this_version(release: Path, postgres: Any, new_database: Any, tmp_path: Path) -> None:
    """Once migrated, the tables are current, the ledger balances, the archive is readable, and a night is rebuilt."""
    said = json.loads((release / "snapshot.json").read_text())
    moved = tmp_path / "archive"
    shutil.copytree(release / "archive", moved)
    with new_database() as name:
        url = postgres.url(name)
        arguments: list[str | Path] = ["--no-owner", "--no-privileges", "--exit-on-error"]
        dump = tmp_path / "database.dump"
        dump.write_bytes(zstandard.ZstdDecompressor().decompress((release / "database.dump.zst").read_bytes()))
        Programs().run("pg_restore", [*arguments, "-d", Connection.of(url).text, dump])
        assert migrations.current(url) == said["revision"]
        with connect(url, autocommit=True) as connection:
            connection.execute("UPDATE archive_file SET url = replace(url, %s, %s)", (said["archive"], moved.as_uri()))
        migrations.upgrade(url)
        assert migrations.check(url) == []
        with connect(url) as connection:
            assert counts(connection) == said["rows"]
            for check in (
                balance.batches,
                balance.offsets,
                balance.stored_rows,
                balance.archived_packets,
                balance.archive_positions,
            ):
                assert check(connection) == [], check.__name__
            known = connection.execute("SELECT url, sha256, packets FROM archive_file").fetchall()
            nights = [night for (night,) in connection.execute("SELECT DISTINCT night FROM archive_file").fetchall()]
        for place, sha256, packets in known:
            archive.verify(place, sha256=sha256, packets=packets)
        for night in nights:
            plan = EnrichmentPlan([SkyMatching(tmp_path / "sky")])
            report = reprocess_night(url, night, surveys={"alerts": "rubin"}, plan=plan)
            assert not report.quarantined
        with connect(url) as connection:
            again = counts(connection)
        assert {key: again[key] for key in ("diasources", "diaforcedsources", "objects")} == {
            key: said["rows"][key] for key in ("diasources", "diaforcedsources", "objects")
        }


@pytest.mark.parametrize("release", SNAPSHOTS, ids=lambda path: path.name)
def test_a_backup_of_a_release_is_restored(release: Path, postgres: Any, new_database: Any, tmp_path: Path) -> None:
    """It is restored into an empty database, which is then at the newest migration."""
    with tarfile.open(release / "backups.tar.xz") as packed:
        packed.extractall(tmp_path, filter="data")
    shelf = Shelf(tmp_path)
    with new_database() as name:
        held = restore_users_data(shelf, shelf.newest("users"), postgres.url(name))
        assert migrations.current(postgres.url(name)) == migrations.head()
    assert (held["access.users"].rows, held["watchlist_cones"].rows) == (1, 10)


def test_the_newest_release_has_a_snapshot() -> None:
    """`CONTRIBUTING.md` describes how to make it; without it, a later version that cannot open it goes unnoticed."""
    from importlib import metadata

    assert metadata.version("broker_assets") in {path.name for path in SNAPSHOTS}

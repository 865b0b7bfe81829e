"""The list of the object store, and what has vanished since."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.backups.inventory import NAME, compare_inventory, read_inventory, write_inventory
from broker_assets.backups.manifest import DamagedBackup
from broker_assets.backups.shelf import Shelf
from broker_assets.database.engine import connect

pytestmark = pytest.mark.database


def test_what_vanishes_or_changes_is_found(database_url: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    for name in ("topic/2026-01-01/a.avro", "topic/2026-01-01/b c.avro", "snapshots/x/d.parquet"):
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_bytes(name.encode())
    (store / ".parts").mkdir()
    (store / ".parts" / ".e.part").write_bytes(b"half")
    known = (store / "topic/2026-01-01/a.avro").as_uri()
    with connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO archive_file (url, topic, night, ingestid, packets, bytes, sha256)"
            " VALUES (%s, 'topic', '2026-01-01', 1, 1, 23, 'abc')",
            (known,),
        )
    shelf = Shelf(tmp_path / "backups")
    backup = write_inventory(database_url, store.as_uri(), shelf)
    assert backup.manifest is not None
    assert backup.manifest.objects == 3
    listed = {item.url: item for item in read_inventory(backup)}
    assert {item.sha256 for item in listed.values()} == {None, "abc"}
    assert compare_inventory(shelf, backup, database_url, store.as_uri()).harmless

    (store / "new").write_bytes(b"1")
    (store / "snapshots/x/d.parquet").write_bytes(b"other")
    (store / "topic/2026-01-01/a.avro").unlink()
    found = compare_inventory(shelf, backup, database_url, store.as_uri())
    assert not found.harmless
    assert found.missing == [known]
    assert [name.rpartition("/")[2] for name in found.changed] == ["d.parquet"]
    assert found.surplus == 1
    # What the ledger has is missed, too, where the list is older than the file.
    empty = write_inventory(database_url, (tmp_path / "absent").as_uri(), shelf)
    assert compare_inventory(shelf, empty, database_url, (tmp_path / "absent").as_uri()).missing == [known]
    (backup.path / NAME).write_bytes(b"damaged")
    with pytest.raises(DamagedBackup, match="objects"):
        compare_inventory(shelf, backup, database_url, store.as_uri())
    with pytest.raises(DamagedBackup, match="cannot be read"):
        list(read_inventory(backup))

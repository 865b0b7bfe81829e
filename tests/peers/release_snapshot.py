"""A snapshot of a release: its database with alerts and users, its packet archive, a backup of its users' data.

`python tests/peers/release_snapshot.py` (with the project in PYTHONPATH) writes `tests/releases/<version>/` with the
current code, once for each release; the tests of later versions open all of them and change none.
"""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

import psycopg
import zstandard

from broker_assets.backups.programs import Connection, Programs
from broker_assets.backups.shelf import Shelf
from broker_assets.backups.users_data import write_users_data
from broker_assets.database import migrations
from broker_assets.database.engine import connect
from broker_assets.packets.decoder import AlertDecoder
from broker_assets.packets.registry import SchemaFolder
from broker_assets.settings import DrainSettings
from broker_assets.sky.matching import SkyMatching
from broker_assets.stream.drain import drain
from broker_assets.stream.enrichment import EnrichmentPlan

RELEASES = Path(__file__).resolve().parents[1] / "releases"
ARCHIVE = "file:///archive-of-the-release"
"""Where the archive is for the database of a snapshot; moved by the test."""
COUNTED = ("ingest_batch", "archive_file", "diasources", "diaforcedsources", "objects", "watchlist_facts", "watchlists")


def counts(connection: psycopg.Connection[Any]) -> dict[str, int]:
    """Rows of the tables that a test compares."""
    found = {}
    for table in COUNTED:
        row = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # type: ignore[arg-type]
        assert row is not None
        found[table] = int(row[0])
    return found


def make(target: Path, url: str, sky: Path) -> None:
    """Fill a migrated, empty database and write the snapshot of it."""
    import alert_packets

    target.mkdir(parents=True)
    schemas = alert_packets.write_schema_folder(sky.parent / "schemas")
    archive = target / "archive"
    with connect(url, autocommit=True) as connection:
        connection.execute("INSERT INTO access.users (username, password, roles) VALUES ('ann', '', '{}')")
        connection.execute("INSERT INTO watchlists (owner, name, radius, revision) VALUES ('ann', 'all', 360, 1)")
        connection.execute(
            "INSERT INTO watchlist_cones (wl_id, name, ra, decl)"
            " SELECT 1, 'c' || n, n, -30 FROM generate_series(0, 9) n"
        )
    packets = list(alert_packets.Survey(objects=6, visits=4).packets())
    source = alert_packets.ListSource.of(packets, partitions=2)
    drain(
        source,
        url,
        archive.as_uri(),
        lambda: AlertDecoder("rubin", "confluent", SchemaFolder(schemas), topic="alerts"),
        DrainSettings(batch_max=10, batch_seconds=0.2, idle_seconds=0.1, budget_seconds=60),
        topic="alerts",
        partitions=source.partitions(),
        run_id="release",
        plan=EnrichmentPlan([SkyMatching(sky)]),
    )
    with connect(url, autocommit=True) as connection:
        connection.execute("UPDATE archive_file SET url = replace(url, %s, %s)", (archive.as_uri(), ARCHIVE))
        said = {"revision": migrations.current(url), "archive": ARCHIVE, "rows": counts(connection)}
    shelf = Shelf(sky.parent / "backups")
    backup = write_users_data(url, shelf)
    with tarfile.open(target / "backups.tar.xz", "w:xz") as packed:
        packed.add(backup.path, f"users/{backup.path.name}")
    dump = sky.parent / "database.dump"
    arguments: list[str | Path] = ["--format", "custom", "--compress", "0", "--no-owner", "--no-privileges"]
    Programs().run("pg_dump", [*arguments, "--file", dump, "-d", Connection.of(url).text])
    (target / "database.dump.zst").write_bytes(zstandard.ZstdCompressor(level=19).compress(dump.read_bytes()))
    (target / "snapshot.json").write_text(json.dumps(said, indent=1) + "\n")


def main() -> None:
    """Write the snapshot of this version."""
    from broker_assets.local.postgres import EmbeddedPostgres

    target = RELEASES / (sys.argv[1] if len(sys.argv) > 1 else metadata.version("broker_assets"))
    if target.exists():
        sys.exit(f"{target} exists; a snapshot is made once, with the code of its release")
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o711)
    try:
        with EmbeddedPostgres(folder / "postgres", configuration={"fsync": "off"}) as server:
            migrations.upgrade(server.url())
            make(target, server.url(), folder / "sky")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(target)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()

"""Snapshots of tables, written from one database and installed into another."""

from __future__ import annotations

import csv
import datetime
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import ModuleType
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner
from upath import UPath

from broker_assets.commands.snapshots import app
from broker_assets.database import engine
from broker_assets.database.tables import crossmatch_tns
from broker_assets.storage.published import DamagedProduct
from broker_assets.tns.bulk import parse_bulk_csv
from broker_assets.tns.refresh import apply_bulk_file
from broker_assets.tns.snapshots import BadSnapshot, install_snapshot, write_snapshot

pytestmark = pytest.mark.database
ROWS = "SELECT * FROM crossmatch_tns ORDER BY id"


@pytest.fixture
def fill(tns: ModuleType) -> Callable[..., None]:
    def fill(connection: Any, count: int, **changes: Any) -> None:
        rows = [tns.tns_row(n, f"2026{n}", n, 1.0, reporters='Å, "B"', **changes) for n in range(1, count + 1)]
        file = parse_bulk_csv(tns.bulk_csv(rows))
        until = datetime.datetime(2026, 11, 20, tzinfo=datetime.UTC)
        apply_bulk_file(connection, file, name="f", kind="full", covers_until=until, largest_loss=1.0)

    return fill


def test_written_and_installed(
    database_url: str,
    postgres: Any,
    new_database: Callable[..., AbstractContextManager[str]],
    migrated_template: str,
    fill: Callable[..., None],
    tmp_path: Path,
) -> None:
    folder = UPath(tmp_path)
    with (
        new_database(migrated_template) as other,
        engine.connect(database_url, autocommit=True) as here,
        engine.connect(postgres.url(other), autocommit=True) as there,
    ):
        fill(here, 20)
        first = write_snapshot(here, crossmatch_tns, folder)
        assert (first.rows, first.changed) == (20, True)
        assert not write_snapshot(here, crossmatch_tns, folder).changed
        done = install_snapshot(there, crossmatch_tns, folder)
        assert (done.removed, done.added, done.rows) == (0, 20, 20)
        assert there.execute(ROWS).fetchall() == here.execute(ROWS).fetchall()
        # what was added there goes, what changed here comes
        there.execute("INSERT INTO crossmatch_tns (ra, decl, tns_name, htm16) VALUES (1, 1, 'mine', 1)")
        fill(here, 18, redshift="0.5")
        second = write_snapshot(here, crossmatch_tns, folder)
        assert second.version != first.version
        done = install_snapshot(there, crossmatch_tns, folder)
        assert (done.removed, done.added) == (21, 18)
        assert there.execute(ROWS).fetchall() == here.execute(ROWS).fetchall()
        assert install_snapshot(there, crossmatch_tns, folder).added == 0
        damaged(folder, there)


def damaged(folder: UPath, there: Any) -> None:
    """A damaged snapshot is refused and changes nothing."""
    before = there.execute(ROWS).fetchall()
    pointer = json.loads((folder / "crossmatch_tns" / "current.json").read_text())
    version = folder / "crossmatch_tns" / pointer["version"]
    with (version / "crossmatch_tns.csv").open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert len(lines) == len(before) == pq.read_table(version / "crossmatch_tns.parquet").num_rows
    assert lines[0]["reporters"] == 'Å, "B"'
    described = json.loads((version / "schema.json").read_text())
    assert [column["name"] for column in described["columns"]] == list(lines[0])
    content = (version / "crossmatch_tns.parquet").read_bytes()
    (version / "crossmatch_tns.parquet").write_bytes(content[:-10])
    with pytest.raises(DamagedProduct, match="checksum"):
        install_snapshot(there, crossmatch_tns, folder)
    (version / "crossmatch_tns.parquet").unlink()
    with pytest.raises(DamagedProduct, match="missing"):
        install_snapshot(there, crossmatch_tns, folder)
    with pytest.raises(DamagedProduct, match="nothing is published"):
        install_snapshot(there, crossmatch_tns, folder / "elsewhere")
    assert there.execute(ROWS).fetchall() == before


def test_other_columns_are_refused(database_url: str, fill: Callable[..., None], tmp_path: Path) -> None:
    import hashlib

    folder = UPath(tmp_path)
    with engine.connect(database_url, autocommit=True) as connection:
        fill(connection, 3)
        write_snapshot(connection, crossmatch_tns, folder)
        pointer = json.loads((folder / "crossmatch_tns" / "current.json").read_text())
        path = folder / "crossmatch_tns" / pointer["version"] / "schema.json"
        path.write_text(path.read_text().replace('"host_name"', '"hostname"'))
        pointer["files"]["schema.json"]["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        (folder / "crossmatch_tns" / "current.json").write_text(json.dumps(pointer))
        with pytest.raises(BadSnapshot, match="host_name, hostname"):
            install_snapshot(connection, crossmatch_tns, folder)


def test_commands(
    database_url: str, fill: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from broker_assets.settings import load_settings

    monkeypatch.setenv("BROKER_DATABASE__URL", database_url)
    monkeypatch.setenv("BROKER_HOME", str(tmp_path / "home"))
    load_settings.cache_clear()
    with engine.connect(database_url, autocommit=True) as connection:
        fill(connection, 3)
    run = CliRunner().invoke
    folder = str(tmp_path / "snapshots")
    assert run(app, ["write", "--folder", folder]).exit_code == 0
    installed = run(app, ["install", folder, "--database", database_url])
    assert installed.exit_code == 0, installed.output
    assert run(app, ["install", str(tmp_path), "--database", database_url]).exit_code != 0
    assert run(app, ["write", "--table", "no_such_table"]).exit_code != 0
    load_settings.cache_clear()

"""Snapshots of tables, written from one database and installed into another."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from psycopg.types.json import Jsonb
from tns_tables import fill
from upath import UPath

from broker_assets.database import engine
from broker_assets.database.tables import annotations as annotation_table
from broker_assets.database.tables import crossmatch_tns
from broker_assets.storage.published import DamagedProduct
from broker_assets.tns.snapshots import BadSnapshot, install_snapshot, write_snapshot

__all__ = ["fill"]

pytestmark = pytest.mark.database
ROWS = "SELECT * FROM crossmatch_tns ORDER BY id"


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
        documents(folder, here, there)


def documents(folder: UPath, here: Any, there: Any) -> None:
    """Columns with documents are as they were."""
    rows = "SELECT diaobjectid, topic, classdict FROM annotations ORDER BY annotationid"
    for number, content in enumerate([{"a": [1, None, "Å"]}, {}]):
        here.execute(
            "INSERT INTO annotations (diaobjectid, topic, annotationid, classification, classdict, content, revision,"
            " ingestid) VALUES (7, %s, %s, 'SN', %s, 'x', 1, 1)",
            (f"t{number}", number + 1, Jsonb(content)),
        )
    assert write_snapshot(here, annotation_table, folder).rows == 2
    assert install_snapshot(there, annotation_table, folder).added == 2
    assert there.execute(rows).fetchall() == here.execute(rows).fetchall()
    assert install_snapshot(there, annotation_table, folder).added == 0


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

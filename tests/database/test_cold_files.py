"""Files of the cold store go through fsspec."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.memory import InMemoryCatalog

from broker_assets.database.cold_files import IO, StoreFiles, read_files, scan_of, scan_schema


def test_files_are_written_read_and_removed_with_their_folders(tmp_path: Path) -> None:
    files = StoreFiles({})
    for place in ((tmp_path / "new" / "folder" / "one").as_uri(), "memory://cold/one"):
        with files.new_output(place).create() as stream:
            stream.write(b"content")
        with files.new_input(place).open() as stream:
            assert stream.read() == b"content"
        files.delete(place)
        with pytest.raises(FileNotFoundError):
            files.new_input(place).open()


def test_processes_share_the_files_of_a_table(tmp_path: Path) -> None:
    """Each reads some, and together they have the rows and columns that were asked for."""
    catalogue = InMemoryCatalog("test", warehouse=tmp_path.as_uri(), **IO)
    catalogue.create_namespace("broker")
    rows = pa.table({"night": [1, 1, 2, 2, 3], "band": list("grgrg"), "flux": pa.array([1.5, None, 2.0, 3.0, 4.0])})
    table = catalogue.create_table("broker.points", rows.schema)
    for night in (1, 2, 3):
        table.append(rows.filter(pa.compute.field("night") == night))
    scan = scan_of(table.metadata_location, ["flux", "band"], "night >= 2 and flux is not null")
    tasks = list(scan.plan_files())
    assert len(tasks) == 2
    parts: list[pa.RecordBatch] = []
    for task in tasks:
        again = scan_of(table.metadata_location, ["flux", "band"], "night >= 2 and flux is not null")
        parts += read_files(again, iter([task]))
    found = pa.Table.from_batches(parts, scan_schema(scan)).to_pylist()
    assert sorted(found, key=lambda row: row["flux"]) == [
        {"band": band, "flux": flux} for band, flux in (("g", 2.0), ("r", 3.0), ("g", 4.0))
    ]

"""Frozen answers: the same bytes for ever, or what exactly is missing."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from upath import UPath

from broker_assets.database.engine import connect
from broker_assets.provenance.snapshots import (
    SnapshotGone,
    UnknownSnapshot,
    content_of,
    find,
    keep,
    packed,
    versions_in_force,
)

TABLE = pa.table({"diaObjectId": [1, 2], "psfFlux": pa.array([0.1, None], pa.float32())})


def test_the_same_answer_is_the_same_file() -> None:
    first, contents = packed({"objects": TABLE}, {"ids": [1, 2]}, {"package": "1"})
    again, _ = packed({"objects": pa.concat_tables([TABLE[:1], TABLE[1:]])}, {"ids": [1, 2]}, {"package": "1"})
    other, _ = packed({"objects": TABLE}, {"ids": [1, 2]}, {"package": "2"})
    assert first == again != other
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.namelist() == ["objects.parquet", "question.json", "versions.json", "SHA256SUMS"]
        assert pyarrow.parquet.read_table(io.BytesIO(archive.read("objects.parquet"))).equals(TABLE)
        assert contents[0]["sha256"] in archive.read("SHA256SUMS").decode()
    assert contents[0]["rows"] == 2


@pytest.mark.database
def test_kept_and_read_back(database_url: str, tmp_path: Path) -> None:
    root = UPath(tmp_path)
    with connect(database_url, autocommit=True) as connection:
        versions = versions_in_force(connection, [1])
        assert versions["features"] == []
        made = keep(connection, root, {"objects": TABLE}, question={"ids": [1]}, versions=versions, title="a")
        again = keep(connection, root, {"objects": TABLE}, question={"ids": [1]}, versions=versions, title="b")
        assert again == made == find(connection, made.snapshotid)
        content = content_of(root, made)
        assert len(content) == made.bytes
        file = tmp_path / made.path
        file.write_bytes(content[:-1] + b"x")
        with pytest.raises(SnapshotGone, match=f"{made.snapshotid}.*damaged"):
            content_of(root, made)
        file.unlink()
        with pytest.raises(SnapshotGone, match=f"{made.sha256}.*no longer in the object store"):
            content_of(root, made)
        assert (
            content_of(root, keep(connection, root, {"objects": TABLE}, question={"ids": [1]}, versions=versions))
            == content
        )
        with pytest.raises(UnknownSnapshot):
            find(connection, "s0")

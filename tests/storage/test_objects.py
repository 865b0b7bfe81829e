"""Whole files in any store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from file_servers import S3Server, SftpServer
from upath import UPath

from broker_assets.storage.objects import local_path, read_range, store


@pytest.fixture
def sftp_server(tmp_path: Path) -> Iterator[SftpServer]:
    """An SFTP server with an empty folder."""
    (tmp_path / "sftp").mkdir()
    with SftpServer(tmp_path / "sftp") as server:
        yield server


@pytest.mark.parametrize("form", ["path", "file", "memory"])
def test_what_is_stored_is_read(tmp_path: Path, form: str) -> None:
    targets: dict[str, Path | UPath] = {
        "path": tmp_path / "new" / "file",
        "file": UPath(tmp_path.as_uri()) / "new" / "file",
        "memory": UPath(f"memory://{tmp_path.name}/new/file"),
    }
    target = targets[form]
    assert (local_path(target) is None) == (form == "memory")
    contents: list[Any] = ["first", [b"sec", memoryview(b"ond")], b"third"]
    for content in contents:
        store(target, content)
    assert target.read_bytes() == b"third"
    assert read_range(str(target), 1, 3) == b"hi"
    assert read_range(str(target), 3, None) == b"rd"
    assert [path.name for path in target.parent.iterdir()] == ["file"]
    with pytest.raises(FileNotFoundError):
        read_range(str(target.parent / "absent"), 0, 1)


def test_a_store_with_folders_and_renames(sftp_server: SftpServer) -> None:
    """A file gets a hidden name first; where it cannot be written or renamed, the old one stays and nothing else."""
    target = UPath(sftp_server.url("new/file"), **sftp_server.options)
    folder = sftp_server.folder / "new"
    store(target, b"old")
    assert (folder / "file").read_bytes() == b"old"
    sftp_server.quota = 1000
    with pytest.raises(OSError, match="Failure"):
        store(target, bytes(2000))
    sftp_server.quota = None
    sftp_server.can_replace = False
    with pytest.raises(OSError, match="nsupported"):
        store(target, b"new")
    assert [path.name for path in folder.iterdir()] == ["file"]
    assert (folder / "file").read_bytes() == b"old"
    sftp_server.can_replace = True
    store(target, b"new")
    assert (folder / "file").read_bytes() == b"new"


def test_a_bucket() -> None:
    with S3Server("bucket-objects") as server:
        target = UPath(server.url("folder/file"), **server.options)
        for content in (b"old", "new"):
            store(target, content)
        assert server.files() == {"folder/file": b"new"}

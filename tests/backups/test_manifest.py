"""Manifests: what a backup says of itself, and how a difference is found."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from broker_assets.backups.manifest import (
    NAME,
    BackupError,
    DamagedBackup,
    Manifest,
    StoredFile,
    describe_files,
    read_manifest,
    verify_files,
)

NOW = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def written(folder: Path) -> Manifest:
    (folder / "below").mkdir()
    (folder / "a").write_bytes(b"abc")
    (folder / "below" / "b").write_bytes(b"x" * 100_000)
    manifest = Manifest(kind="users", begun=NOW, ended=NOW, files=describe_files(folder))
    (folder / NAME).write_text(manifest.model_dump_json())
    return manifest


def test_what_was_written_is_read(tmp_path: Path) -> None:
    manifest = written(tmp_path)
    assert read_manifest(tmp_path) == manifest
    assert [file.name for file in manifest.files] == ["a", "below/b"]
    assert manifest.size == 100_003
    verify_files(tmp_path, manifest)


@pytest.mark.parametrize("damage", ["gone", "shorter", "other"])
def test_a_file_that_differs_is_named(tmp_path: Path, damage: str) -> None:
    manifest = written(tmp_path)
    path = tmp_path / "below" / "b"
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"x" * 99_999 + (b"y" if damage == "other" else b""))
    with pytest.raises(DamagedBackup, match="below/b"):
        verify_files(tmp_path, manifest)


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"kind": "users"}', b"\xff\xfe"])
def test_a_backup_without_a_readable_manifest_is_damaged(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / NAME).write_bytes(content)
    with pytest.raises(DamagedBackup, match="manifest"):
        read_manifest(tmp_path)


def test_newer_formats_are_refused_and_no_file_outside_is_read(tmp_path: Path) -> None:
    newer = Manifest(format=99, kind="users", begun=NOW, ended=NOW, files=())
    (tmp_path / NAME).write_text(newer.model_dump_json())
    with pytest.raises(BackupError, match="newer code"):
        read_manifest(tmp_path)
    outside = (StoredFile(name="../../etc/passwd", size=1, sha256="0"),)
    with pytest.raises(DamagedBackup, match="outside"):
        verify_files(tmp_path, Manifest(kind="users", begun=NOW, ended=NOW, files=outside))

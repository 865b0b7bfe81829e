"""Third-party scripts are unmodified files of their packages."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from broker_assets.api.site import vendored

PACKAGE: dict[str, Any] = {"name": "@a/b", "version": "1", "files": [{"path": "dist/b.js", "name": "b.js"}]}


def _archive(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_the_files_are_those_of_the_list() -> None:
    assert vendored.differing() == []


def test_every_package_comes_with_its_licence() -> None:
    packages = vendored.read_list()
    assert packages
    for package in packages:
        assert package["licence"]
        assert any(file["name"].startswith("LICENSE") for file in package["files"]), package["name"]


def test_what_is_changed_missing_or_added_is_named(tmp_path: Path) -> None:
    entry = vendored.extract(PACKAGE, _archive("package/dist/b.js", b"1"), tmp_path)
    (tmp_path / vendored.LIST).write_text(json.dumps({"packages": [entry]}))
    assert vendored.differing(tmp_path) == []
    (tmp_path / "@a" / "b" / "b.js").write_bytes(b"2")
    (tmp_path / "more.js").write_bytes(b"")
    assert vendored.differing(tmp_path) == [
        "@a/b/b.js differs from the one of version 1",
        "more.js is not in versions.json",
    ]
    (tmp_path / "@a" / "b" / "b.js").unlink()
    assert vendored.differing(tmp_path)[0] == "@a/b/b.js is missing"


def test_a_file_that_a_package_lacks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError):
        vendored.extract(PACKAGE, _archive("package/other.js", b""), tmp_path)

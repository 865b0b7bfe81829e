"""Published files: whole versions with checksums, in any store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from upath import UPath

from broker_assets.storage.published import (
    POINTER,
    DamagedProduct,
    publish,
    read_published,
    remove_unlisted,
    unpublish,
)


@pytest.mark.parametrize("form", ["path", "url"])
def test_a_version_is_whole_or_not_there(tmp_path: Path, form: str) -> None:
    folder = UPath(tmp_path if form == "path" else tmp_path.as_uri()) / "wl_1"
    with pytest.raises(DamagedProduct, match="nothing is published"):
        read_published(folder)
    assert publish(folder, {"moc000.fits": b"one"}, version="a", about={"cones": 1})
    assert not publish(folder, {"moc000.fits": b"one"}, version="a", about={"cones": 1})
    assert read_published(folder) == ("a", {"moc000.fits": b"one"})
    assert publish(folder, {"moc000.fits": b"two"}, version="b")
    assert publish(folder, {"moc000.fits": b"three"}, version="c")
    assert sorted(path.name for path in folder.iterdir()) == ["b", "c", "current.json"]
    (folder / "c" / "moc000.fits").write_bytes(b"THREE")
    with pytest.raises(DamagedProduct, match="checksum"):
        read_published(folder)
    (folder / "c" / "moc000.fits").unlink()
    with pytest.raises(DamagedProduct, match="missing"):
        read_published(folder)
    # what was lost is written again
    assert not publish(folder, {"moc000.fits": b"three"}, version="c")
    assert read_published(folder)[0] == "c"
    unpublish(folder)
    assert not folder.exists()
    with pytest.raises(DamagedProduct, match="nothing is published"):
        read_published(folder)


def test_any_store_will_do() -> None:
    folder = UPath("memory://products/wl_1")
    assert publish(folder, {"a": b"1"}, version="v")
    assert read_published(folder) == ("v", {"a": b"1"})
    assert remove_unlisted(UPath("memory://products"), "wl_", [1]) == []
    assert remove_unlisted(UPath("memory://products"), "wl_", [2]) == ["wl_1"]
    with pytest.raises(DamagedProduct, match="nothing is published"):
        read_published(folder)


def test_a_damaged_pointer_is_named(tmp_path: Path) -> None:
    (tmp_path / POINTER).write_text('{"files": {}}')
    with pytest.raises(DamagedProduct, match=r"current\.json is damaged"):
        read_published(UPath(tmp_path))
    with pytest.raises(DamagedProduct, match=r"current\.json is damaged"):
        publish(UPath(tmp_path), {"a": b"1"}, version="v")


def test_what_a_killed_writer_left_is_removed_with_the_next_version(tmp_path: Path) -> None:
    publish(UPath(tmp_path), {"a": b"1"}, version="one")
    half = tmp_path / "half"
    half.mkdir()
    (half / ".a.0123.part").write_bytes(b"2")
    (tmp_path / f".{POINTER}.0123.part").write_bytes(b"{")
    publish(UPath(tmp_path), {"a": b"3"}, version="two")
    assert sorted(path.name for path in tmp_path.iterdir()) == [POINTER, "one", "two"]


WRITER = """
import itertools, sys
from upath import UPath
from broker_assets.storage.published import publish
for number in itertools.count():
    name = f"{sys.argv[2]}-{number}"
    publish(UPath(sys.argv[1]), {"a": name.encode() * 1000, "b": name.encode()}, version=name)
    print(name, flush=True)
"""


@pytest.mark.slow
@pytest.mark.faults
def test_readers_beside_writers_that_are_killed(tmp_path: Path) -> None:
    """Two processes publish as fast as they can, one is killed again and again: each look sees one version whole."""

    def start(name: str) -> subprocess.Popen[str]:
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), name], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        return writer

    steady = start("steady")
    seen = set()
    try:
        for number in range(5):
            writer = start(f"killed{number}")
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                version, files = read_published(UPath(tmp_path))
                assert files == {"a": version.encode() * 1000, "b": version.encode()}
                seen.add(version)
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
    finally:
        steady.kill()
        steady.communicate()
    assert len({version.partition("-")[0] for version in seen}) > 2
    publish(UPath(tmp_path), {"a": b"last"}, version="last")
    assert read_published(UPath(tmp_path)) == ("last", {"a": b"last"})
    before = json.loads((tmp_path / POINTER).read_text())["version"]
    assert before == "last"
    assert len([path for path in os.scandir(tmp_path) if path.is_dir()]) == 2

"""Versions side by side and the pointer: builds that are killed, several writers, readers of what is removed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from broker_assets.storage.versioned import DamagedVersion, NoVersion, VersionedFolder

POINTER = "CURRENT"


def filled(text: str) -> Callable[[Path], None]:
    """Writes two files with the same text."""

    def fill(folder: Path) -> None:
        (folder / "a").write_text(text)
        (folder / "below").mkdir()
        (folder / "below" / "b").write_text(text)

    return fill


def both(version: Any, pointer: dict[str, Any]) -> str:
    """Reads the two files, slowly."""
    first = (version / "a").read_text()
    time.sleep(0.001)
    assert (version / "below" / "b").read_text() == first == pointer["version"]
    return str(first)


def versions(folder: Path) -> list[str]:
    """Names in the folder but the pointer."""
    return sorted(path.name for path in folder.iterdir() if path.name != POINTER)


def test_what_is_in_force_is_read(tmp_path: Path) -> None:
    kept = VersionedFolder(tmp_path / "new" / "index", POINTER)
    assert kept.pointer() is None
    with pytest.raises(NoVersion, match="has no CURRENT"):
        kept.read(both)
    assert kept.remove_old(keep=0) == []
    kept.remove()
    for name in "abcd":
        kept.build(name, filled(name), {"state": {"lists": 3}})
        assert kept.pointer() == {"version": name, "state": {"lists": 3}}
        assert kept.read(both) == name
    assert versions(tmp_path / "new" / "index") == ["a", "b", "c", "d"]


def test_a_version_that_is_there_is_not_built_again(tmp_path: Path) -> None:
    kept = VersionedFolder(tmp_path, POINTER)
    for name in ("a", "b"):
        kept.build(name, filled(name))
    kept.build("a", lambda folder: pytest.fail("built again"), {"state": 1})
    assert kept.pointer() == {"version": "a", "state": 1}
    assert kept.read(both) == "a"


def test_a_damaged_version_is_replaced(tmp_path: Path) -> None:
    kept = VersionedFolder(tmp_path, POINTER)
    kept.build("a", filled("a"))
    (tmp_path / "a" / "below" / "b").unlink()
    with pytest.raises(FileNotFoundError):
        kept.read(both)
    kept.build("a", filled("a"), intact=lambda version: (version / "below" / "b").exists())
    assert kept.read(both) == "a"
    assert versions(tmp_path) == ["a"]


@pytest.mark.parametrize("text", ["", "{", "[]", "3", '{"state": {}}'])
def test_a_damaged_pointer_is_named(tmp_path: Path, text: str) -> None:
    class Damaged(DamagedVersion):
        pass

    kept = VersionedFolder(tmp_path, POINTER, damaged=Damaged, remedy="; delete it")
    (tmp_path / POINTER).write_text(text)
    with pytest.raises(Damaged, match=r"CURRENT is damaged: .*; delete it"):
        kept.pointer()
    kept.build("a", filled("a"))
    assert kept.read(both) == "a"


def test_a_failed_build_changes_nothing(tmp_path: Path) -> None:
    kept = VersionedFolder(tmp_path, POINTER)
    kept.build("a", filled("a"))

    def full(folder: Path) -> None:
        (folder / "a").write_text("b")
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        kept.build("b", full)
    assert kept.read(both) == "a"
    assert versions(tmp_path) == ["a"]


def test_old_versions_go_oldest_first(tmp_path: Path) -> None:
    kept = VersionedFolder(tmp_path, POINTER)
    for age, name in enumerate("edcba"):
        kept.build(name, filled(name))
        os.utime(tmp_path / name, (1000 + age, 1000 + age))
    kept.build("d", filled("d"))
    (tmp_path / ".f.0123.part").mkdir()
    assert kept.remove_old(keep=2) == ["e", "c"]
    assert versions(tmp_path) == ["a", "b", "d"]
    assert kept.remove_old(keep=0) == ["b", "a"]
    assert kept.read(both) == "d"
    kept.remove()
    assert not tmp_path.exists()


def test_only_a_local_folder_is_built_in() -> None:
    with pytest.raises(ValueError, match="not on this machine"):
        VersionedFolder(UPath("memory://versions"), POINTER).build("a", filled("a"))


def test_a_reader_goes_on_with_the_version_that_came(tmp_path: Path) -> None:
    """Between the look at the pointer and the files the version is replaced and removed."""
    kept = VersionedFolder(tmp_path, POINTER)
    kept.build("a", filled("a"))

    def reader(version: Any, pointer: dict[str, Any]) -> str:
        if pointer["version"] == "a":
            kept.build("b", filled("b"))
            kept.remove_old(keep=0)
        return both(version, pointer)

    assert kept.read(reader) == "b"


def test_removing_waits_for_a_writer(tmp_path: Path) -> None:
    """A product may be removed and written at the same time: in the end it is whole or not there."""
    folder = UPath(tmp_path / "product")
    ended = threading.Event()

    def remove() -> None:
        while not ended.is_set():
            VersionedFolder(folder, POINTER).remove()

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        for number in range(40):
            VersionedFolder(folder, POINTER).put(str(number), {"a": "1", "b": "2"})
    finally:
        ended.set()
        remover.join()
    pointer = VersionedFolder(folder, POINTER).pointer()
    if pointer is None:
        assert not folder.exists()
    else:
        assert sorted(path.name for path in (folder / pointer["version"]).iterdir()) == ["a", "b"]


WRITER = """
import itertools, sys
from pathlib import Path
from broker_assets.storage.versioned import VersionedFolder
kept = VersionedFolder(Path(sys.argv[1]), "CURRENT")
for number in itertools.count():
    # Names recur: a version that is wanted again may be removed as an old one at this moment.
    name = str(number * int(sys.argv[2]) % 7)
    def fill(folder):
        (folder / "a").write_text(name)
        (folder / "below").mkdir()
        (folder / "below" / "b").write_text(name)
    kept.build(name, fill)
    kept.remove_old(keep=1)
    print(name, flush=True)
"""


@pytest.mark.slow
@pytest.mark.faults
def test_readers_beside_writers_that_are_killed(tmp_path: Path) -> None:
    """Two processes build and remove versions, one is killed again and again: the version in force is always whole."""

    def start(step: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", WRITER, str(tmp_path), str(step)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()
        return writer

    kept = VersionedFolder(tmp_path, POINTER)
    steady = start(3)
    seen = set()
    try:
        for _ in range(6):
            writer = start(2)
            until = time.monotonic() + 0.5
            while time.monotonic() < until:
                seen.add(kept.read(both))
            writer.send_signal(signal.SIGKILL)
            writer.communicate()
            seen.add(kept.read(both))
    finally:
        steady.kill()
        steady.communicate()
    assert len(seen) > 2
    kept.build("last", filled("last"))
    kept.remove_old(keep=0)
    assert versions(tmp_path) == ["last"]
    assert json.loads((tmp_path / POINTER).read_text()) == {"version": "last"}

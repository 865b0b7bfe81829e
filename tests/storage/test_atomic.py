"""Files and folders that are whole or not there: errors, kills, full disks, readers and writers at the same time."""

from __future__ import annotations

import errno
import io
import os
import re
import resource
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import broker_assets
from broker_assets.storage.atomic import (
    BLOCK,
    Content,
    Part,
    hidden_pattern,
    move_file,
    move_folder,
    new_folder,
    remove_abandoned,
    replace_atomically,
    sync_folders,
)

PACKAGE = Path(broker_assets.__file__).parent

SECONDS = 60


def names(folder: Path) -> list[str]:
    """Names in a folder, hidden ones too."""
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """No file of this process may grow beyond a size, bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    old = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, old)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system of a given size can be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def _source(folder: Path, content: bytes) -> Path:
    path = folder.parent / "source"
    path.write_bytes(content)
    return path


BYTES = "é\n".encode() * BLOCK


@pytest.mark.parametrize(
    "make",
    [
        lambda _: BYTES,
        lambda _: bytearray(BYTES),
        lambda _: memoryview(BYTES),
        lambda _: np.frombuffer(BYTES, dtype=np.uint8).reshape(3, -1),
        lambda _: BYTES.decode(),
        lambda folder: _source(folder, BYTES),
        lambda _: io.BytesIO(BYTES),
        lambda _: [b"", *(BYTES[start : start + 1000] for start in range(0, len(BYTES), 1000))],
        lambda _: iter([BYTES[:10], memoryview(BYTES)[10 : BLOCK + 20], b"", np.frombuffer(BYTES[BLOCK + 20 :], "i1")]),
    ],
    ids=["bytes", "bytearray", "memoryview", "array", "text", "path", "stream", "small pieces", "pieces"],
)
def test_any_content(tmp_path: Path, make: Callable[[Path], Content]) -> None:
    folder = tmp_path / "new" / "folder"
    replace_atomically(folder / "file", make(tmp_path / "new"), parts=None)
    assert (folder / "file").read_bytes() == BYTES
    replace_atomically(folder / "file", b"")
    assert (folder / "file").read_bytes() == b""
    assert names(folder) == ["file"]


def _failing() -> Iterator[bytes]:
    yield b"half" * BLOCK
    raise ValueError("no more")


@pytest.mark.parametrize("before", [b"old", None])
def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path, before: bytes | None) -> None:
    path = tmp_path / "file"
    if before is not None:
        path.write_bytes(before)
    with pytest.raises(ValueError, match="no more"):
        replace_atomically(path, _failing())
    with file_size_limit(BLOCK), pytest.raises(OSError, match=rf"large: '{path.parent}/\.file"):
        replace_atomically(path, bytes(2 * BLOCK))
    assert (path.read_bytes() if path.exists() else None) == before
    assert names(tmp_path) == ([] if before is None else ["file"])


@pytest.mark.parametrize("step", ["fsync", "fchmod", "replace"])
def test_an_error_of_a_later_step_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fails(*_: object) -> None:
        raise OSError(errno.EIO, "broken disk")

    (tmp_path / "file").write_bytes(b"old")
    monkeypatch.setattr(os, step, fails)
    with pytest.raises(OSError, match="broken disk"):
        replace_atomically(tmp_path / "file", b"new", mode=0o600)
    assert names(tmp_path) == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_full_disk(small_disk: Path) -> None:
    """The old file stays, nothing is left behind, and when there is room again the new one comes."""
    replace_atomically(small_disk / "file", bytes(300 << 10))
    for _ in range(3):
        with pytest.raises(OSError, match=rf"No space left on device: '{small_disk}"):
            replace_atomically(small_disk / "file", iter([bytes(900 << 10)] * 2))
        with pytest.raises(OSError, match="No space left"), new_folder(small_disk / "folder") as building:
            (building / "a").write_bytes(bytes(2 << 20))
    assert (small_disk / "file").read_bytes() == bytes(300 << 10)
    assert names(small_disk) == ["file"]
    replace_atomically(small_disk / "file", b"x" * (600 << 10))
    assert (small_disk / "file").read_bytes() == b"x" * (600 << 10)


def test_permissions(tmp_path: Path) -> None:
    """None for others, whatever the umask and the old file; or those asked for."""

    def mode(name: str) -> int:
        return stat.S_IMODE((tmp_path / name).stat().st_mode)

    old = os.umask(0)
    try:
        replace_atomically(tmp_path / "e", b"0")
        os.umask(0o027)
        replace_atomically(tmp_path / "a", b"1")
        (tmp_path / "a").chmod(0o600)
        replace_atomically(tmp_path / "a", b"2")
        replace_atomically(tmp_path / "b", b"secret", mode=0o600)
        os.umask(0o077)
        replace_atomically(tmp_path / "c", b"for all", mode=0o644)
        with new_folder(tmp_path / "d"):
            pass
    finally:
        os.umask(old)
    assert [mode(name) for name in "abcde"] == [0o640, 0o600, 0o644, 0o700, 0o640]


def test_a_secret_is_never_open(tmp_path: Path) -> None:
    """Permissions are those asked for from the first byte on."""

    def seen() -> Iterator[bytes]:
        yield b"a" * 2 * BLOCK
        (part,) = tmp_path.iterdir()
        modes.append(stat.S_IMODE(part.stat().st_mode))

    modes: list[int] = []
    replace_atomically(tmp_path / "secret", seen(), mode=0o600)
    assert modes == [0o600]


def test_links_long_names_and_folders(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    replace_atomically(tmp_path / "link", b"new")
    assert not (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"old"
    long = "ä" * 127
    replace_atomically(tmp_path / long, b"long")
    assert (tmp_path / long).read_bytes() == b"long"
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError):
        replace_atomically(tmp_path / "folder", b"new")
    with pytest.raises(NotADirectoryError):
        replace_atomically(tmp_path / "target" / "below", b"new")
    assert names(tmp_path) == sorted(["folder", "link", "target", long])
    sync_folders([tmp_path, tmp_path / "absent"])


def test_hidden_names_match_their_pattern(tmp_path: Path) -> None:
    for name in ("p0-o1.avro", "with [brackets]*?", "x" * 250):
        with Part(tmp_path, name) as part:
            assert list(tmp_path.glob(hidden_pattern(name))) == [part.path]
            assert not list(tmp_path.glob(hidden_pattern("p0-o1")))
    assert names(tmp_path) == []


# Killed in the middle -------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
from pathlib import Path
from broker_assets.storage.atomic import new_folder, replace_atomically
def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)
step, what, target = sys.argv[1], sys.argv[2], Path(sys.argv[3])
def content():
    yield b"new" * 1000000
    if step == "write":
        die()
setattr(os, {"write": "abort", "fsync": "fsync", "rename": "replace" if what == "file" else "rename"}[step], die)
if what == "file":
    replace_atomically(target, content())
else:
    with new_folder(target) as building:
        for piece in content():
            (building / "a").write_bytes(piece)
"""


@pytest.mark.faults
@pytest.mark.parametrize("what", ["file", "folder"])
@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
def test_killed_before_the_rename(tmp_path: Path, step: str, what: str) -> None:
    """The old file stays; what is left is hidden, and removed because its writer is dead."""
    target = tmp_path / "target"
    if what == "file":
        target.write_bytes(b"old")
    ended = subprocess.run([sys.executable, "-c", KILLED, step, what, str(target)], check=False, timeout=SECONDS)
    assert ended.returncode == -signal.SIGKILL
    assert target.exists() == (what == "file")
    left = [name for name in names(tmp_path) if name != "target"]
    assert len(left) == 1
    assert left[0].startswith(".target.")
    assert remove_abandoned(tmp_path) == 1
    assert names(tmp_path) == (["target"] if what == "file" else [])
    if what == "file":
        assert target.read_bytes() == b"old"


SLOW = """
import sys
from pathlib import Path
from broker_assets.storage.atomic import new_folder, replace_atomically
def slowly():
    yield b"begin"
    print("writing", flush=True)
    sys.stdin.read(1)
    yield b" end"
target = Path(sys.argv[2])
if sys.argv[1] == "file":
    replace_atomically(target, slowly(), parts=Path(sys.argv[3]))
else:
    with new_folder(target) as building:
        (building / "a").write_bytes(b"".join(slowly()))
"""


@pytest.mark.parametrize("what", ["file", "folder"])
def test_parts_of_the_living_stay(tmp_path: Path, what: str) -> None:
    """What a killed process left is removed; what a process is writing is not."""
    parts = tmp_path if what == "folder" else tmp_path / "parts"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", SLOW, what, str(tmp_path / "target"), str(parts)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
    (parts / ".not-ours").write_text("")
    assert remove_abandoned(parts) == 0
    writers[0].kill()
    writers[0].communicate(timeout=SECONDS)
    assert remove_abandoned(parts) == 1
    writers[1].communicate("x", timeout=SECONDS)
    content = tmp_path / "target" / ("a" if what == "folder" else "")
    assert content.read_bytes() == b"begin end"
    assert [name for name in names(parts) if name.startswith(".")] == [".not-ours"]
    assert remove_abandoned(tmp_path / "absent") == 0


def test_removal_beside_writers(tmp_path: Path) -> None:
    """Whoever removes what is abandoned takes nothing from writers that begin in that moment."""
    ended = threading.Event()

    def remove() -> None:
        while not ended.is_set():
            remove_abandoned(tmp_path)

    remover = threading.Thread(target=remove)
    remover.start()
    try:
        for number in range(120):
            replace_atomically(tmp_path / "file", str(number), sync_name=False)
            assert (tmp_path / "file").read_text() == str(number)
            with new_folder(tmp_path / f"folder{number}") as building:
                (building / "a").write_text(str(number))
            assert (tmp_path / f"folder{number}" / "a").read_text() == str(number)
    finally:
        ended.set()
        remover.join()


# Readers and writers at the same time ---------------------------------------------------------------------------------

RIVAL = """
import sys
from pathlib import Path
from broker_assets.storage.atomic import replace_atomically
for number in range(int(sys.argv[3])):
    replace_atomically(Path(sys.argv[1]), [sys.argv[2].encode() * 1000] * 200, sync_name=False)
"""


def test_readers_see_one_version_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0" * 200_000)
    rivals = [subprocess.Popen([sys.executable, "-c", RIVAL, str(path), mark, "150"]) for mark in "abc"]
    seen = set()
    while any(rival.poll() is None for rival in rivals):
        content = path.read_bytes()
        assert len(content) == 200_000
        assert len(set(content)) == 1
        seen.add(content[0])
    assert [rival.returncode for rival in rivals] == [0, 0, 0]
    assert len(seen) > 1
    assert names(tmp_path) == ["file"]


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "folder"
    with new_folder(target) as building:
        (building / "a").write_text("1")
        (building / "below").mkdir()
        (building / "below" / "b").write_text("2")
        (building / "link").symlink_to("nowhere")
        assert not target.exists()
    assert (target / "below" / "b").read_text() == "2"
    with pytest.raises(ZeroDivisionError), new_folder(tmp_path / "other") as building:
        (building / "a").write_text(str(1 / len(list(building.iterdir()))))
    assert names(tmp_path) == ["deep"]


def test_the_quicker_of_two_folders_stays(tmp_path: Path) -> None:
    with new_folder(tmp_path / "folder") as slow:
        (slow / "a").write_text("slow")
        with new_folder(tmp_path / "folder") as quick:
            (quick / "a").write_text("quick")
    assert (tmp_path / "folder" / "a").read_text() == "quick"
    assert names(tmp_path) == ["folder"]
    (tmp_path / "work").mkdir()
    with pytest.raises(OSError, match="not empty"):
        move_folder(tmp_path / "work", tmp_path / "folder")


def test_folders_are_exchanged_in_one_step(tmp_path: Path) -> None:
    """A reader finds the target at any moment; the old folder goes."""
    from broker_assets.storage.atomic import exchange_folder

    target = tmp_path / "target"
    for content in ("one", "two"):
        building = tmp_path / "building"
        building.mkdir()
        (building / content).write_text(content)
        exchange_folder(building, target)
        assert names(target) == [content]
        assert names(tmp_path) == ["target"]
    with pytest.raises(OSError, match="target"):
        exchange_folder(tmp_path / "absent", target)
    assert names(target) == ["two"]


def test_a_complete_file_gets_its_name(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file"
    for content in ("one", "two"):
        (tmp_path / "building").write_text(content)
        move_file(tmp_path / "building", target)
        assert target.read_text() == content
        assert names(tmp_path) == ["deep"]
    with pytest.raises(FileNotFoundError):
        move_file(tmp_path / "building", target)
    assert target.read_text() == "two"


def test_no_other_module_renames_files() -> None:
    """Besides the client, which needs nothing else of the package, and what is set aside or claimed by its name."""
    renames = re.compile(r"\bos\.(?:replace|rename)\(|\.rename\(|\.replace\((?:\w*path|\w*target|final|output)\)")
    found = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if renames.search(path.read_text())}
    assert {name for name in found if not name.startswith("storage/")} == {
        "backups/shelf.py", "client/client.py", "stream/orphaned_files.py",
    }  # fmt: skip

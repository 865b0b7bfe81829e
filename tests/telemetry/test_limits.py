"""Memory, damage and full disks: what does not grow, what is not lost, and that a restart mends everything."""

from __future__ import annotations

import json
import os
import random
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from forked_commands import ForkedCommand
from small_disks import mounted_disk

from broker_assets.storage.atomic import PARTS, remove_abandoned, replace_atomically
from broker_assets.telemetry.simulation.mission import Mission, write_mission

BENCHMARK = Path(__file__).parents[2] / "benchmarks/telemetry_memory.py"
UNSTABLE = re.compile(rb"(DATE    |CHECKSUM|DATASUM )=.{71}", re.DOTALL)
SECONDS = 240


@pytest.fixture(scope="module")
def mission(tmp_path_factory: pytest.TempPathFactory) -> Mission:
    """A simulated day."""
    return write_mission(tmp_path_factory.mktemp("mission") / "day", start=date(2021, 1, 17), days=1, seed=7)


@dataclass(frozen=True)
class Undisturbed:
    """What a run gives that nothing disturbs."""

    tree: dict[str, bytes]
    packets: dict[bytes, tuple[object, ...]]
    seconds: float


@pytest.fixture(scope="module")
def undisturbed(mission: Mission, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """One run from nothing."""
    folder = tmp_path_factory.mktemp("undisturbed")
    process = ForkedCommand(command(mission, folder), folder / "all")
    begin = time.monotonic()
    process.wait(SECONDS)
    seconds = time.monotonic() - begin
    found = Undisturbed(tree(folder), index(folder), seconds)
    levels = {name.split("_")[1] for name in found.tree}
    assert {"LB", "L0", "L1"} <= levels
    return found


def command(mission: Mission, folder: Path, *options: str, files: list[Path] | None = None) -> list[str]:
    """Arguments of `telemetry`: process all files, or some, into a folder."""
    given = mission.process_options
    if files is not None:
        at = given.index("--tm-dir")
        given = [*given[:at], *given[at + 2 :], *map(str, files)]
    return ["process", *given, "--fits-dir", str(folder / "products"), "--store", str(folder / "packets"), *options]


def tree(folder: Path) -> dict[str, bytes]:
    """Content of every file of the archive but for the time of writing; hidden files count."""
    products = folder / "products"
    return {
        str(path.relative_to(products)): UNSTABLE.sub(rb"\1", path.read_bytes())
        for path in sorted(products.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def index(folder: Path) -> dict[bytes, tuple[object, ...]]:
    """What the store says of each packet, each found in its segment; the place left aside."""
    connection = sqlite3.connect(folder / "packets/index.sqlite")
    try:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        rows = connection.execute("SELECT * FROM packet").fetchall()
        origins = connection.execute("SELECT digest, file, number FROM origin ORDER BY 1, 2, 3").fetchall()
    finally:
        connection.close()
    for _, segment, start, length, *_ in rows:
        assert (folder / "packets/segments" / segment).stat().st_size >= start + length
    places: dict[bytes, list[object]] = {}
    for digest, *place in origins:
        places.setdefault(digest, []).append(tuple(place))
    return {row[0]: (*row[4:], *places[row[0]]) for row in rows}


def differing(ours: dict[str, bytes], others: dict[str, bytes]) -> list[str]:
    """Names of files that are not the same in both."""
    return sorted(name for name in ours.keys() | others.keys() if ours.get(name) != others.get(name))


def check(folder: Path, undisturbed: Undisturbed) -> None:
    """The same tree and the same packets, and nothing left behind."""
    assert differing(tree(folder), undisturbed.tree) == []
    assert index(folder) == undisturbed.packets
    assert list((folder / "packets").rglob("*.part")) == []


@pytest.mark.slow
@pytest.mark.faults
def test_killed_at_random_moments(mission: Mission, undisturbed: Undisturbed, tmp_path: Path) -> None:
    """kill -9 three times from nothing, then a restart: the tree is that of an undisturbed run."""
    rounds = int(os.environ.get("BROKER_FAULT_ROUNDS", "1"))
    source = random.Random(20210117)
    for number in range(rounds):
        folder = tmp_path / str(number)
        moments = []
        for _ in range(3):
            process = ForkedCommand(command(mission, folder), tmp_path / "killed")
            # While packets are stored or files are written: all modules are imported already.
            moments.append(source.uniform(0.05, 1.0) * undisturbed.seconds)
            try:
                process.wait(moments[-1])
            except subprocess.TimeoutExpired:
                process.kill()
            process.wait(SECONDS)
        ended = ForkedCommand(command(mission, folder), tmp_path / "ended")
        assert ended.wait(SECONDS) in (0, 1), ended.errors
        try:
            check(folder, undisturbed)
        except AssertionError as error:
            raise AssertionError(f"killed after {moments} s of {undisturbed.seconds:.1f} s") from error


@pytest.mark.slow
def test_two_processes_at_once(mission: Mission, undisturbed: Undisturbed, tmp_path: Path) -> None:
    """Both work on one store and archive, with files that share packets; nothing is lost, doubled or torn."""
    halves = [list(mission.files[::2]), list(mission.files[1::2])]
    running = [
        ForkedCommand(command(mission, tmp_path, files=files), tmp_path / str(number))
        for number, files in enumerate(halves)
    ]
    for process in running:
        assert process.wait(SECONDS) in (0, 1)
        assert "Traceback" not in process.errors
    check(tmp_path, undisturbed)


@pytest.mark.slow
def test_cut_files_and_late_kernels(mission: Mission, undisturbed: Undisturbed, tmp_path: Path) -> None:
    """Files that end anywhere, then whole ones; no kernels, then kernels: in the end all is there."""
    source = random.Random(3)
    cut = []
    (tmp_path / "incoming").mkdir()
    for path in mission.files:
        whole = path.read_bytes()
        cut.append(tmp_path / "incoming" / path.name)
        cut[-1].write_bytes(whole[: source.randrange(1, len(whole))])
    without = command(mission, tmp_path, files=cut)
    at = without.index("--spice-dir")
    first = ForkedCommand([*without[:at], *without[at + 2 :]], tmp_path / "first")
    assert first.wait(SECONDS) == 1
    assert "needs SPICE kernels" in first.errors
    assert {name.split("_")[1] for name in tree(tmp_path)} == {"LB", "L0"}
    assert ForkedCommand(command(mission, tmp_path), tmp_path / "again").wait(SECONDS) in (0, 1)
    check(tmp_path, undisturbed)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, 32 MB; the test takes most of it away."""
    with mounted_disk(tmp_path / "disk", "32m") as disk:
        yield disk


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("where", ["packets", "products"])
def test_full_disk(where: str, mission: Mission, undisturbed: Undisturbed, small_disk: Path, tmp_path: Path) -> None:
    """The command fails and says why; what is there is whole; with room again it makes the rest."""
    (tmp_path / where).symlink_to(small_disk)
    filler = small_disk / ".filler"
    sizes = {"packets": (200, 600, 1200), "products": (300, 3000, 6000)}[where]
    for kilobytes in sizes:
        filler.write_bytes(b"")
        free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
        filler.write_bytes(bytes(max(0, free - (kilobytes << 10))))
        ended = ForkedCommand(command(mission, tmp_path), tmp_path / "ended")
        assert ended.wait(SECONDS) != 0
        assert "No space left on device" in ended.errors
        if where == "products":
            filler.unlink()
            found = tree(tmp_path)
            assert set(found) <= set(undisturbed.tree)
            assert [name for name in found if found[name] != undisturbed.tree[name]] == []
    filler.unlink(missing_ok=True)
    assert ForkedCommand(command(mission, tmp_path), tmp_path / "again").wait(SECONDS) in (0, 1)
    check(tmp_path, undisturbed)


@pytest.mark.slow
def test_file_size_limit(mission: Mission, undisturbed: Undisturbed, tmp_path: Path) -> None:
    """A limit of the operating system on the size of files stops large products only until it is lifted."""
    given = [*command(mission, tmp_path), "--continue-on-error"]
    (tmp_path / "packets").mkdir()
    ForkedCommand([*given, "-e", "LB"], tmp_path / "stored").wait(SECONDS)
    ended = ForkedCommand([*given, "-b", "LB"], tmp_path / "ended", largest_file=400_000)
    assert ended.wait(SECONDS) != 0
    assert "File too large" in ended.errors
    found = tree(tmp_path)
    assert [name for name in found if found[name] != undisturbed.tree[name]] == []
    ForkedCommand(given, tmp_path / "again").wait(SECONDS)
    check(tmp_path, undisturbed)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """A file of 16 MB (at full size 32 MB) needs as much as one of 4 MB (2 days), but for what days share."""
    peaks = {}
    large = 32 if os.environ.get("BROKER_TEST_FULL") else 16
    for megabytes in (4, large):
        ended = subprocess.run(
            [sys.executable, str(BENCHMARK), "--megabytes", str(megabytes), "--folder", str(tmp_path)],
            check=True,
            capture_output=True,
            text=True,
            timeout=280,
        )
        stages = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
        assert [stage["stage"] for stage in stages] == ["started", "received", "products made"]
        assert stages[-1]["files"] > 100
        peaks[megabytes] = stages[-1]["peak MB"]
    assert peaks[large] < peaks[4] + (48 if large == 32 else 24), peaks


def test_parts_of_the_living_stay(tmp_path: Path) -> None:
    """What a killed process left is removed; the file that a process is writing is not."""
    parts = tmp_path / PARTS
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from broker_assets.storage.atomic import replace_atomically\n"
        "def slowly():\n"
        "    yield b'begin'\n"
        "    print('writing', flush=True)\n"
        "    sys.stdin.read(1)\n"
        "    yield b' end'\n"
        f"replace_atomically(Path({str(tmp_path / 'out/file')!r}), slowly(), parts=Path({str(parts)!r}))\n"
    )
    writers = [
        subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
    assert len(list(parts.iterdir())) == 2
    assert remove_abandoned(parts) == 0
    writers[0].kill()
    writers[0].wait(SECONDS)
    assert remove_abandoned(parts) == 1
    writers[1].communicate("x", timeout=SECONDS)
    assert (tmp_path / "out/file").read_bytes() == b"begin end"
    assert list(parts.iterdir()) == []
    replace_atomically(tmp_path / "out/file", b"", parts=parts)
    assert (tmp_path / "out/file").read_bytes() == b""

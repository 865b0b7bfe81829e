"""The write-ahead log in its folder: gaps, damage, and what may go."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.backups import log
from broker_assets.backups.base import _segment_name
from broker_assets.backups.manifest import DamagedBackup, LogRange
from broker_assets.backups.programs import Connection

SIZE = 1 << 20
NEEDED = LogRange(timeline=1, first="000000010000000000000003", last="000000010000000000000003", segment_size=SIZE)


def name(number: int, timeline: int = 1) -> str:
    return f"{timeline:08X}{number // 4096:08X}{number % 4096:08X}"


def fill(folder: Path, *numbers: int, partial: int | None = None, packed: tuple[int, ...] = ()) -> None:
    for number in numbers:
        content = bytes([number % 256]) * SIZE
        if number in packed:
            (folder / f"{name(number)}.gz").write_bytes(gzip.compress(content, 1))
        else:
            (folder / name(number)).write_bytes(content)
    if partial is not None:
        (folder / f"{name(partial)}.partial").write_bytes(b"p" * SIZE)
    (folder / "00000002.history").write_text("1\t0/5000000\tno recovery target specified\n")
    (folder / "README").touch()


@given(st.integers(0, 2**40), st.sampled_from([1 << 20, 16 << 20, 1 << 30]), st.integers(1, 2**32 - 1))
def test_names_and_numbers(position: int, size: int, timeline: int) -> None:
    made = _segment_name(timeline, f"{position >> 32:X}/{position & 0xFFFFFFFF:X}", size)
    assert log.segment_number(made, size) == (timeline, position // size)


def test_a_name_of_another_kind() -> None:
    with pytest.raises(ValueError, match="history"):
        log.segment_number("00000001.history")


def test_segments_that_follow_a_base_backup(tmp_path: Path) -> None:
    fill(tmp_path, 1, 2, 3, 4, 5, partial=6, packed=(2, 4))
    (tmp_path / f"{name(4)}.partial").write_bytes(b"old")
    found = log.following(tmp_path, NEEDED)
    assert [(one.number, one.partial) for one in found] == [(3, False), (4, False), (5, False), (6, True)]
    assert log.gaps(tmp_path, SIZE) == []
    target = tmp_path / "target"
    target.mkdir()
    for one in found:
        log.unpack(one, target, SIZE)
    assert (target / name(4)).read_bytes() == b"\x04" * SIZE
    assert (target / name(6)).read_bytes() == b"p" * SIZE
    # A compressed one that was being written has no end, and what was flushed is kept.
    flushed = gzip.compress(b"f" * 1000 + os.urandom(5000), 1)[:-1000]
    (tmp_path / f"{name(7)}.gz.partial").write_bytes(flushed)
    last = log.segments(tmp_path, SIZE)[-1]
    log.unpack(last, target, SIZE)
    assert (target / name(7)).stat().st_size == SIZE
    assert (target / name(7)).read_bytes().startswith(b"f" * 1000)
    last.path.unlink()
    assert [path.name for path in log.histories(tmp_path)] == ["00000002.history"]
    assert log.prune(tmp_path, NEEDED) == 2
    assert [one.number for one in log.segments(tmp_path, SIZE)] == [3, 4, 5, 6]
    assert log.segments(tmp_path / "absent") == []


def test_a_gap_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, 3, 5, partial=6)
    assert log.gaps(tmp_path, SIZE) == [(name(3), name(5))]
    with pytest.raises(DamagedBackup, match="lacks 1 segments"):
        log.following(tmp_path, NEEDED)
    (tmp_path / name(3)).unlink()
    with pytest.raises(DamagedBackup, match="lacks 2 segments"):
        log.following(tmp_path, NEEDED)


@pytest.mark.parametrize("packed", [False, True])
def test_damage_is_refused(tmp_path: Path, packed: bool) -> None:
    fill(tmp_path, 3, 4, packed=(4,) if packed else ())
    path = tmp_path / (f"{name(4)}.gz" if packed else name(4))
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(DamagedBackup, match=path.name):
        log.following(tmp_path, NEEDED)


def test_after_a_fail_over_the_newer_timeline_continues(tmp_path: Path) -> None:
    fill(tmp_path, 3, 4)
    for number in (4, 5):
        (tmp_path / name(number, 2)).write_bytes(b"x" * SIZE)
    assert log.gaps(tmp_path, SIZE) == []
    assert [(one.timeline, one.number) for one in log.following(tmp_path, NEEDED)] == [(1, 3), (1, 4), (2, 4), (2, 5)]


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "never run"),
        ([(False, "lost", None)], "new base backup"),
        ([(False, "reserved", 5_000_000)], "5,000,000 bytes"),
        ([(True, "reserved", 10)], None),
    ],
)
def test_the_slot(rows: list[tuple[bool, str | None, int | None]], words: str | None) -> None:
    said = log.slot_state(rows)
    assert said is None if words is None else words in str(said)


def test_arguments_have_no_password() -> None:
    connection = Connection.of("postgresql+psycopg://me:secret@host/broker")
    arguments = log.receive_arguments(Path("/b"), connection, compress=True)
    assert "secret" not in " ".join(map(str, arguments))
    assert "gzip:1" in arguments

"""The write-ahead log, kept continuously: which segments exist, whether any is missing, and which may be removed.

`pg_receivewal` writes it: complete segments under their names, the one that is being written with `.partial`. A
replication slot makes the server keep what has not arrived yet.
"""

from __future__ import annotations

import gzip
import itertools
import re
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from broker_assets.backups.manifest import DamagedBackup, LogRange
from broker_assets.backups.programs import Connection, Programs

SLOT: Final = "broker_backup"
"""Replication slot."""
SEGMENT: Final = 16 * 1024**2
"""Bytes of a segment, by default."""
_NAME: Final = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.partial)?(\.gz)?(\.partial)?")
_HISTORY: Final = re.compile(r"[0-9A-F]{8}\.history")


@dataclass(frozen=True, order=True)
class Segment:
    """A segment of the log in the folder."""

    timeline: int
    number: int
    """Number of the segment, counted from 0 since the cluster was created."""
    path: Path
    partial: bool
    """Whether it was still being written."""

    @property
    def name(self) -> str:
        """Its name, without suffixes for compression and incompleteness."""
        return self.path.name[:24]


def receive_arguments(folder: Path, connection: Connection, *, compress: bool) -> list[str | Path]:
    """Arguments of `pg_receivewal` for keeping the log in a folder."""
    packed: list[str | Path] = ["--compress", "gzip:1"] if compress else []
    return ["--directory", folder, "--slot", SLOT, "--synchronous", "--no-password", *packed, "-d", connection.text]


def make_slot(programs: Programs, folder: Path, connection: Connection) -> None:
    """Create the replication slot unless it exists; from then on, the server keeps what has not arrived.

    Raises
    ------
    BackupError
        If the server cannot be reached, or the role may not replicate.
    """
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    arguments = ["--create-slot", "--if-not-exists", "--slot", SLOT, "--no-password", "-d", connection.text]
    programs.run("pg_receivewal", arguments, environment=connection.environment, seconds=60)


def segment_number(name: str, size: int = SEGMENT) -> tuple[int, int]:
    """Timeline and number of a segment from its name.

    Raises
    ------
    ValueError
        If it is not the name of a segment.

    Examples
    --------
    >>> segment_number("00000001000000000000000A")
    (1, 10)
    >>> segment_number("0000000100000001000000FF")
    (1, 511)
    """
    found = _NAME.match(name)
    if found is None:
        raise ValueError(f"{name!r} is not the name of a segment of the write-ahead log")
    return int(found[1], 16), int(found[2], 16) * (2**32 // size) + int(found[3], 16)


def segments(folder: Path, size: int = SEGMENT) -> list[Segment]:
    """Segments in a folder, by timeline and number; if a segment exists in two forms, the complete one."""
    found: dict[tuple[int, int], Segment] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = _NAME.fullmatch(path.name)
        if match is not None:
            timeline, number = segment_number(path.name, size)
            one = Segment(timeline, number, path, bool(match[4] or match[6]))
            known = found.get((timeline, number))
            if known is None or known.partial:
                found[timeline, number] = one
    return sorted(found.values())


def following(folder: Path, needed: LogRange) -> list[Segment]:
    """The segments from the beginning of a base backup to the newest, checked; a partial segment is the last.

    Raises
    ------
    DamagedBackup
        If one is missing between others, or is damaged; the message names it.
    """
    timeline, first = segment_number(needed.first, needed.segment_size)
    chosen = [one for one in segments(folder, needed.segment_size) if one.timeline >= timeline and one.number >= first]
    numbers = sorted({one.number for one in chosen})
    if not numbers:
        return []
    missing = sorted(set(range(first, numbers[-1])) - set(numbers))
    if missing:
        raise DamagedBackup(
            f"{folder} lacks {len(missing)} segments of the write-ahead log after {needed.first}: it cannot be "
            "followed to its end"
        )
    for one in chosen:
        _verify(one, needed.segment_size)
    return chosen


def gaps(folder: Path, size: int = SEGMENT) -> list[tuple[str, str]]:
    """Pairs of segments between which others are missing."""
    found = segments(folder, size)
    newest: dict[int, Segment] = {}
    for one in found:
        # Of two timelines, the later one continues.
        newest[one.number] = one
    ordered = [newest[number] for number in sorted(newest)]
    return [(a.name, b.name) for a, b in itertools.pairwise(ordered) if b.number != a.number + 1]


def histories(folder: Path) -> Iterator[Path]:
    """History files, which say where timelines began."""
    return (path for path in sorted(folder.iterdir()) if _HISTORY.fullmatch(path.name))


def unpack(segment: Segment, target: Path, size: int = SEGMENT) -> None:
    """Copy a segment to a folder in the form that the server needs: a partial one is padded with zeros."""
    destination = target / segment.name
    if ".gz" not in segment.path.name:
        shutil.copyfile(segment.path, destination)
        return
    # Its end may be missing; what was flushed before can be read.
    unpacker = zlib.decompressobj(wbits=31)
    with segment.path.open("rb") as packed, destination.open("wb") as file:
        while block := packed.read(1 << 20):
            file.write(unpacker.decompress(block))
        file.truncate(max(size, file.tell()))


def prune(folder: Path, needed: LogRange) -> int:
    """Remove the segments before those that the oldest base backup needs; return their number."""
    _, first = segment_number(needed.first, needed.segment_size)
    old = [one for one in segments(folder, needed.segment_size) if one.number < first]
    for one in old:
        one.path.unlink()
    return len(old)


def _verify(segment: Segment, size: int) -> None:
    """Check the length of a complete segment; a partial one may have any."""
    if segment.partial:
        return
    if segment.path.name.endswith(".gz"):
        try:
            with gzip.open(segment.path, "rb") as packed:
                found = sum(len(block) for block in iter(lambda: packed.read(1 << 20), b""))
        except (OSError, EOFError) as error:
            raise DamagedBackup(f"{segment.path} is damaged: {error}") from error
    else:
        found = segment.path.stat().st_size
    if found != size:
        raise DamagedBackup(f"{segment.path} has {found:,} bytes, not {size:,}")


def slot_state(rows: list[tuple[bool, str | None, int | None]]) -> str | None:
    """What is wrong with the slot, from `active, wal_status, bytes that are waiting`; None if nothing is."""
    if not rows:
        return "the server has no slot for it: `broker-assets backup receive` has never run"
    active, status, waiting = rows[0]
    if status == "lost":
        return "the server has removed segments that had not arrived yet: a new base backup is needed"
    if not active:
        return f"it is not being received, and {waiting or 0:,} bytes are waiting on the server"
    return None


SLOT_QUERY: Final = (
    "SELECT active, wal_status, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint"
    " FROM pg_replication_slots WHERE slot_name = %s"
)
"""Rows for `slot_state`."""

"""Fetches files of a remote folder into a local one: only what is new, and all of it or nothing.

New files are copied to a hidden folder next to the target, checked, and moved into place by renaming when all have
arrived; meta-kernels and VERSION.TXT last, since they speak of other files. What was fetched is recorded, so that a zip
file is unpacked once, and files that others have put there are never removed.
"""

from __future__ import annotations

import fnmatch
import hashlib
import logging
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from pydantic import BaseModel, Field, ValidationError

from broker_assets.settings.sources import InputSource
from broker_assets.storage.atomic import hidden_folder, move_file, replace_atomically, sync_folders
from broker_assets.telemetry.fetching.zips import FetchError, unpack_kernels
from broker_assets.telemetry.reception.folders import FolderError, IncomingFolder, Listed, NotComplete, public

logger = logging.getLogger(__name__)

VERSION: Final = "VERSION.TXT"
"""File of a configuration with its version."""


class FetchedFile(BaseModel):
    """A file of a source that was fetched."""

    size: int
    modified: datetime | None
    sha256: str
    members: list[str] = Field(default_factory=list)
    """Local files made from it, below the target."""


class Record(BaseModel):
    """What was fetched from a source."""

    version: str = ""
    """Version of the source, see `listing_version`; or the tag of a repository."""
    url: str = ""
    """The folder, without password: files of another one are new even if names, sizes and times are equal."""
    fetched_at: datetime | None = None
    files: dict[str, FetchedFile] = Field(default_factory=dict)
    """By path below the source."""

    @classmethod
    def read(cls, path: Path) -> Record:
        """Read a record; an empty one if there is none, or it is damaged: everything is then fetched again."""
        try:
            return cls.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return cls()
        except (ValidationError, ValueError) as error:
            logger.warning("%s is damaged, everything is fetched again: %s", path, str(error).splitlines()[0])
            return cls()

    def write(self, path: Path) -> None:
        """Store it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_atomically(path, self.model_dump_json(indent=1))


class Fetched(BaseModel):
    """Result of a fetch."""

    version: str
    new: list[str] = Field(default_factory=list)
    """Local files that are new or changed, below the target."""
    removed: list[str] = Field(default_factory=list)
    bytes: int = 0
    """Bytes that were read from the source."""


def listed(source: InputSource) -> dict[str, Listed]:
    """The files of a source by their path below it.

    Raises
    ------
    FetchError
        If it cannot be listed, has no files, or has more or larger files than its bounds allow.
    """
    try:
        with IncomingFolder(source.url, "*", source.revealed_options) as folder:
            found = {
                item.url.removeprefix(folder.url).lstrip("/"): item
                for item in folder.files()
                if any(fnmatch.fnmatchcase(item.name, pattern) for pattern in source.patterns)
            }
    except FolderError as error:
        raise FetchError(str(error)) from error
    # A disk that is not mounted is an empty folder: this must not remove what was fetched.
    if not found:
        raise FetchError(f"{public(source.url)} has no files {', '.join(source.patterns)}")
    if source.input == "instrument_configuration" and VERSION not in found:
        raise FetchError(f"{public(source.url)} has no {VERSION}: products could not name their configuration")
    if len(found) > source.files:
        raise FetchError(f"{source.input}: the source has {len(found):,} files; the limit is {source.files:,}")
    for name, item in found.items():
        if item.size > source.file_bytes:
            raise FetchError(f"{item.url} has {item.size:,} bytes; the limit is {source.file_bytes:,}")
        if ".." in name.split("/") or name.startswith("/"):
            raise FetchError(f"{source.input}: the name {name[:200]!r} could lead out of its folder")
    return found


def listing_version(found: dict[str, Listed]) -> str:
    """Digest of the names, places, sizes and times of the files of a source."""
    rows = sorted(
        (name, item.url, item.size, item.modified.isoformat() if item.modified else "") for name, item in found.items()
    )
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:32]


def fetch_files(source: InputSource, target: Path, record: Path) -> Fetched:
    """Bring a folder up to date with a source.

    Parameters
    ----------
    source : InputSource
        The source, with its bounds.
    target : Path
        Folder of the input; or the file, of a table.
    record : Path
        File that records what was fetched.

    Raises
    ------
    FetchError
        If a file cannot be read, has changed in the meantime, exceeds a bound, or would be where a folder is; nothing
        local is then changed.
    OSError
        If the disk is full.
    """
    deadline = time.monotonic() + source.seconds
    single = source.input == "request_table"
    folder = target.parent if single else target
    known, found, url = Record.read(record), listed(source), public(source.url)
    if single and len(found) != 1:
        raise FetchError(f"{source.url} has {len(found)} files {', '.join(source.patterns)}; the table is one")
    elsewhere = known.url not in ("", url)
    new = {name: item for name, item in found.items() if elsewhere or _is_new(known.files.get(name), item, folder)}
    size = sum(item.size for item in new.values())
    if size > source.total_bytes:
        raise FetchError(f"{source.input}: {size:,} bytes are new; the limit is {source.total_bytes:,}")
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: known.files[name] for name in found if name in known.files}
    with hidden_folder(folder, f"{source.input}-fetched") as place:
        staged: dict[str, Path] = {}
        # The latest of several zip files that have the same kernel prevails.
        for name, item in sorted(new.items(), key=lambda pair: _time(pair[1])):
            entry, members = _stage(source, item, place / f"{len(files)}-{len(staged)}", deadline)
            if not members:
                members = {target.name if single else name: entry[0]}
            files[name] = FetchedFile(size=item.size, modified=item.modified, sha256=entry[1], members=list(members))
            staged |= members
        _check_places(folder, staged)
        for name in sorted(staged, key=_order):
            move_file(staged[name], folder / name, sync_name=False)
        sync_folders({(folder / name).parent for name in staged})
    removed = _remove(folder, known, files) if source.remove and not single else []
    version = listing_version(found)
    Record(version=version, url=url, fetched_at=datetime.now(UTC), files=files).write(record)
    return Fetched(version=version, new=sorted(staged), removed=removed, bytes=size)


def _is_new(known: FetchedFile | None, item: Listed, folder: Path) -> bool:
    """Whether a file must be fetched: it has changed, or the local files made from it no longer exist."""
    if known is None or (known.size, known.modified) != (item.size, item.modified):
        return True
    return any(not (folder / name).is_file() for name in known.members)


def _stage(source: InputSource, item: Listed, place: Path, deadline: float) -> tuple[tuple[Path, str], dict[str, Path]]:
    """Copy a file; return the copy with its checksum, and the local files made from it (several for a zip file)."""
    if time.monotonic() > deadline:
        raise FetchError(f"{item.url} could not be fetched in time: the limit is {source.seconds:.0f} s")
    try:
        with IncomingFolder(source.url, "*", source.revealed_options) as folder:
            copied = folder.copy(item, place)
    except (NotComplete, FolderError) as error:
        raise FetchError(f"{item.url}: {error}") from error
    if source.input != "spice_kernels" or not item.name.lower().endswith(".zip"):
        return (copied.path, copied.sha256), {}
    unpacked = place / "unpacked"
    names = unpack_kernels(copied.path, unpacked, source, deadline=deadline)
    return (copied.path, copied.sha256), {name: unpacked / name for name in names}


def _order(name: str) -> tuple[bool, str]:
    """Meta-kernels after the kernels that they name, and the version after the files whose version it is."""
    return (name == VERSION or "mk" in name.split("/")[:-1], name)


def _time(item: Listed) -> tuple[datetime, str]:
    return (item.modified or datetime.min.replace(tzinfo=UTC), item.url)


def _check_places(folder: Path, names: Iterable[str]) -> None:
    """Raise if a file would be where a folder is, or below a file, before anything is moved."""
    for name in names:
        above = [parent for parent in (folder / name).parents if parent != folder and folder in parent.parents]
        if (folder / name).is_dir() or any(parent.exists() and not parent.is_dir() for parent in above):
            raise FetchError(f"{folder / name} cannot be written: there is a folder of its name, or a file above it")


def _remove(folder: Path, known: Record, files: dict[str, FetchedFile]) -> list[str]:
    kept = {name for file in files.values() for name in file.members}
    gone = [name for old in known.files.values() for name in old.members if name not in kept]
    return sorted(name for name in set(gone) if _removed(folder, name))


def _removed(folder: Path, name: str) -> bool:
    path = folder / name
    if not path.is_file():
        return False
    path.unlink()
    return True

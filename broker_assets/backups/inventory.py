"""The list of the files in the object store: what must be there after a restoration, and what has disappeared.

The store itself keeps the files safe (versions, replication); they are written once. The list has their names and
sizes, and for the packet archive the checksums from the ledger.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import fsspec
import psycopg
import zstandard

from broker_assets.backups.manifest import DamagedBackup, Manifest
from broker_assets.backups.shelf import Backup, Shelf
from broker_assets.database.engine import connect

NAME: Final = "objects.jsonl.zst"


@dataclass(frozen=True)
class StoredObject:
    """A file in the store."""

    url: str
    size: int
    sha256: str | None = None
    """Checksum from the ledger, for files of the packet archive."""


@dataclass(frozen=True)
class Difference:
    """Differences of the store from its list and the ledger."""

    missing: list[str]
    """Files in the ledger or the list that are not in the store."""
    changed: list[str]
    """Files with another size."""
    surplus: int
    """Number of files that are not in the list, since they are newer."""

    @property
    def harmless(self) -> bool:
        """Whether no file is missing or changed."""
        return not self.missing and not self.changed


def write_inventory(url: str, store: str, shelf: Shelf) -> Backup:
    """Write the list of the files in the object store as a new backup.

    Parameters
    ----------
    url : str
        SQLAlchemy URL of the database with the ledger.
    store : str
        fsspec URL of the object store.
    shelf : Shelf
        Where it goes.
    """
    begun = datetime.datetime.now(datetime.UTC)
    with shelf.building("objects") as (folder, finish):
        with connect(url, application="broker-assets backup", read_only=True) as connection:
            known = dict(_archive_files(connection))
        number = size = 0
        with _writer(folder / NAME) as write:
            for item in stored_objects(store):
                write({"url": item.url, "size": item.size, "sha256": known.get(item.url)})
                number += 1
                size += item.size
        return finish(
            Manifest(
                kind="objects",
                begun=begun,
                ended=datetime.datetime.now(datetime.UTC),
                files=(),
                objects=number,
                bytes=size,
            )
        )


def compare_inventory(shelf: Shelf, backup: Backup, url: str, store: str) -> Difference:
    """Compare the store with a list of it and with the ledger.

    Raises
    ------
    DamagedBackup
        If the list is damaged.
    """
    shelf.opened(backup)
    listed = {item.url: item for item in read_inventory(backup)}
    with connect(url, application="broker-assets backup", read_only=True) as connection:
        wanted = {name for name, _ in _archive_files(connection)}
    found = {item.url: item.size for item in stored_objects(store)}
    missing = sorted((listed.keys() | wanted) - found.keys())
    changed = sorted(name for name, item in listed.items() if name in found and found[name] != item.size)
    return Difference(missing, changed, len(found.keys() - listed.keys()))


def stored_objects(store: str) -> Iterator[StoredObject]:
    """Every file in a store, without those that are being written."""
    files, root = fsspec.core.url_to_fs(store)
    if not files.exists(root):
        return
    for path, details in sorted(files.find(root, detail=True).items()):
        parts = path.removeprefix(root).split("/")
        if not any(part.startswith(".") for part in parts):
            yield StoredObject(files.unstrip_protocol(path), int(details["size"] or 0))


def read_inventory(backup: Backup) -> Iterator[StoredObject]:
    """The files of a list.

    Raises
    ------
    DamagedBackup
        If it cannot be read.
    """
    path = backup.path / NAME
    try:
        with path.open("rb") as packed, zstandard.ZstdDecompressor().stream_reader(packed) as unpacked:
            for line in _lines(unpacked):
                yield StoredObject(**json.loads(line))
    except (OSError, ValueError, TypeError, zstandard.ZstdError) as error:
        raise DamagedBackup(f"{path} cannot be read: {error}") from error


def _archive_files(connection: psycopg.Connection[Any]) -> Iterator[tuple[str, str]]:
    for name, sha256 in connection.execute("SELECT url, sha256 FROM archive_file"):
        yield str(name), str(sha256)


@contextmanager
def _writer(path: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that writes lines of JSON into a compressed file."""
    with path.open("wb") as file, zstandard.ZstdCompressor(level=3, write_checksum=True).stream_writer(file) as packed:
        yield lambda item: _written(packed, item)


def _written(packed: Any, item: dict[str, Any]) -> None:
    packed.write(json.dumps(item).encode() + b"\n")


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    left = b""
    while block := stream.read(1 << 20):
        *lines, left = (left + block).split(b"\n")
        yield from lines
    if left:
        yield left

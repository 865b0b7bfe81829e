"""Zip files of SPICE kernels, unpacked within bounds.

A zip file comes from outside: names that lead out of the folder, links, too many files and files that expand to too
much are refused before anything is written where kernels are read.
"""

from __future__ import annotations

import stat
import time
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final

from broker_assets.settings.sources import InputSource

KERNEL_FOLDERS: Final = ("mk", "lsk", "sclk", "spk", "fk", "pck", "ck", "ik")
"""Folders of kernels by kind; whatever is above them in a zip file is dropped."""
ALWAYS: Final = 64 << 20
"""Bytes to which a file may always expand, whatever its compressed size."""
BLOCK: Final = 1 << 20


class FetchError(OSError):
    """An input cannot be fetched, and the previous one is still in force; the message says why."""


def unpack_kernels(path: Path, folder: Path, source: InputSource, *, deadline: float) -> list[str]:
    """Unpack the kernels of a zip file into an empty folder.

    Parameters
    ----------
    path : Path
        The zip file.
    folder : Path
        Where the folders of kernels go.
    source : InputSource
        Its bounds.
    deadline : float
        Time (`time.monotonic`) until which it must be done.

    Returns
    -------
    list of str
        Paths of the kernels below the folder.

    Raises
    ------
    FetchError
        If it is damaged, exceeds a bound, or has no kernels; the message names the entry.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = _accepted(archive.infolist(), path.name, source)
            left = source.total_bytes
            for name, entry in entries.items():
                left -= _unpack(archive, entry, folder / name, left, deadline)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise FetchError(f"{path.name} is damaged: {error}") from error
    if not entries:
        raise FetchError(f"{path.name} has no kernels: none of its files is in a folder {', '.join(KERNEL_FOLDERS)}")
    return list(entries)


def kernel_path(name: str) -> str | None:
    """Path of an entry below the folder of the kernels; None of what is not a kernel.

    Raises
    ------
    FetchError
        If the name could lead elsewhere.

    Examples
    --------
    >>> kernel_path("solar-orbiter/kernels/spk/orbit.bsp")
    'spk/orbit.bsp'
    >>> kernel_path("solar-orbiter/readme.txt") is None
    True
    """
    parts = PurePosixPath(name).parts
    if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name or ":" in name:
        raise FetchError(f"the entry {name[:200]!r} could lead out of its folder")
    for number, part in enumerate(parts[:-1]):
        if part in KERNEL_FOLDERS and not any(one.startswith(".") for one in parts[number:]):
            return "/".join(parts[number:])
    return None


def _accepted(entries: list[zipfile.ZipInfo], archive: str, source: InputSource) -> dict[str, zipfile.ZipInfo]:
    if len(entries) > source.files:
        raise FetchError(f"{archive} has {len(entries):,} entries; the limit is {source.files:,}")
    found: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        try:
            name = kernel_path(entry.orig_filename)
        except FetchError as error:
            raise FetchError(f"{archive}: {error}") from None
        kind = stat.S_IFMT(entry.external_attr >> 16)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise FetchError(f"{archive}: {entry.filename[:200]!r} is not a regular file")
        if name is None or entry.is_dir():
            continue
        if name.lower().endswith(".zip"):
            raise FetchError(f"{archive}: {name} is itself a zip file; kernels must be in the outer one")
        if name in found:
            raise FetchError(f"{archive} has {name} twice")
        if entry.file_size > max(ALWAYS, source.expansion * entry.compress_size):
            raise FetchError(
                f"{archive}: {name} would expand from {entry.compress_size:,} to {entry.file_size:,} bytes; the limit "
                f"is {source.expansion} times"
            )
        if entry.file_size > source.file_bytes:
            raise FetchError(f"{archive}: {name} has {entry.file_size:,} bytes; the limit is {source.file_bytes:,}")
        found[name] = entry
    total = sum(entry.file_size for entry in found.values())
    if total > source.total_bytes:
        raise FetchError(f"{archive} has {total:,} bytes, unpacked; the limit is {source.total_bytes:,}")
    return found


def _unpack(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, left: int, deadline: float) -> int:
    """Unpack an entry; return the bytes written, which may differ from the size that the entry states."""
    target.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with archive.open(entry) as packed, target.open("xb") as file:
        while block := packed.read(BLOCK):
            written += len(block)
            if written > left:
                raise FetchError(f"{entry.filename[:200]!r} expands to more than the limit")
            if time.monotonic() > deadline:
                raise FetchError(f"{entry.filename[:200]!r} could not be unpacked in time")
            file.write(block)
    return written

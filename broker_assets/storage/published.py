"""Files that people and peers fetch, as complete versions with checksums.

`current.json` next to the versions names the one in force, its files and their checksums; see `versioned`. Works in any
store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from upath import UPath

from broker_assets.storage.versioned import DamagedVersion, NoVersion, VersionedFolder

POINTER = "current.json"


class DamagedProduct(DamagedVersion):
    """Published files are missing or differ from the pointer; the message names them."""


def publish(folder: UPath, files: Mapping[str, bytes], *, version: str, about: Mapping[str, Any] | None = None) -> bool:
    """Write the files of a version and make it the current one.

    Parameters
    ----------
    folder : UPath
        Folder of the product; versions are subfolders.
    files : mapping of str to bytes
        Content by name.
    version : str
        Name of the version; the same name means the same content.
    about : mapping, optional
        Kept in the pointer (JSON).

    Returns
    -------
    bool
        Whether the version in force has changed.

    Raises
    ------
    DamagedProduct
        If the existing pointer cannot be read.
    OSError
        If it cannot be written; the version in force stays.
    """
    described = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)} for name, content in files.items()
    }
    return _versions(folder).put(version, files, {"files": described, "about": dict(about or {})})


def read_published(folder: UPath) -> tuple[str, dict[str, bytes]]:
    """The current version and its files, each verified by its checksum.

    Raises
    ------
    DamagedProduct
        If nothing is published, or a file is missing or has another checksum.
    """
    try:
        return _versions(folder).read(_read)
    except NoVersion as error:
        raise DamagedProduct(f"nothing is published in {folder}: it has no {POINTER}") from error


def remove_unlisted(folder: UPath, prefix: str, keep: Collection[int]) -> list[str]:
    """Remove the products below a folder whose list is not in `keep`; return the names of their folders."""
    if not folder.exists():
        return []
    wanted = {f"{prefix}{identifier}" for identifier in keep}
    gone = sorted(path.name for path in folder.iterdir() if path.name.startswith(prefix) and path.name not in wanted)
    for name in gone:
        unpublish(folder / name)
    return gone


def unpublish(folder: UPath) -> None:
    """Remove a product with all its versions, the pointer first."""
    _versions(folder).remove()


def _versions(folder: UPath) -> VersionedFolder:
    return VersionedFolder(folder, POINTER, damaged=DamagedProduct)


def _read(version: Any, pointer: dict[str, Any]) -> tuple[str, dict[str, bytes]]:
    files: dict[str, bytes] = {}
    for name, described in pointer["files"].items():
        path = version / name
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise DamagedProduct(f"{path} is missing") from None
        if hashlib.sha256(content).hexdigest() != described["sha256"]:
            raise DamagedProduct(f"{path} is damaged: {len(content)} bytes with a different checksum than in {POINTER}")
        files[name] = content
    return str(pointer["version"]), files

"""Indices on disk: arrays that readers map into memory, as complete versions with the pointer ``CURRENT``.

A version is a folder named by the hash of its content, with a manifest and one file per column.
`broker_assets.storage.versioned` replaces versions and pointer.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import ipc

from broker_assets.sky.areas import AREA_INDEX_VERSION, AreaIndex
from broker_assets.sky.cells import CellIndex
from broker_assets.sky.cones import CONE_INDEX_VERSION, ConeIndex
from broker_assets.sky.windows import TimeWindows
from broker_assets.storage.versioned import DamagedVersion, NoVersion, VersionedFolder

POINTER = "CURRENT"
MANIFEST = "manifest.json"
Index = TypeVar("Index")


class DamagedIndex(DamagedVersion):
    """A stored index cannot be used; the message names the folder and says how to rebuild it."""


class Versioned(Protocol):
    """An object with a content hash."""

    @property
    def version(self) -> str:
        """Hash of the content."""
        ...


def write_cone_index(folder: Path, index: ConeIndex, *, state: dict[str, Any] | None = None) -> str:
    """Store a cone index and make it current; a damaged version of the same content is replaced.

    Parameters
    ----------
    folder : Path
        Folder for the versions of this index; created if missing.
    index : ConeIndex
        The index to store.
    state : dict, optional
        What the index was made from, stored with the pointer (JSON); see `current_state`.

    Returns
    -------
    str
        The current version.
    """
    arrays: dict[str, NDArray[Any]] = {
        "ra": index.ra, "dec": index.dec, "radius": index.radius, "watchlist": index.watchlist, "cone": index.cone,
        "cell": index.cells.cell, "entry": index.cells.entry, "window": index.windows.row,
        "since": index.windows.since, "until": index.windows.until,
    }  # fmt: skip
    return _write(folder, index, arrays, CONE_INDEX_VERSION, state, names=index.name)


def read_cone_index(folder: Path) -> ConeIndex:
    """The current cone index, its arrays mapped into memory.

    Raises
    ------
    FileNotFoundError
        If no version has been stored.
    DamagedIndex
        If the current version is incomplete or has another format.
    """
    return _read(folder, CONE_INDEX_VERSION, _cone_index)


def _cone_index(version: Path, _: dict[str, Any]) -> ConeIndex:
    part = {name: _array(version, name) for name in ("ra", "dec", "radius", "watchlist", "cone", "cell", "entry")}
    windows = TimeWindows(_array(version, "window"), _array(version, "since"), _array(version, "until"))
    index = ConeIndex(
        part["ra"], part["dec"], part["radius"], part["watchlist"], part["cone"], _names(version),
        CellIndex(part["cell"], part["entry"]), windows,
    )  # fmt: skip
    index.__dict__["version"] = version.name  # known from the name of the folder; no need to hash a million cones again
    return index


def write_area_index(folder: Path, index: AreaIndex, *, state: dict[str, Any] | None = None) -> str:
    """Store an area index and make it the current one; see `write_cone_index`."""
    arrays: dict[str, NDArray[Any]] = {"area": index.area, "cell": index.cells.cell, "entry": index.cells.entry}
    return _write(folder, index, arrays, AREA_INDEX_VERSION, state, content=list(index.content))


def read_area_index(folder: Path) -> AreaIndex:
    """The current area index; see `read_cone_index`."""
    return _read(folder, AREA_INDEX_VERSION, _area_index)


def _area_index(version: Path, manifest: dict[str, Any]) -> AreaIndex:
    cells = CellIndex(_array(version, "cell"), _array(version, "entry"))
    return AreaIndex(_array(version, "area"), tuple(manifest["content"]), cells)


def current_version(folder: Path) -> str | None:
    """Name of the current version; None before the first."""
    pointer = _versions(folder).pointer()
    return None if pointer is None else str(pointer["version"])


def current_state(folder: Path) -> dict[str, Any]:
    """What the current version was made from, as given when it was written; empty before the first."""
    pointer = _versions(folder).pointer()
    return {} if pointer is None else dict(pointer["state"])


def _versions(folder: Path) -> VersionedFolder:
    return VersionedFolder(folder, POINTER, damaged=DamagedIndex, remedy="; delete it and build the index again")


def _array(version: Path, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(version / f"{name}.npy", mmap_mode="r")
    except (FileNotFoundError, ValueError, EOFError) as error:
        raise DamagedIndex(f"{version / name}.npy is damaged ({error}); build the index again") from error
    return array


def _names(version: Path) -> pa.StringArray:
    path = version / "name.arrow"
    try:
        with pa.memory_map(str(path)) as source:
            return ipc.open_file(source).read_all().column("name").combine_chunks()
    except (FileNotFoundError, pa.ArrowInvalid) as error:
        raise DamagedIndex(f"{path} is damaged ({error}); build the index again") from error


def _write(
    folder: Path,
    index: Versioned,
    arrays: dict[str, NDArray[Any]],
    format_version: str,
    state: dict[str, Any] | None,
    *,
    names: pa.StringArray | None = None,
    content: list[str] | None = None,
) -> str:
    manifest: dict[str, Any] = {"format": format_version, "rows": {name: len(array) for name, array in arrays.items()}}
    if content is not None:
        manifest["content"] = content

    def fill(version: Path) -> None:
        for name, array in arrays.items():
            np.save(version / f"{name}.npy", array)
        if names is not None:
            table = pa.table({"name": names})
            with pa.OSFile(str(version / "name.arrow"), "wb") as sink, ipc.new_file(sink, table.schema) as writer:
                writer.write_table(table)
        (version / MANIFEST).write_text(json.dumps(manifest))

    def intact(version: Path) -> bool:
        try:
            whole = all(len(_array(version, name)) == rows for name, rows in manifest["rows"].items())
            return (
                whole
                and _manifest(version, format_version) == manifest
                and (names is None or len(_names(version)) == len(names))
            )
        except DamagedIndex:
            return False

    _versions(folder).build(index.version, fill, {"state": state or {}}, intact=intact)
    return index.version


def remove_old_versions(folder: Path, *, keep: int = 2) -> list[str]:
    """Delete versions other than the current one and the latest `keep`, and what killed builds left behind.

    Notes
    -----
    A reader that has mapped a deleted version keeps its pages until it closes them (POSIX).
    """
    return _versions(folder).remove_old(keep=keep)


def _read(folder: Path, format_version: str, reader: Callable[[Path, dict[str, Any]], Index]) -> Index:
    """Read the current version with its manifest."""

    def read(version: Path, _: dict[str, Any]) -> Index:
        return reader(version, _manifest(version, format_version))

    try:
        return _versions(folder).read(read)
    except NoVersion as error:
        raise FileNotFoundError(f"no index has been built in {folder}") from error


def _manifest(version: Path, format_version: str) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((version / MANIFEST).read_text())
    except (FileNotFoundError, ValueError) as error:
        raise DamagedIndex(f"index {version} is incomplete ({error}); build it again") from error
    if manifest.get("format") != format_version:
        raise DamagedIndex(
            f"index {version} has format {manifest.get('format')}, this code reads {format_version}; build it again"
        )
    return manifest

"""Indices on disk: whole versions side by side, and one pointer that says which is in force.

A version is a folder named by its content hash, written under a temporary name and renamed; the pointer ``CURRENT``
is a small file replaced by rename. A reader therefore sees the old version or the new one, never half of one, and a
process killed in the middle of a build leaves the old version in force.
"""

from __future__ import annotations

import json
import os
import shutil
import uuid
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import ipc

from broker_assets.sky.areas import AREA_INDEX_VERSION, AreaIndex
from broker_assets.sky.cells import CellIndex
from broker_assets.sky.cones import CONE_INDEX_VERSION, ConeIndex

POINTER = "CURRENT"


class DamagedIndex(RuntimeError):
    """A stored index cannot be used; the message names the folder and says how to rebuild it."""


class Versioned(Protocol):
    """What has a content hash."""

    @property
    def version(self) -> str:
        """Hash of the content."""
        ...


def write_cone_index(folder: Path, index: ConeIndex, *, state: dict[str, Any] | None = None) -> str:
    """Store a cone index and put it in force.

    Parameters
    ----------
    folder : Path
        Folder of this index's versions; made if missing.
    index : ConeIndex
        What to store.
    state : dict, optional
        What the index was made from, kept with the pointer (JSON); see `current_state`.

    Returns
    -------
    str
        The version now in force.
    """
    arrays: dict[str, NDArray[Any]] = {
        "ra": index.ra, "dec": index.dec, "radius": index.radius, "watchlist": index.watchlist, "cone": index.cone,
        "cell": index.cells.cell, "entry": index.cells.entry,
    }  # fmt: skip
    return _write(folder, index, arrays, CONE_INDEX_VERSION, state, names=index.name)


def read_cone_index(folder: Path) -> ConeIndex:
    """The cone index in force, its arrays mapped into memory.

    Raises
    ------
    FileNotFoundError
        If no version has been stored.
    DamagedIndex
        If the version in force is incomplete or of another format.
    """
    version = _current(folder, CONE_INDEX_VERSION)
    part = {name: _array(version, name) for name in ("ra", "dec", "radius", "watchlist", "cone", "cell", "entry")}
    with pa.memory_map(str(version / "name.arrow")) as source:
        names = ipc.open_file(source).read_all().column("name").combine_chunks()
    index = ConeIndex(
        part["ra"], part["dec"], part["radius"], part["watchlist"], part["cone"], names,
        CellIndex(part["cell"], part["entry"]),
    )  # fmt: skip
    index.__dict__["version"] = version.name  # known from the folder; hashing a million cones again would be waste
    return index


def write_area_index(folder: Path, index: AreaIndex, *, state: dict[str, Any] | None = None) -> str:
    """Store an area index and put it in force; see `write_cone_index`."""
    arrays: dict[str, NDArray[Any]] = {"area": index.area, "cell": index.cells.cell, "entry": index.cells.entry}
    return _write(folder, index, arrays, AREA_INDEX_VERSION, state, content=list(index.content))


def read_area_index(folder: Path) -> AreaIndex:
    """The area index in force; see `read_cone_index`."""
    version = _current(folder, AREA_INDEX_VERSION)
    content = json.loads((version / "manifest.json").read_text())["content"]
    return AreaIndex(
        _array(version, "area"), tuple(content), CellIndex(_array(version, "cell"), _array(version, "entry"))
    )


def current_version(folder: Path) -> str | None:
    """Name of the version in force; none before the first."""
    pointer = _pointer(folder)
    return None if pointer is None else str(pointer["version"])


def current_state(folder: Path) -> dict[str, Any]:
    """What the version in force was made from, as it was given when it was written; empty before the first."""
    pointer = _pointer(folder)
    return {} if pointer is None else dict(pointer["state"])


def _pointer(folder: Path) -> dict[str, Any] | None:
    try:
        text = (folder / POINTER).read_text()
    except FileNotFoundError:
        return None
    try:
        pointer: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise DamagedIndex(f"{folder / POINTER} is damaged ({error}); delete it and build the index again") from error
    return pointer


def _array(version: Path, name: str) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(version / f"{name}.npy", mmap_mode="r")
    except ValueError as error:
        raise DamagedIndex(f"{version / name}.npy is damaged ({error}); build the index again") from error
    return array


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
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / index.version
    if not target.exists():
        building = folder / f".building-{uuid.uuid4().hex}"
        building.mkdir()
        try:
            for name, array in arrays.items():
                np.save(building / f"{name}.npy", array)
            if names is not None:
                table = pa.table({"name": names})
                with pa.OSFile(str(building / "name.arrow"), "wb") as sink, ipc.new_file(sink, table.schema) as writer:
                    writer.write_table(table)
            manifest = {"format": format_version, "rows": {name: len(array) for name, array in arrays.items()}}
            if content is not None:
                manifest["content"] = content  # type: ignore[assignment]
            (building / "manifest.json").write_text(json.dumps(manifest))
            for path in building.iterdir():
                _sync(path)
            try:
                building.rename(target)
            except OSError:
                if not target.exists():  # else another process has built the same content meanwhile
                    raise
        finally:
            shutil.rmtree(building, ignore_errors=True)
    pointer = folder / f".{POINTER}-{uuid.uuid4().hex}"
    pointer.write_text(json.dumps({"version": index.version, "state": state or {}}))
    _sync(pointer)
    pointer.replace(folder / POINTER)
    _sync(folder)
    return index.version


def remove_old_versions(folder: Path, *, keep: int = 2) -> list[str]:
    """Delete versions that are not in force, but the newest `keep`; also what killed builds left.

    Notes
    -----
    A reader that has mapped a deleted version keeps its pages until it closes them (POSIX).
    """
    current = current_version(folder)
    if current is None:
        return []
    versions = [path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")]
    others = sorted((path for path in versions if path.name != current), key=lambda path: path.stat().st_mtime)
    gone = others[: max(len(others) - keep, 0)]
    for path in gone:
        shutil.rmtree(path, ignore_errors=True)
    return [path.name for path in gone]


def _current(folder: Path, format_version: str) -> Path:
    name = current_version(folder)
    if name is None:
        raise FileNotFoundError(f"no index has been built in {folder}")
    version = folder / name
    try:
        manifest = json.loads((version / "manifest.json").read_text())
    except (FileNotFoundError, ValueError) as error:
        raise DamagedIndex(f"index {version} is incomplete ({error}); build it again") from error
    if manifest.get("format") != format_version:
        raise DamagedIndex(
            f"index {version} has format {manifest.get('format')}, this code reads {format_version}; build it again"
        )
    return version


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

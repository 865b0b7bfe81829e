"""Files that people and peers take: MOCs of watchlists, areas and sky maps, as whole versions with a pointer.

A version is a folder; ``current.json`` beside it names the version in force, its files and their checksums, and is
replaced in one step. A reader that follows it sees one version whole, whatever is written meanwhile.
"""

from __future__ import annotations

import hashlib
import io
import json
import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
from mocpy import MOC
from psycopg import sql
from upath import UPath

from broker_assets.settings import MocSettings
from broker_assets.sky.areas import moc_bytes
from broker_assets.sky.cones import ConeIndex
from broker_assets.sky.indices import cone_rows, index_of_rows
from broker_assets.sky.lists import UnknownList
from broker_assets.sky.skymaps import CONTOURS, read_sky_map
from broker_assets.sky.watchlists import watchlist_mocs

PRODUCT_VERSION = "1"
POINTER = "current.json"


class DamagedProduct(RuntimeError):
    """Published files are missing or not those of the pointer; the message names them."""


@dataclass(frozen=True)
class Product:
    """Files to be published."""

    version: str
    """Hash of the content."""
    files: dict[str, bytes]
    """By name."""
    name: str
    """What it is of, for people."""
    identifier: int
    """`wl_id`, `ar_id` or `mw_id`."""
    revision: str
    """Revision of the list that it is of; by it the sensor sees what is old."""
    code_version: str = PRODUCT_VERSION
    """Version of the code, and of the settings that the files depend on."""
    mocs: list[MOC] = field(default_factory=list)
    """Its MOCs, for checks and pictures."""
    contours: dict[int, MOC] = field(default_factory=dict)
    """Of a sky map: credible regions by level, per cent."""
    about: dict[str, Any] = field(default_factory=dict)
    """Numbers for the pointer and for people."""


def publish(folder: UPath, files: Mapping[str, bytes], *, version: str, about: Mapping[str, Any] | None = None) -> bool:
    """Write the files of a version and put it in force.

    Parameters
    ----------
    folder : UPath
        Of the product; versions lie below it.
    files : mapping of str to bytes
        Content by name.
    version : str
        Name of the version; the same name is the same content.
    about : mapping, optional
        Kept in the pointer (JSON).

    Returns
    -------
    bool
        Whether the version in force is another one than before.
    """
    before = current(folder)
    described = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)} for name, content in files.items()
    }
    pointer = {"version": version, "files": described, "about": dict(about or {})}
    if before == pointer and all((folder / version / name).exists() for name in files):
        return False
    for name, content in files.items():
        _write(folder / version / name, content)
    _write(folder / POINTER, json.dumps(pointer, indent=1).encode())
    _remove_old(folder, version, None if before is None else str(before["version"]))
    return before is None or before["version"] != version


def current(folder: UPath) -> dict[str, Any] | None:
    """What the pointer says: `version`, `files`, `about`; none before the first version."""
    try:
        text = (folder / POINTER).read_text()
    except FileNotFoundError:
        return None
    try:
        pointer: dict[str, Any] = json.loads(text)
    except ValueError as error:
        raise DamagedProduct(f"{folder / POINTER} is damaged: {error}") from error
    return pointer


def read_published(folder: UPath) -> tuple[str, dict[str, bytes]]:
    """The version in force and its files, each compared with its checksum.

    Raises
    ------
    DamagedProduct
        If nothing is published, or a file is missing or another one.
    """
    pointer = current(folder)
    if pointer is None:
        raise DamagedProduct(f"nothing is published in {folder}: it has no {POINTER}")
    files: dict[str, bytes] = {}
    for name, described in pointer["files"].items():
        path = folder / pointer["version"] / name
        try:
            content = path.read_bytes()
        except FileNotFoundError:
            raise DamagedProduct(f"{path} is missing") from None
        if hashlib.sha256(content).hexdigest() != described["sha256"]:
            raise DamagedProduct(f"{path} is damaged: {len(content)} bytes with another checksum than {POINTER} says")
        files[name] = content
    return str(pointer["version"]), files


def remove_unlisted(folder: UPath, prefix: str, keep: Collection[int]) -> list[str]:
    """Remove the products below a folder whose list is none of `keep`; names of their folders."""
    if not folder.exists():
        return []
    wanted = {f"{prefix}{identifier}" for identifier in keep}
    gone = sorted(path.name for path in folder.iterdir() if path.name.startswith(prefix) and path.name not in wanted)
    for name in gone:
        unpublish(folder / name)
    return gone


def unpublish(folder: UPath) -> None:
    """Remove a product with all its versions; the pointer first."""
    (folder / POINTER).unlink(missing_ok=True)
    if folder.exists():
        _remove_tree(folder)


def _write(path: UPath, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.protocol not in {"", "file", "local"}:
        path.write_bytes(content)  # object stores put a file in one step
        return
    target = Path(path.path)
    building = target.parent / f".{target.name}-{uuid.uuid4().hex}"
    building.write_bytes(content)
    building.replace(target)


def _remove_old(folder: UPath, *keep: str | None) -> None:
    """Remove versions but the one in force, and the one before for readers that have just looked at the pointer."""
    for path in folder.iterdir():
        if path.is_dir() and path.name not in keep:
            _remove_tree(path)


def _remove_tree(folder: UPath) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            _remove_tree(path)
        else:
            path.unlink(missing_ok=True)
    folder.rmdir()


def watchlist_code_version(mocs: MocSettings) -> str:
    """Version of what makes the files of watchlists: the code, and the settings that their content depends on.

    Examples
    --------
    >>> watchlist_code_version(MocSettings(watchlist_order=12))
    '1 (order 12, 50000 cones a file)'
    """
    return f"{PRODUCT_VERSION} (order {mocs.watchlist_order}, {mocs.watchlist_cones} cones a file)"


def watchlist_product(connection: psycopg.Connection[Any], watchlist: int, mocs: MocSettings) -> Product:
    """MOCs of the cones of a watchlist in chunks (`moc000.fits`, …), and `watchlist.csv` with its cones.

    Parameters
    ----------
    connection : psycopg.Connection
        Any.
    watchlist : int
        `wl_id`.
    mocs : MocSettings
        Order of the MOCs, and number of cones in a file; both are part of the version.

    Returns
    -------
    Product

    Raises
    ------
    UnknownList
        If there is no such list.

    Notes
    -----
    A line of the CSV is cone id, right ascension, declination, radius in degrees and name, without a header; file *i*
    covers the lines from *i* times `mocs.watchlist_cones` on.
    """
    code_version = watchlist_code_version(mocs)
    with connection.transaction():
        row = connection.execute("SELECT name, revision FROM watchlists WHERE wl_id = %s", (watchlist,)).fetchone()
        if row is None:
            raise UnknownList(f"there is no watchlist {watchlist}")
        index = cones_of_watchlist(connection, watchlist)
    made = watchlist_mocs(index, order=mocs.watchlist_order, chunk=mocs.watchlist_cones)
    files = {f"moc{number:03d}.fits": moc_bytes(moc) for number, moc in enumerate(made)}
    files["watchlist.csv"] = _cone_lines(index)
    about = {"cones": len(index), "order": mocs.watchlist_order, "cones per file": mocs.watchlist_cones}
    return Product(
        _version(code_version, index.version, row[0]), files, row[0], watchlist, str(row[1]), code_version, made,
        about=about,
    )  # fmt: skip


def cones_of_watchlist(connection: psycopg.Connection[Any], watchlist: int) -> ConeIndex:
    """The cones of a watchlist as an index, in the order of their ids."""
    wanted = sql.SQL(" WHERE cone.wl_id = {} ORDER BY cone_id").format(sql.Literal(watchlist))
    return index_of_rows(cone_rows(connection, wanted))


def _cone_lines(index: ConeIndex) -> bytes:
    buffer = io.StringIO()
    columns = (index.cone, index.ra, index.dec, index.radius / 3600.0)
    for cone, ra, dec, radius, name in zip(
        *(column.tolist() for column in columns), index.name.to_pylist(), strict=True
    ):
        written = (name or "").replace('"', '""')
        quoted = f'"{written}"' if any(mark in written for mark in ',"\n') else written
        buffer.write(f"{cone},{ra:f},{dec:f},{radius:.3e},{quoted}\n")
    return buffer.getvalue().encode()


def area_product(connection: psycopg.Connection[Any], area: int) -> Product:
    """The MOC of an area: `moc000.fits`."""
    row = connection.execute(
        "SELECT name, moc, moc_version, square_degrees, revision FROM areas WHERE ar_id = %s", (area,)
    ).fetchone()
    if row is None:
        raise UnknownList(f"there is no area {area}")
    moc = MOC.from_fits(io.BytesIO(row[1]))
    files = {"moc000.fits": moc_bytes(moc)}
    return Product(
        _version(PRODUCT_VERSION, row[2], row[0]),
        files,
        row[0],
        area,
        str(row[4]),
        mocs=[moc],
        about={"square degrees": float(row[3])},
    )


def sky_map_product(connection: psycopg.Connection[Any], identifier: int) -> Product:
    """The credible regions of a sky map from 10 to 90 per cent (`10.moc`, …) and the map itself (`map.fits`)."""
    row = connection.execute(
        "SELECT otherid, version, sky_map, sky_map_version, params, area90 FROM mma_areas WHERE mw_id = %s",
        (identifier,),
    ).fetchone()
    if row is None or row[2] is None:
        raise UnknownList(f"there is no sky map {identifier}")
    sky_map = read_sky_map(row[2])
    contours = {level: sky_map.contour_moc(level) for level in CONTOURS}
    files = {f"{level}.moc": moc_bytes(moc) for level, moc in contours.items()}
    files["map.fits"] = bytes(row[2])
    about = {"90 per cent (deg2)": float(row[5] or np.nan), "parameters": row[4]}
    return Product(
        _version(PRODUCT_VERSION, row[3], row[1]),
        files,
        f"{row[0]} {row[1]}",
        identifier,
        row[3],
        contours=contours,
        about=about,
    )


def _version(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:32]

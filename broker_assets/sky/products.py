"""Published files of watchlists, areas and sky maps: their MOCs and cones.

`broker_assets.storage.published` publishes them as complete versions with a pointer.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
from mocpy import MOC
from psycopg import sql

from broker_assets.settings.sky import MocSettings
from broker_assets.sky.areas import moc_bytes
from broker_assets.sky.changes import cone_rows, index_of_rows
from broker_assets.sky.cones import ConeIndex
from broker_assets.sky.lists import UnknownList
from broker_assets.sky.skymaps import CONTOURS, stored_sky_map
from broker_assets.sky.watchlists import watchlist_mocs

PRODUCT_VERSION = "1"


@dataclass(frozen=True)
class Product:
    """Files to publish."""

    version: str
    """Hash of the content."""
    files: dict[str, bytes]
    """By name."""
    name: str
    """Name of its subject, for users."""
    identifier: int
    """`wl_id`, `ar_id` or `mw_id`."""
    revision: str
    """Revision of the list from which the files were made; by it the sensor detects outdated files."""
    code_version: str = PRODUCT_VERSION
    """Version of the code, and of the settings that the files depend on."""
    mocs: list[MOC] = field(default_factory=list)
    """Its MOCs, for checks and plots."""
    contours: dict[int, MOC] = field(default_factory=dict)
    """For a sky map: credible regions by level, per cent."""
    about: dict[str, Any] = field(default_factory=dict)
    """Numbers for the pointer and for users."""
    public: bool = False
    """Whether everybody may see its name and where it is."""


def watchlist_code_version(mocs: MocSettings) -> str:
    """Version of the code that makes the files of watchlists, with the settings that their content depends on.

    Examples
    --------
    >>> watchlist_code_version(MocSettings(watchlist_order=12))
    'moc 1, order 12, cones per file 50000'
    """
    return f"moc {PRODUCT_VERSION}, order {mocs.watchlist_order}, cones per file {mocs.watchlist_cones}"


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
        row = connection.execute(
            "SELECT name, revision, public FROM watchlists WHERE wl_id = %s", (watchlist,)
        ).fetchone()
        if row is None:
            raise UnknownList(f"there is no watchlist {watchlist}")
        index = cones_of_watchlist(connection, watchlist)
    made = watchlist_mocs(index, order=mocs.watchlist_order, chunk=mocs.watchlist_cones)
    files = {f"moc{number:03d}.fits": moc_bytes(moc) for number, moc in enumerate(made)}
    files["watchlist.csv"] = _cone_lines(index)
    about = {"cones": len(index), "order": mocs.watchlist_order, "cones per file": mocs.watchlist_cones}
    return Product(
        _version(code_version, index.version, row[0]), files, row[0], watchlist, str(row[1]), code_version, made,
        about=about, public=bool(row[2]),
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
    """The MOC of an area: `moc000.fits`.

    Raises
    ------
    UnknownList
        If there is no such area.
    """
    row = connection.execute(
        "SELECT name, moc, moc_version, square_degrees, revision, public FROM areas WHERE ar_id = %s", (area,)
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
        public=bool(row[5]),
    )


def sky_map_product(connection: psycopg.Connection[Any], identifier: int) -> Product:
    """The credible regions of a sky map from 10 to 90 per cent (`10.moc`, …) and the map itself (`map.fits`).

    Raises
    ------
    UnknownList
        If there is no such map.
    """
    row = connection.execute(
        "SELECT otherid, version, sky_map, sky_map_version, params, area90 FROM mma_areas WHERE mw_id = %s",
        (identifier,),
    ).fetchone()
    if row is None or row[2] is None:
        raise UnknownList(f"there is no sky map {identifier}")
    sky_map = stored_sky_map(row[2])
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
        public=True,
    )


def _version(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()[:32]

"""Watchlists, objects near them, and which of these should match, for tests of `sky` in a real PostgreSQL."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pyarrow as pa

from broker_assets.sky.cells import cells_at
from broker_assets.sky.separation import separation
from broker_assets.sky.watchlists import Cones

Connection = psycopg.Connection[Any]


def cones(count: int, seed: int, *, named: bool = True) -> Cones:
    random = np.random.default_rng(seed)
    radius = np.where(random.random(count) < 0.5, np.nan, random.uniform(1, 300, count))
    names = pa.array([f"{seed}-{n}" if named else None for n in range(count)], pa.string())
    dec = np.degrees(np.arcsin(random.uniform(-1, 1, count)))
    return Cones(random.uniform(0, 360, count), dec, radius, names, np.arange(count), ())


def insert_objects(connection: Connection, ra: np.ndarray, dec: np.ndarray, first: int = 1) -> np.ndarray:
    ids = np.arange(first, first + len(ra))
    with (
        connection.cursor() as cursor,
        cursor.copy("COPY objects (diaobjectid, survey, ra, decl, healpix, lastdiasourcemjdtai) FROM STDIN") as stream,
    ):
        for row in zip(ids.tolist(), ra.tolist(), dec.tolist(), cells_at(ra, dec).tolist(), strict=True):
            stream.write_row((row[0], 1, *row[1:], 60000.0))
    connection.commit()
    return ids


def near(parts: Cones, seed: int, spread: float = 200.0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    dec = np.clip(parts.dec + random.normal(0, spread / 3600, len(parts)), -90, 90)
    return np.mod(parts.ra + random.normal(0, spread / 3600, len(parts)), 360.0), dec


def stored(connection: Connection, table: str, key: str) -> set[tuple[int, int]]:
    return set(connection.execute(f"SELECT diaobjectid, {key} FROM {table}").fetchall())


def brute_force(connection: Connection) -> set[tuple[int, int]]:
    objects = np.array(connection.execute("SELECT diaobjectid, ra, decl FROM objects").fetchall())
    rows = np.array(
        connection.execute(
            "SELECT cone_id, c.ra, c.decl, coalesce(c.radius, w.radius) FROM watchlist_cones c JOIN watchlists w"
            " USING (wl_id) WHERE w.active"
        ).fetchall()
    )
    found = separation(objects[:, 1][:, None], objects[:, 2][:, None], rows[:, 1], rows[:, 2]) <= rows[:, 3]
    return {(int(objects[o, 0]), int(rows[c, 0])) for o, c in zip(*np.nonzero(found), strict=True)}

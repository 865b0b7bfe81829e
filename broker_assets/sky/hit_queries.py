"""Queries for the hits of watchlists, areas and sky maps in pages by key, of any number; for `database.paging`."""

from __future__ import annotations

from typing import Final, Literal

import pyarrow as pa
from psycopg import sql

from broker_assets.database.table_formats import field

Kind = Literal["watchlist", "area", "sky_map"]

_OBJECT: Final = (
    field("diaObjectId", pa.int64(), description="object", ucd="meta.id;meta.main"),
    field("ra", pa.float64(), unit="deg", description="its right ascension, ICRS", ucd="pos.eq.ra;meta.main"),
    field("dec", pa.float64(), unit="deg", description="its declination, ICRS", ucd="pos.eq.dec;meta.main"),
    field("nDiaSources", pa.int32(), description="its detections"),
    field("lastDiaSourceMjdTai", pa.float64(), unit="d", description="its last detection, MJD TAI"),
)
SCHEMAS: Final[dict[str, pa.Schema]] = {
    "watchlist": pa.schema(
        [
            *_OBJECT,
            field("coneId", pa.int64(), description="cone that contains it"),
            field("coneName", pa.string(), description="name of the cone"),
            field("separationArcsec", pa.float64(), unit="arcsec", description="distance from the centre of the cone"),
        ]
    ),
    "area": pa.schema(_OBJECT),
    "sky_map": pa.schema(
        [
            *_OBJECT,
            field("contour", pa.float64(), unit="%", description="smallest credible region that contains it"),
            field("probDens2", pa.float64(), unit="sr-1", description="probability density on the sky"),
            field("distance", pa.float64(), unit="Mpc", description="distance of the object"),
        ]
    ),
}
"""Columns of the hits of each kind of list."""
KEYS: Final[dict[str, tuple[str, ...]]] = {
    "watchlist": ("diaObjectId", "coneId"),
    "area": ("diaObjectId",),
    "sky_map": ("diaObjectId",),
}
"""Columns that order them."""
_BASE: Final = (
    'SELECT hit.diaobjectid AS "diaObjectId", object.ra, object.decl AS dec, object.ndiasources AS "nDiaSources",'
    ' object.lastdiasourcemjdtai AS "lastDiaSourceMjdTai"'
)
_JOIN: Final = " LEFT JOIN objects AS object USING (diaobjectid)"
_QUERIES: Final[dict[str, str]] = {
    "watchlist": f'{_BASE}, cone_id AS "coneId", hit.name AS "coneName", arcsec AS "separationArcsec"'
    f" FROM watchlist_hits AS hit{_JOIN} WHERE wl_id = %(list)s",
    "area": f"{_BASE} FROM area_hits AS hit{_JOIN} WHERE ar_id = %(list)s",
    "sky_map": f'{_BASE}, contour, probdens2 AS "probDens2", hit.distance FROM mma_area_hits AS hit{_JOIN}'
    " WHERE mw_id = %(list)s",
}


def hit_query(kind: Kind) -> sql.SQL:
    """The query for the hits of a list, whose id is the parameter `list`."""
    return sql.SQL(_QUERIES[kind])  # type: ignore[arg-type]

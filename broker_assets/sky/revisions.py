"""The lists that are matched at present and their revisions, by which outdated products of lists are found.

Three small queries, which do not read cones, cells or maps. Lists that are inactive, expired or deleted are left out.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import psycopg

from broker_assets.sky.lists import MATCHED


class SkyMapRevision(NamedTuple):
    """A sky map as of its newest notice."""

    mw_id: int
    """Identifier."""
    event: str
    """Event, as the notice names it."""
    version: str
    """Version of the notice."""
    revision: str
    """Hash of the map's content."""


def watchlist_revisions(connection: psycopg.Connection[Any]) -> dict[int, str]:
    """Revision of each watchlist that is matched, by `wl_id`."""
    return dict(
        connection.execute(f"SELECT wl_id, revision::text FROM watchlists WHERE {MATCHED['watchlist']}").fetchall()  # noqa: S608
    )


def area_revisions(connection: psycopg.Connection[Any]) -> dict[int, str]:
    """Revision of each area that is matched, by `ar_id`."""
    return dict(connection.execute(f"SELECT ar_id, revision::text FROM areas WHERE {MATCHED['area']}").fetchall())  # noqa: S608


def sky_map_revisions(connection: psycopg.Connection[Any]) -> list[SkyMapRevision]:
    """Every sky map, those of past events included: their files stay."""
    rows = connection.execute(
        "SELECT mw_id, otherid, version, sky_map_version FROM mma_areas WHERE sky_map IS NOT NULL ORDER BY mw_id"
    )
    return [SkyMapRevision(*row) for row in rows]

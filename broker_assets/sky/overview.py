"""What watchlists and areas there are, and how far each of them has been matched.

Read-only; lists are changed by `broker_assets.sky.lists`.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import psycopg
import pyarrow as pa
from mocpy import MOC
from psycopg import sql
from psycopg.rows import class_row
from pydantic import BaseModel, ConfigDict

from broker_assets.database import fetch
from broker_assets.sky.changes import strings
from broker_assets.sky.lists import Kind, UnknownList
from broker_assets.sky.watchlists import Cones

State = Literal["matched", "waiting", "inactive", "expired"]

PLATFORM_OWNER = "system"
"""Owner of lists that the platform itself makes, such as that of TNS; users cannot change them."""


class _Summary(BaseModel):
    """What watchlists and areas have in common."""

    model_config = ConfigDict(frozen=True)

    id: int
    """`wl_id` or `ar_id`."""
    owner: str
    """Account that may change it."""
    name: str
    """Unique among the lists of the owner, regardless of case."""
    description: str
    """What it is for."""
    public: bool
    """Whether others may see it."""
    created: datetime.datetime
    """When it was created."""
    modified: datetime.datetime
    """When it was last changed."""
    expires: datetime.datetime | None
    """When it stops being matched; None means never."""
    revision: int
    """Number of the last change."""
    state: State
    """matched: past objects have been matched with it as it is now; waiting: not yet; inactive and expired: it is not
    matched at all."""
    matched_at: datetime.datetime | None
    """When past objects were last matched with it; None if they never were, or if it is no longer matched and its hits
    are deleted."""
    hits: int
    """Current hits; an object counts once for each cone that contains it."""

    @property
    def behind(self) -> bool:
        """Whether the running platform has yet to bring the hits up to date."""
        return self.state == "waiting" or (self.state != "matched" and self.matched_at is not None)


class WatchlistSummary(_Summary):
    """A watchlist without its cones."""

    kind: Literal["watchlist"] = "watchlist"
    cones: int
    """Number of cones."""
    radius: float
    """Radius of cones without one of their own, arcsec."""


class AreaSummary(_Summary):
    """An area without its cells."""

    kind: Literal["area"] = "area"
    square_degrees: float
    """Its size, deg²."""


Summary = WatchlistSummary | AreaSummary


class ConeEntry(BaseModel):
    """A cone of a watchlist."""

    model_config = ConfigDict(frozen=True)

    cone_id: int
    """Identifier of the cone."""
    name: str | None
    """Its name."""
    ra: float
    """ICRS, degrees."""
    dec: float
    """ICRS, degrees."""
    radius: float | None
    """arcsec; None means that of the watchlist."""
    hits: int
    """Objects inside it."""


_COLUMNS = (
    "owner, name, description, public, date_created AS created, date_modified AS modified, date_expire AS expires,"
    " list.revision, CASE WHEN date_expire <= now() THEN 'expired' WHEN NOT active THEN 'inactive'"
    " WHEN known.revision >= list.revision THEN 'matched' ELSE 'waiting' END AS state, known.matched_at"
)
_FILTERS = (
    " WHERE (%(owner)s::text IS NULL OR owner = %(owner)s)"
    " AND (%(name)s::text IS NULL OR lower(name) = lower(trim(%(name)s)))"
)
_WATCHLISTS = (
    f"SELECT wl_id AS id, {_COLUMNS}, radius,"  # noqa: S608
    " (SELECT count(*) FROM watchlist_cones AS cone WHERE cone.wl_id = list.wl_id) AS cones,"
    " (SELECT count(*) FROM watchlist_hits AS hit WHERE hit.wl_id = list.wl_id) AS hits"
    " FROM watchlists AS list LEFT JOIN rematch AS known ON known.kind = 'watchlist' AND known.list_id = list.wl_id"
    f"{_FILTERS} AND (%(id)s::bigint IS NULL OR wl_id = %(id)s) ORDER BY wl_id"
)
_AREAS = (
    f"SELECT ar_id AS id, {_COLUMNS}, square_degrees,"  # noqa: S608
    " (SELECT count(*) FROM area_hits AS hit WHERE hit.ar_id = list.ar_id) AS hits"
    " FROM areas AS list LEFT JOIN rematch AS known ON known.kind = 'area' AND known.list_id = list.ar_id"
    f"{_FILTERS} AND (%(id)s::bigint IS NULL OR ar_id = %(id)s) ORDER BY ar_id"
)

_STORED = pa.schema([("ra", pa.float64()), ("decl", pa.float64()), ("radius", pa.float64()), ("name", pa.string())])


def summaries(
    connection: psycopg.Connection[Any],
    kind: Kind,
    *,
    owner: str | None = None,
    name: str | None = None,
    identifier: int | None = None,
) -> Sequence[Summary]:
    """List watchlists or areas by their number.

    Parameters
    ----------
    connection : psycopg.Connection
        Any.
    kind : str
        ``watchlist`` or ``area``.
    owner, name, identifier : optional
        Only lists of this owner, of this name (regardless of case), with this number.
    """
    values = {"owner": owner, "name": name, "id": identifier}
    if kind == "watchlist":
        with connection.cursor(row_factory=class_row(WatchlistSummary)) as cursor:
            return cursor.execute(_WATCHLISTS, values).fetchall()
    with connection.cursor(row_factory=class_row(AreaSummary)) as area_cursor:
        return area_cursor.execute(_AREAS, values).fetchall()


def summary(connection: psycopg.Connection[Any], kind: Kind, which: int | str, *, owner: str) -> Summary:
    """One watchlist or area.

    Parameters
    ----------
    connection : psycopg.Connection
        Any.
    kind : str
        ``watchlist`` or ``area``.
    which : int or str
        Its number, or the name that its owner gave it.
    owner : str
        Owner of the list, if `which` is a name.

    Raises
    ------
    UnknownList
        If there is none.
    """
    if isinstance(which, int):
        found = summaries(connection, kind, identifier=which)
        missing = f"there is no {kind} {which}"
    else:
        found = summaries(connection, kind, owner=owner, name=which)
        missing = f"{owner} has no {kind} named {which!r}"
    if not found:
        raise UnknownList(missing)
    return found[0]


def cone_entries(
    connection: psycopg.Connection[Any], watchlist: int, *, limit: int | None = None
) -> Sequence[ConeEntry]:
    """Cones of a watchlist by their number, all or the first ones; empty if there is no such list."""
    with connection.cursor(row_factory=class_row(ConeEntry)) as cursor:
        return cursor.execute(
            "SELECT cone_id, name, ra, decl AS dec, nullif(radius, 0) AS radius,"
            " (SELECT count(*) FROM watchlist_hits AS hit WHERE hit.cone_id = cone.cone_id) AS hits"
            " FROM watchlist_cones AS cone WHERE wl_id = %s ORDER BY cone_id LIMIT %s",
            (watchlist, limit),
        ).fetchall()


def stored_cones(connection: psycopg.Connection[Any], watchlist: int) -> Cones:
    """All cones of a watchlist in the form of a watchlist file, which `watchlist_lines` writes."""
    wanted = sql.SQL(
        "SELECT ra, decl, nullif(radius, 0) AS radius, name FROM watchlist_cones WHERE wl_id = {} ORDER BY cone_id"
    ).format(sql.Literal(watchlist))
    rows = fetch.fetch(connection, wanted, _STORED)
    radius = rows["radius"].to_numpy()
    return Cones(
        rows["ra"].to_numpy(), rows["decl"].to_numpy(), radius, strings(rows["name"]),
        np.arange(1, rows.num_rows + 1), (),
    )  # fmt: skip


def area_moc(connection: psycopg.Connection[Any], area: int) -> MOC:
    """The MOC of an area.

    Raises
    ------
    UnknownList
        If there is no such area.
    """
    row = connection.execute("SELECT moc FROM areas WHERE ar_id = %s", (area,)).fetchone()
    if row is None:
        raise UnknownList(f"there is no area {area}")
    return MOC.from_fits(io.BytesIO(row[0]))

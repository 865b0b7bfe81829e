"""The tables that filters may read: Lasair's, under their names, and ours.

A table is published under one name to both engines. In PostgreSQL it is the present state of all objects. In the
batch engine (DuckDB) a table of the same name and columns holds what the alerts of one batch need; it has one column
more, `"$diasourceid"`, the alert that each row belongs to, since a batch may contain several alerts of one object, and
`objects` has `"$mjdnow"`, the time that `mjdnow()` gives for the alert. Users never see these columns: the translation
adds them.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from broker_assets.database import tables
from broker_assets.database.tables import columns as declared

ALERT = "$diasourceid"
"""Column that every table of the batch engine has: `diasourceid` of the alert that the row belongs to, int64."""

OBJECT = "$diaobjectid"
"""First column of the result of every filter: the object, int64."""

OBJECT_COLUMN = "diaobjectid"
"""Column of tables: the object."""

NOW = "$mjdnow"
"""Column of `objects` in the batch engine: value of `mjdnow()` for the alert, MJD TAI, float64."""

BASE = "objects"
"""The table that every filter reads: one row for each alert of a batch, or for each object."""


class Kind(enum.Enum):
    """Types of the language."""

    INTEGER = "whole number"
    REAL = "number"
    TEXT = "text"
    BOOLEAN = "true or false"
    TIME = "time"
    JSON = "value of a JSON document"
    DOCUMENT = "JSON document"
    INTERVAL = "span of time"
    NULL = "NULL"


@dataclass(frozen=True, slots=True)
class PublishedColumn:
    """A column that filters may read."""

    name: str
    """Name in SQL, lower case."""
    documented: str
    """Name as documented, e.g. `diaObjectId`; users may write it in any case."""
    kind: Kind
    bits: int = 64
    """Size of integers."""
    unit: str = ""
    meaning: str = ""
    computed: bool = False
    """Whether a query computes it, so that it already has a type of the language."""
    identity: bool = False
    """Whether it is the object that a row of a query is about."""
    low: int = -(2**63)
    high: int = 2**63 - 1
    """Range of an integer that a query computes."""

    @property
    def is_object(self) -> bool:
        """Whether it is the object that the row is about."""
        return self.identity if self.computed else self.name == OBJECT_COLUMN


@dataclass(frozen=True, slots=True)
class PublishedTable:
    """A table that filters may read."""

    name: str
    columns: Mapping[str, PublishedColumn]
    """Columns by SQL name, in the order of `SELECT *`."""
    comment: str
    postgres: str
    """The source in PostgreSQL: the table, or a query in parentheses."""
    single: bool = False
    """Whether an object has at most one row."""
    restricted: str = ""
    """Column that every use must restrict to named values, since lists and annotators may be private."""
    origin: str = "Lasair"
    """Origin of the table: `Lasair` or `broker_assets`."""

    def names(self) -> list[str]:
        """Documented names of the columns."""
        return [column.documented for column in self.columns.values()]


@dataclass(frozen=True, slots=True)
class DerivedTable(PublishedTable):
    """A query in FROM or WITH, as a table for the enclosing query.

    It has hidden columns: `"$diaobjectid"`, in the batch engine also `"$diasourceid"`, and `"$mjdnow"` if it is based.
    """

    duckdb: str = ""
    """The query in parentheses, for the batch engine."""
    based: bool = False
    """Whether its rows are those of `objects`, so that it can take the place of `objects`."""
    weight: int = 1
    """Published tables that it reads."""
    plans: tuple[Any, ...] = ()
    """Plan of each SELECT (`plan.Plan`)."""


_KINDS: tuple[tuple[type[sa.types.TypeEngine[Any]], Kind, int], ...] = (
    (sa.SmallInteger, Kind.INTEGER, 16),
    (sa.BigInteger, Kind.INTEGER, 64),
    (sa.Integer, Kind.INTEGER, 32),
    (sa.Float, Kind.REAL, 64),
    (sa.DateTime, Kind.TIME, 64),
    (sa.Date, Kind.TIME, 32),
    (sa.Boolean, Kind.BOOLEAN, 1),
    (sa.JSON, Kind.DOCUMENT, 64),
    (sa.Text, Kind.TEXT, 64),
)


def _published(item: sa.Column[Any]) -> PublishedColumn | None:
    for kind_type, kind, bits in _KINDS:
        if isinstance(item.type, kind_type):
            unit = item.info.get("unit", "")
            meaning = (item.comment or "").removesuffix(f" [{unit}]")
            return PublishedColumn(item.name, item.info.get("documented", item.name), kind, bits, unit, meaning)
    return None


def _columns(items: Iterable[sa.Column[Any]], leave: Iterable[str] = ()) -> dict[str, PublishedColumn]:
    left = {*declared.PROVENANCE, "timestamp", "healpix", "associationid", "index_version", "found_at", *leave}
    found = (_published(item) for item in items if item.name not in left)
    return {item.name: item for item in found if item is not None}


_OBJECT = PublishedColumn("diaobjectid", "diaObjectId", Kind.INTEGER, 64, "", "object")


def _of(name: str, table: sa.Table, **options: Any) -> PublishedTable:
    """A table of the database, unchanged; `leave` names columns that are not published."""
    leave = options.pop("leave", ())
    more = options.pop("more", ())
    columns = {item.name: item for item in more} | _columns(table.c, leave)
    options.setdefault("postgres", table.name)
    options.setdefault("comment", table.comment or "")
    return PublishedTable(name, MappingProxyType(columns), **options)


def _sherlock() -> PublishedTable:
    query, comment = tables.VIEWS["sherlock_classifications"]
    of_associations = _columns(tables.associations.c)
    columns = {}
    for item in query.selected_columns:
        known = of_associations.get(item.name)
        if known is None:
            alike = of_associations.get("best_distance") if item.name == "distance" else None
            kind = alike.kind if alike is not None else Kind.TEXT
            known = PublishedColumn(item.name, item.name, kind)
        columns[item.name] = known
    columns["diaobjectid"] = _OBJECT
    return PublishedTable(
        "sherlock_classifications", MappingProxyType(columns), comment, "sherlock_classifications", single=True
    )


_TNS = (
    "(SELECT hit.diaobjectid, hit.arcsec, tns.* FROM watchlists AS list"
    " JOIN watchlist_hits AS hit ON hit.wl_id = list.wl_id"
    " JOIN crossmatch_tns AS tns ON tns.tns_name = hit.name"
    " WHERE list.owner = 'system' AND list.name = '__TNS__')"
)
"""Objects of TNS with the objects that are near them: hits of the system's watchlist of TNS."""

_EVENTS = (
    "(SELECT hit.diaobjectid, hit.arcsec, event.* FROM watchlist_hits AS hit"
    " JOIN notice_events AS event ON event.cone_id = hit.cone_id)"
)
"""Events of notices with an error circle, with the objects inside: hits of moving lists."""

_SOLAR_SYSTEM = (
    "(SELECT source.diaobjectid, known.* FROM sssources AS known"
    " JOIN diasources AS source ON source.diasourceid = known.diasourceid AND source.reduction = 0"
    " JOIN objects AS newest ON newest.diaobjectid = source.diaobjectid"
    " AND newest.lastdiasourcemjdtai = source.midpointmjdtai)"
)
"""Solar-system objects at the newest source of each object."""

_ARCSEC = PublishedColumn("arcsec", "arcsec", Kind.REAL, 64, "arcsec", "separation of the object from it")

_ANNOTATIONS = tables.metadata.tables["annotations"]

_TABLES = (
    _of("objects", tables.objects, single=True),
    _sherlock(),
    _of(
        "crossmatch_tns",
        tables.crossmatch_tns,
        postgres=_TNS,
        more=(_OBJECT, _ARCSEC),
        leave=("id", "tns_file", "tns_file_sha256"),
    ),
    _of("watchlist_hits", tables.watchlist_hits, restricted="wl_id"),
    _of(
        "notice_events",
        tables.notice_events,
        postgres=_EVENTS,
        more=(_OBJECT, _ARCSEC),
        leave=("noticeid", "revision_from", "revision_to", "ended"),
        origin="broker_assets",
    ),
    _of("area_hits", tables.area_hits, restricted="ar_id"),
    _of("mma_area_hits", tables.mma_area_hits),
    PublishedTable(
        "annotations",
        MappingProxyType(
            {
                name: column
                for name, column in ((item.name, _published(item)) for item in _ANNOTATIONS.c)
                if column is not None and name not in ("revision", "ingestid")
            }
        ),
        _ANNOTATIONS.comment or "",
        "annotations",
        restricted="topic",
    ),
    _of("object_classes", tables.object_classes, leave=("diasourceid",), origin="broker_assets"),
    _of("object_link", tables.object_link, origin="broker_assets"),
    _of("contradictions", tables.contradictions, origin="broker_assets"),
    _of("sssources", tables.sssources, postgres=_SOLAR_SYSTEM, more=(_OBJECT,), origin="broker_assets"),
    _of("ssobjects", tables.ssobjects, origin="broker_assets"),
    _of(
        "mpc_orbits",
        tables.mpc_orbits,
        leave=("id", "mpc_orb_jsonb", "created_at", "updated_at", "fitting_datetime"),
        origin="broker_assets",
    ),
)

TABLES: Mapping[str, PublishedTable] = MappingProxyType({table.name: table for table in _TABLES})
"""Published tables by name."""

ALIASES: Mapping[str, str] = MappingProxyType({"objects_ext": "objects"})
"""Other names that Lasair's users write for a table."""

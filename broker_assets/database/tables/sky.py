"""What alerts are matched with: TNS, watchlists, areas, sky maps; and the hits."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from broker_assets.database.tables.columns import (
    MJD,
    bigint,
    blob,
    column,
    date,
    double,
    fact_columns,
    flag,
    integer,
    metadata,
    period_columns,
    real,
    text,
    timestamp,
)

DEGREES = "deg, ICRS"


def _identity(name: str, meaning: str) -> sa.Column[int]:
    return sa.Column(
        name.lower(),
        sa.BigInteger(),
        sa.Identity(always=False),
        primary_key=True,
        comment=meaning,
        info={"documented": name, "unit": ""},
    )


def _list_columns() -> list[sa.Column[object]]:
    """Columns of every list of a user."""
    return [
        text("owner", "account that may edit it", nullable=False),
        text("name", "name, unique for the owner regardless of case", nullable=False),
        text("description", "what it is for", nullable=False, server_default=""),
        flag("active", "whether it is matched", nullable=False, server_default=sa.true()),
        flag("public", "whether others may see it", nullable=False, server_default=sa.false()),
        timestamp("date_created", "when it was created", server_default=sa.func.now(), nullable=False),
        timestamp("date_modified", "when it was last changed", server_default=sa.func.now(), nullable=False),
        timestamp("date_expire", "when it stops being matched; null: never"),
        bigint("revision", "number of its last change, see revision_counter", nullable=False, server_default="0"),
    ]


def _hit_columns() -> list[sa.Column[object]]:
    """Columns with the origin of a hit."""
    return [
        text("index_version", "version of the index that found it"),
        bigint("ingestId", "batch that found it; null if a re-match did"),
        date("night", "night of the alert that was matched; null if a re-match found it"),
        timestamp("found_at", "when it was found", server_default=sa.func.now(), nullable=False),
    ]


def _tns_columns() -> tuple[sa.Column[Any], ...]:
    """Columns with what TNS says about an object, and the file that provided it."""
    return (
        bigint("objid", "identifier of the object at TNS; unchanged when it is renamed"),
        double("ra", "right ascension", DEGREES, nullable=False),
        double("decl", "declination", DEGREES, nullable=False),
        text("tns_name", "name without prefix, e.g. 2025abc", nullable=False),
        text("tns_prefix", "AT, SN, TDE, FRB, …", nullable=False, server_default=""),
        real("disc_mag", "discovery magnitude", "mag"),
        text("disc_mag_filter", "filter of the discovery magnitude"),
        text("type", "spectroscopic type"),
        double("z", "redshift"),
        double("hostz", "redshift of the host"),
        text("host_name", "name of the host"),
        text("ext_catalogs", "catalogues that contain it"),
        text("disc_int_name", "internal names"),
        timestamp("disc_date", "time of discovery"),
        timestamp("lastmodified_date", "when TNS last changed it"),
        text("sender", "reporting group"),
        text("reporters", "reporters"),
        text("source_group", "discovery data source group"),
        bigint("htm16", "HTM trixel of level 16 of the position", nullable=False),
        timestamp(
            "lasairmodified_date", "when the row last changed here", server_default=sa.func.now(), nullable=False
        ),
        text("tns_file", "TNS bulk file that provided the row in its present form"),
        text("tns_file_sha256", "SHA-256 of that file, unpacked, hexadecimal"),
    )


crossmatch_tns = sa.Table(
    "crossmatch_tns",
    metadata,
    _identity("id", "identifier of the row"),
    *_tns_columns(),
    sa.UniqueConstraint("tns_name", name="crossmatch_tns_name"),
    sa.Index("crossmatch_tns_htm16", "htm16"),
    sa.Index("crossmatch_tns_objid", "objid", unique=True),
    sa.Index("crossmatch_tns_decl", "decl"),
    comment="Objects of the Transient Name Server",
)
"""Objects of the Transient Name Server."""

crossmatch_tns_history = sa.Table(
    "crossmatch_tns_history",
    metadata,
    bigint("id", "row of crossmatch_tns", primary_key=True, autoincrement=False),
    *period_columns(),
    *_tns_columns(),
    sa.Index("crossmatch_tns_history_name", "tns_name"),
    sa.Index("crossmatch_tns_history_held", "id", unique=True, postgresql_where=sa.text("revision_to IS NULL")),
    comment="Objects of the Transient Name Server as they were: from one change to the next",
)  # fmt: skip
"""Objects of the Transient Name Server as they were."""

tns_file = sa.Table(
    "tns_file",
    metadata,
    text("name", "file name at TNS", primary_key=True),
    text("kind", "full, day or hour", nullable=False),
    text("sha256", "SHA-256 of the unpacked file, hexadecimal", nullable=False),
    bigint("rows", "objects in it", nullable=False),
    text("checksum", "checksum of its objects, for full files"),
    bigint("table_rows", "objects in crossmatch_tns after it was applied"),
    text("table_checksum", "checksum of crossmatch_tns after it was applied"),
    timestamp("covers_until", "end of the period that it covers", nullable=False),
    timestamp("applied_at", "when it was applied", server_default=sa.func.now(), nullable=False),
    comment="Bulk files of TNS that have been applied",
)
"""Bulk files of TNS that have been applied."""

watchlists = sa.Table(
    "watchlists",
    metadata,
    _identity("wl_id", "identifier of the watchlist"),
    *_list_columns(),
    double("radius", "default radius of its cones", "arcsec", nullable=False),
    sa.CheckConstraint("radius > 0 AND radius <= 360", name="watchlists_radius"),
    comment="Watchlists: sets of cones",
)
"""Watchlists."""
sa.Index("watchlists_owner_name", watchlists.c.owner, sa.func.lower(watchlists.c.name), unique=True)

watchlist_cones = sa.Table(
    "watchlist_cones",
    metadata,
    _identity("cone_id", "identifier of the cone"),
    bigint("wl_id", "watchlist", nullable=False),
    text("name", "name of the cone"),
    double("ra", "right ascension", DEGREES, nullable=False),
    double("decl", "declination", DEGREES, nullable=False),
    double("radius", "radius; null: that of the watchlist", "arcsec"),
    bigint(
        "revision_from",
        "number of the change that added it, see revision_counter",
        nullable=False,
        server_default="0",
    ),
    double("mjd_since", "alerts from this time on can be hits; null: no bound", MJD),
    double("mjd_until", "alerts up to this time can be hits; null: no bound", MJD),
    sa.ForeignKeyConstraint(["wl_id"], ["watchlists.wl_id"], ondelete="CASCADE", name="watchlist_cones_list"),
    sa.Index("watchlist_cones_wl_id", "wl_id"),
    sa.Index("watchlist_cones_revision_from", "revision_from"),
    comment="Cones of watchlists, as they are now",
)
"""Cones of watchlists."""

watchlist_cone_gone = sa.Table(
    "watchlist_cone_gone",
    metadata,
    bigint("cone_id", "cone that was deleted", primary_key=True, autoincrement=False),
    bigint("wl_id", "its watchlist", nullable=False),
    text("name", "name of the cone"),
    double("ra", "right ascension", DEGREES, nullable=False),
    double("decl", "declination", DEGREES, nullable=False),
    double("radius", "radius; null: that of the watchlist", "arcsec"),
    bigint("revision_from", "number of the change that added it, see revision_counter", nullable=False),
    bigint("revision_to", "number of the change that deleted it", nullable=False),
    double("mjd_since", "alerts from this time on can be hits; null: no bound", MJD),
    double("mjd_until", "alerts up to this time can be hits; null: no bound", MJD),
    sa.Index("watchlist_cone_gone_revision_to", "revision_to"),
    sa.Index("watchlist_cone_gone_wl_id", "wl_id", "revision_to"),
    comment="Deleted cones, kept so that past nights can be matched with the lists of their time",
)
"""Cones that were deleted."""

watchlist_periods = sa.Table(
    "watchlist_periods",
    metadata,
    bigint("wl_id", "watchlist", primary_key=True, autoincrement=False),
    bigint(
        "revision_from",
        "number of the change that began it, see revision_counter",
        primary_key=True,
        autoincrement=False,
    ),
    bigint("revision_to", "number of the change that ended it; null while it is current"),
    double("radius", "default radius of its cones in this period", "arcsec", nullable=False),
    sa.Index("watchlist_periods_revision_from", "revision_from"),
    sa.Index("watchlist_periods_revision_to", "revision_to"),
    sa.Index("watchlist_periods_open", "wl_id", unique=True, postgresql_where=sa.text("revision_to IS NULL")),
    comment="When each watchlist was matched, and with which default radius",
)
"""When each watchlist was matched."""

watchlist_hits = sa.Table(
    "watchlist_hits",
    metadata,
    bigint("diaObjectId", "object", primary_key=True, autoincrement=False),
    bigint("cone_id", "cone", primary_key=True, autoincrement=False),
    bigint("wl_id", "watchlist", nullable=False),
    double("arcsec", "great-circle separation from the centre of the cone", "arcsec", nullable=False),
    text("name", "name of the cone"),
    *_hit_columns(),
    sa.Index("watchlist_hits_wl_id", "wl_id", "diaobjectid"),
    sa.Index("watchlist_hits_cone_id", "cone_id"),
    sa.Index("watchlist_hits_night", "night"),
    comment="Objects whose newest position lies inside a cone of a watchlist that is matched now",
)
"""Objects inside a cone of a watchlist."""

watchlist_facts = sa.Table(
    "watchlist_facts",
    metadata,
    *fact_columns(),
    bigint("cone_id", "cone, see watchlist_cones and watchlist_cone_gone", primary_key=True, autoincrement=False),
    double(
        "arcsec", "great-circle separation of the alert's object from the centre of the cone", "arcsec", nullable=False
    ),
    sa.Index("watchlist_facts_night", "night"),
    sa.Index("watchlist_facts_cone_id", "cone_id", "night"),
    comment="Alerts inside a cone of a watchlist when they arrived",
)
"""Alerts inside a cone of a watchlist."""

areas = sa.Table(
    "areas",
    metadata,
    _identity("ar_id", "identifier of the area"),
    *_list_columns(),
    blob("moc", "MOC as FITS", nullable=False),
    text("moc_version", "hash of its cells", nullable=False),
    double("square_degrees", "its area", "deg2", nullable=False),
    comment="Areas of the sky",
)
"""Areas of the sky."""
sa.Index("areas_owner_name", areas.c.owner, sa.func.lower(areas.c.name), unique=True)

area_periods = sa.Table(
    "area_periods",
    metadata,
    bigint("ar_id", "area", primary_key=True, autoincrement=False),
    bigint(
        "revision_from",
        "number of the change that began it, see revision_counter",
        primary_key=True,
        autoincrement=False,
    ),
    bigint("revision_to", "number of the change that ended it; null while it is current"),
    blob("moc", "MOC as FITS, in this period", nullable=False),
    text("moc_version", "hash of its cells", nullable=False),
    sa.Index("area_periods_revision_from", "revision_from"),
    sa.Index("area_periods_revision_to", "revision_to"),
    sa.Index("area_periods_open", "ar_id", unique=True, postgresql_where=sa.text("revision_to IS NULL")),
    comment="When each area was matched, and with which MOC",
)
"""When each area was matched."""

area_hits = sa.Table(
    "area_hits",
    metadata,
    bigint("diaObjectId", "object", primary_key=True, autoincrement=False),
    bigint("ar_id", "area", primary_key=True, autoincrement=False),
    *_hit_columns(),
    sa.Index("area_hits_ar_id", "ar_id", "diaobjectid"),
    sa.Index("area_hits_night", "night"),
    comment="Objects whose newest position lies inside an area that is matched now",
)
"""Objects inside an area."""

area_facts = sa.Table(
    "area_facts",
    metadata,
    *fact_columns(),
    column("ar_ids", sa.ARRAY(sa.BigInteger()), "areas that contained the alert, ascending", nullable=False),
    sa.Index("area_facts_night", "night"),
    comment="Alerts inside areas when they arrived, one row per alert",
)
"""Alerts inside areas."""

mma_areas = sa.Table(
    "mma_areas",
    metadata,
    _identity("mw_id", "identifier of this version of the event's map"),
    double("event_tai", "time of the event", MJD, nullable=False),
    timestamp("event_date", "time of the event", nullable=False),
    text("namespace", "issuer of the event: LVK, …", nullable=False),
    text("otherId", "name of the event given by the issuer", nullable=False),
    text("version", "version of the map, increasing", nullable=False),
    text("more_info", "remark or URL"),
    real("area10", "size of the 10 per cent credible region", "deg2"),
    real("area50", "size of the 50 per cent credible region", "deg2"),
    real("area90", "size of the 90 per cent credible region", "deg2"),
    column("params", sa.JSON(), "classification, false-alarm rate, position, distance"),
    blob("sky_map", "multi-order sky map as FITS"),
    text("sky_map_version", "hash of its content"),
    flag("active", "whether it is the newest version, neither retracted nor expired", nullable=False),
    timestamp("active_until", "when it stops being matched", nullable=False),
    bigint("revision_from", "number of the change that activated it; null if none did, see revision_counter"),
    bigint("revision_to", "number of the change that ended it; null while it is current"),
    timestamp("retracted_at", "when it was retracted"),
    timestamp("received_at", "when it was received", server_default=sa.func.now(), nullable=False),
    bigint("ingestId", "batch that received the notice"),
    sa.UniqueConstraint("namespace", "otherid", "version", name="mma_areas_version"),
    comment="Sky maps of multi-messenger events, one row for each version",
)
"""Sky maps of multi-messenger events."""

mma_retractions = sa.Table(
    "mma_retractions",
    metadata,
    text("namespace", "issuer of the event", primary_key=True),
    text("otherId", "name of the event given by the issuer", primary_key=True),
    text("version", "version of the newest retraction; maps up to it are void", nullable=False),
    timestamp("received_at", "when it was received", server_default=sa.func.now(), nullable=False),
    bigint("ingestId", "batch that received the notice"),
    comment="Retracted events; kept separately, since a retraction may arrive before the map that it retracts",
)
"""Events that were retracted."""

mma_area_hits = sa.Table(
    "mma_area_hits",
    metadata,
    bigint("diaObjectId", "object", primary_key=True, autoincrement=False),
    bigint("mw_id", "sky map", primary_key=True, autoincrement=False),
    double("contour", "smallest credible level that contains the object", "per cent", nullable=False),
    double("distance", "distance of the object", "Mpc"),
    double("probdens2", "probability density on the sky", "sr-1", nullable=False),
    double("probdens3", "probdens2 times exp(-deviation²/2) of the distance", "sr-1"),
    double("distmu", "location parameter of the event's distance along the line of sight", "Mpc"),
    double("distsigma", "scale parameter of the event's distance along the line of sight", "Mpc"),
    *_hit_columns(),
    sa.Index("mma_area_hits_mw_id", "mw_id", "diaobjectid"),
    sa.Index("mma_area_hits_night", "night"),
    comment="Objects whose newest position lies inside the 90 per cent region of a sky map that is matched now",
)
"""Objects inside a sky map."""

sky_map_facts = sa.Table(
    "sky_map_facts",
    metadata,
    *fact_columns(),
    bigint("mw_id", "sky map", primary_key=True, autoincrement=False),
    double("contour", "smallest credible level that contained the alert", "per cent", nullable=False),
    double("distance", "distance of the object", "Mpc"),
    double("probdens2", "probability density on the sky", "sr-1", nullable=False),
    double("probdens3", "probdens2 times exp(-deviation²/2) of the distance", "sr-1"),
    double("distmu", "location parameter of the event's distance along the line of sight", "Mpc"),
    double("distsigma", "scale parameter of the event's distance along the line of sight", "Mpc"),
    sa.Index("sky_map_facts_night", "night"),
    sa.Index("sky_map_facts_mw_id", "mw_id", "night"),
    comment="Alerts inside the 90 per cent region of a sky map when they arrived",
)
"""Alerts inside a sky map."""

rematch = sa.Table(
    "rematch",
    metadata,
    text("kind", "watchlist, area or sky_map", primary_key=True),
    bigint("list_id", "wl_id, ar_id or mw_id", primary_key=True, autoincrement=False),
    bigint("revision", "number of the change up to which its hits are current, see revision_counter", nullable=False),
    bigint("hits", "hits of the list afterwards", nullable=False),
    timestamp("matched_at", "when that was", server_default=sa.func.now(), nullable=False),
    comment="Up to which change the hits of each list are current",
)
"""How far each list has been matched against past objects."""

quarantined_line = sa.Table(
    "quarantined_line",
    metadata,
    _identity("lineId", "identifier of the line"),
    text("source", "file or service that it came from", nullable=False),
    integer("line", "number of the line, from 1"),
    text("content", "the line as received", nullable=False),
    text("reason", "why it was rejected", nullable=False),
    timestamp("created_at", "when it was received", server_default=sa.func.now(), nullable=False),
    comment="Lines of catalogue files that could not be read",
)
"""Lines of catalogue files that could not be read."""

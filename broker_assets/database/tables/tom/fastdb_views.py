"""Views under FASTDB's names: accounts, their queued SQL, and the simulated prompt products database.

Each row is one of another table: accounts and queries are those of the platform, `ppdb_*` those of `elasticc2_ppdb*`.
They contain no credentials. Only administrators of the campaigns read them (`database.sql_roles`).
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from broker_assets.database.tables.access import key_pairs, mailed_links, users
from broker_assets.database.tables.tom.queries import queryqueue
from broker_assets.database.tables.tom.simulation import (
    ppdbalert,
    ppdbdiaforcedsource,
    ppdbdiaobject,
    ppdbdiasource,
)

_ZERO_POINT: Final = "31.4"
_MISSING: Final = 900
"""Magnitudes of this and above, and negative ones, mean that there is no magnitude."""


def _text(sql: str, name: str) -> sa.ColumnElement[Any]:
    return sa.literal_column(sql).label(name)


def _none(kind: str, *names: str) -> tuple[sa.ColumnElement[Any], ...]:
    return tuple(_text(f"CAST(NULL AS {kind})", name) for name in names)


def _user(column: sa.Column[Any]) -> str:
    """The identifier that FASTDB's tables have for an account: `useruuid` of `auth/isauth`."""
    return f"md5('account ' || {column.table.name}.{column.name})::uuid"


def _band(column: str = "filtername") -> sa.ColumnElement[Any]:
    return _text(f"CASE {column} WHEN 'Y' THEN 'y' ELSE {column} END", "band")


def _known(column: str) -> str:
    """A magnitude; null where the simulation has none."""
    return f"CASE WHEN {column} BETWEEN 0 AND {_MISSING} THEN {column} END"


def _host(number: int) -> sa.Select[Any]:
    """The first or the second possible host of each object."""
    prefix = "hostgal" if number == 1 else "hostgal2"
    magnitudes = {band: _known(f"{prefix}_mag_{band}") for band in "ugrizy"}
    flux = f"power(10, ({_ZERO_POINT} - {magnitudes['r']}) / 2.5)"
    colours = tuple(zip("ugriz", "grizy", strict=True))
    quantiles = tuple(f"q{percent:03d}" for percent in range(0, 101, 10))
    return sa.select(
        _text(f"md5('host {number} ' || diaobject_id)::uuid", "id"),
        _text("diaobject_id * 2" + (" + 1" if number == 2 else ""), "objectid"),
        _text(f"CAST({prefix}_ra AS double precision)", "ra"),
        _text(f"CAST({prefix}_dec AS double precision)", "dec"),
        _text(f"CAST({flux} AS real)", "petroflux_r"),
        _text(f"CAST({flux} * {prefix}_magerr_r * ln(10) / 2.5 AS real)", "petroflux_r_err"),
        *(
            _text(f"CAST({magnitudes[blue]} - {magnitudes[red]} AS real)", f"stdcolor_{blue}_{red}")
            for blue, red in colours
        ),
        *(
            _text(
                f"CAST(sqrt(power({prefix}_magerr_{blue}, 2) + power({prefix}_magerr_{red}, 2)) AS real)",
                f"stdcolor_{blue}_{red}_err",
            )
            for blue, red in colours
        ),
        *_none("real", "pzmode"),
        _text(f"{prefix}_zphot", "pzmean"),
        _text(f"{prefix}_zphot_err", "pzstd"),
        *_none("real", "pzskew", "pzkurt"),
        *(_text(f"{prefix}_zphot_{quantile}", f"pzquant{quantile[1:]}") for quantile in quantiles),
        *_none("bigint", "flags"),
    ).select_from(ppdbdiaobject).where(sa.literal_column(f"{prefix}_ra") >= sa.literal_column("0"))  # fmt: skip


def _nearby(number: int) -> tuple[sa.ColumnElement[Any], ...]:
    """Which galaxy is the first, second or third near an object."""
    name = f"nearbyextobj{number}"
    if number == 3:
        return (*_none("bigint", name), *_none("uuid", f"{name}id"), *_none("real", f"{name}sep"))
    prefix = "hostgal" if number == 1 else "hostgal2"
    there = f"CASE WHEN {prefix}_ra >= 0 THEN"
    return (
        _text(f"{there} diaobject_id * 2{' + 1' if number == 2 else ''} END", name),
        _text(f"{there} md5('host {number} ' || diaobject_id)::uuid END", f"{name}id"),
        _text(f"{there} {prefix}_snsep END", f"{name}sep"),
    )


_SHAPE: Final = ("extendedness", "reliability", "ixx", "iyy", "ixy", "ixxpsf", "iyypsf", "ixypsf")

VIEWS: dict[str, tuple[Any, str]] = {
    "authuser": (
        sa.select(
            _text(_user(users.c.userid), "id"),
            users.c.username,
            users.c.username.label("displayname"),
            users.c.email,
            key_pairs.c.publickey.label("pubkey"),
            *_none("jsonb", "privkey"),
        )
        .join_from(users, key_pairs, key_pairs.c.userid == users.c.userid, isouter=True)
        .where(users.c.date_removed.is_(None)),
        "Accounts under FASTDB's names: those of users; private keys are given to nobody",
    ),
    "passwordlink": (
        sa.select(
            _text("md5('link ' || mailed_links.sha256)::uuid", "id"),
            _text(_user(mailed_links.c.userid), "userid"),
            mailed_links.c.date_expires.label("expires"),
        ).where(
            mailed_links.c.purpose == sa.literal_column("'password'"),
            mailed_links.c.userid.is_not(None),
            mailed_links.c.date_used.is_(None),
        ),
        "Links to set a password that were mailed and not used: those of mailed_links; their identifiers open nothing",
    ),
    "query_queue": (
        sa.select(
            queryqueue.c.queryid,
            _text(_user(queryqueue.c.userid), "userid"),
            *(queryqueue.c[name] for name in ("submitted", "started", "finished", "error", "errortext")),
            *(queryqueue.c[name] for name in ("queries", "subdicts", "format")),
        ),
        "SQL that users left to be run later, under FASTDB's names: that of db_queryqueue",
    ),
    "ppdb_diaobject": (
        sa.select(
            ppdbdiaobject.c.diaobject_id.label("diaobjectid"),
            ppdbdiaobject.c.ra,
            *_none("real", "raerr"),
            ppdbdiaobject.c.decl.label("dec"),
            *_none("real", "decerr", "ra_dec_cov"),
            *_nearby(1),
            *_nearby(2),
            *_nearby(3),
            *_none("text", "nearbylowzgal"),
            *_none("real", "nearbylowzgalsep"),
            *_none("double precision", "validitystartmjdtai"),
        ),
        "Objects of the simulated survey, under FASTDB's names: those of elasticc2_ppdbdiaobject",
    ),
    "ppdb_diasource": (
        sa.select(
            ppdbdiasource.c.diaobject_id.label("diaobjectid"),
            *_none("bigint", "ssobjectid", "visit"),
            *_none("smallint", "detector"),
            *_none("real", "x", "y", "xerr", "yerr", "x_y_cov"),
            _band(),
            ppdbdiasource.c.midpointtai.label("midpointmjdtai"),
            ppdbdiasource.c.ra,
            *_none("real", "raerr"),
            ppdbdiasource.c.decl.label("dec"),
            *_none("real", "decerr", "ra_dec_cov"),
            ppdbdiasource.c.psflux.label("psfflux"),
            ppdbdiasource.c.psfluxerr.label("psffluxerr"),
            *_none("real", "psflnl", "psfchi2"),
            *_none("integer", "psfndata"),
            ppdbdiasource.c.snr,
            *_none("real", "scienceflux", "sciencefluxerr", "templateflux", "templatefluxerr", *_SHAPE),
            *_none("integer", "flags", "pixelflags"),
            ppdbdiasource.c.diasource_id.label("diasourceid"),
            *_none("bigint", "parentdiasourceid"),
            *_none("real", "apflux", "apfluxerr"),
            *_none("integer", "bboxsize"),
            *_none("double precision", "timeprocessedmjdtai", "timewithdrawnmjdtai"),
        ),
        "Detections of the simulated survey, under FASTDB's names: those of elasticc2_ppdbdiasource",
    ),
    "ppdb_diaforcedsource": (
        sa.select(
            ppdbdiaforcedsource.c.diaobject_id.label("diaobjectid"),
            *_none("bigint", "visit"),
            *_none("smallint", "detector"),
            ppdbdiaforcedsource.c.midpointtai.label("midpointmjdtai"),
            _band(),
            ppdbdiaobject.c.ra,
            ppdbdiaobject.c.decl.label("dec"),
            ppdbdiaforcedsource.c.psflux.label("psfflux"),
            ppdbdiaforcedsource.c.psfluxerr.label("psffluxerr"),
            *_none("real", "scienceflux", "sciencefluxerr"),
            *_none("double precision", "timeprocessedmjdtai", "timewithdrawnmjdtai"),
            ppdbdiaforcedsource.c.diaforcedsource_id.label("diaforcedsourceid"),
        ).join_from(
            ppdbdiaforcedsource, ppdbdiaobject, ppdbdiaobject.c.diaobject_id == ppdbdiaforcedsource.c.diaobject_id
        ),
        "Forced photometry of the simulated survey, under FASTDB's names: that of elasticc2_ppdbdiaforcedsource",
    ),
    "ppdb_host_galaxy": (
        sa.union_all(_host(1), _host(2)),
        "Possible hosts of the objects of the simulated survey: the two that elasticc2_ppdbdiaobject has of each",
    ),
    "ppdb_alerts_sent": (
        sa.select(
            _text("md5('alert ' || elasticc2_ppdbalert.alert_id)::uuid", "id"),
            ppdbalert.c.alertsenttimestamp.label("senttime"),
            ppdbalert.c.diaobject_id.label("diaobjectid"),
            *_none("bigint", "visit"),
        ).where(ppdbalert.c.alertsenttimestamp.is_not(None)),
        "Alerts of the simulated survey that were sent, under FASTDB's names: those of elasticc2_ppdbalert",
    ),
}
"""View name: its query and comment."""

"""Objects that brokers reported: what is known about them beyond the tables of the broker, and their roll-ups.

Their positions and photometry are rows of `objects`, `diasources` and `diaforcedsources`; the names of the original are
views of these (`VIEWS`), which can be inserted into, updated and deleted from.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from broker_assets.database.tables.columns import MJD, bigint, double, integer, real, smallint, text
from broker_assets.database.tables.objects import objects
from broker_assets.database.tables.sources import diaforcedsources, diasources
from broker_assets.database.tables.tom.columns import key, numbered, refers, tom_metadata
from broker_assets.database.tables.tom.simulation import described

diaobjectdetails = sa.Table(
    "elasticc2_diaobjectdetails",
    tom_metadata,
    key("diaobject_id", "identifier of the object, see objects"),
    text("simversion", "version of the simulation"),
    *described(),
    double("latestsourcemjd", "time of the newest detection that was imported", MJD),
    sa.Index("elasticc2_diaobjectdetails_latestsourcemjd", "latestsourcemjd"),
    comment="What elasticc2_diaobject has beyond objects: hosts and redshifts of the objects that brokers reported",
)
"""Columns of `elasticc2_diaobject` beyond those of `objects`."""


def _point(rank: str, what: str) -> list[sa.Column[Any]]:
    return [
        bigint(f"{rank}_id", f"identifier of the {what}"),
        double(f"{rank}flux", f"flux of the {what}", "nJy"),
        double(f"{rank}fluxerr", f"uncertainty of {rank}flux", "nJy"),
        double(f"{rank}mjd", f"time of the {what}", MJD),
    ]


diaobjectinfo = sa.Table(
    "elasticc2_diaobjectinfo",
    tom_metadata,
    numbered("_id", "number of the row"),
    text("filtername", "filter band: u, g, r, i, z or Y", nullable=False),
    *_point("firstsource", "first detection in the band"),
    *_point("maxforcedsource", "brightest forced measurement in the band"),
    *_point("latestsource", "newest detection in the band"),
    *_point("latestforcedsource", "newest forced measurement in the band"),
    bigint("diaobject_id", "object", nullable=False),
    sa.UniqueConstraint("diaobject_id", "filtername", name="diaobjectinfo_unique"),
    refers(["diaobject_id"], ["elasticc2_diaobjectdetails.diaobject_id"]),
    *(
        sa.Index(f"elasticc2_diaobjectinfo_{name}", name)
        for name in ("firstsourcemjd", "latestsourcemjd", "latestforcedsourcemjd")
    ),
    comment="Roll-up of the light curve of each object and band",
)
"""Roll-up of the light curve of each object and band."""

_RANKS = ("most probable", "second", "third", "fourth")

diaobjectclassification = sa.Table(
    "elasticc2_diaobjectclassification",
    tom_metadata,
    numbered("_id", "number of the row"),
    *(
        smallint(f"latestclass{rank}id", f"{order} class of the newest message", nullable=rank > 1)
        for rank, order in enumerate(_RANKS, start=1)
    ),
    *(
        real(f"latestclass{rank}prob", f"probability of latestclass{rank}id", nullable=rank > 1)
        for rank, order in enumerate(_RANKS, start=1)
    ),
    bigint("classifier_id", "classifier", nullable=False),
    bigint("diaobject_id", "object", nullable=False),
    bigint("brokermessage_id", "message that the classes are from"),
    double("midpointtai", "time of the detection that the message is about", MJD),
    sa.UniqueConstraint("diaobject_id", "classifier_id", name="diaobjectclassification_unique"),
    refers(["diaobject_id"], ["elasticc2_diaobjectdetails.diaobject_id"]),
    refers(["classifier_id"], ["elasticc2_brokerclassifier.classifier_id"]),
    sa.Index("elasticc2_diaobjectclassification_classifier_id", "classifier_id", "latestclass1id"),
    comment="Newest classification of each object by each classifier, its four most probable classes",
)
"""Newest classification of each object by each classifier."""

diaobjectoftarget = sa.Table(
    "elasticc2_diaobjectoftarget",
    tom_metadata,
    numbered("id", "number of the row"),
    integer("tomtarget_id", "target", nullable=False),
    bigint("diaobject_id", "object", nullable=False),
    sa.UniqueConstraint("tomtarget_id", "diaobject_id"),
    refers(["diaobject_id"], ["elasticc2_diaobjectdetails.diaobject_id"]),
    sa.Index("elasticc2_diaobjectoftarget_diaobject_id", "diaobject_id"),
    comment="Which target is which object",
)
"""Which target is which object."""

_ELASTICC = 3
"""`SURVEYS["elasticc"]`."""


_NAMES = {"psflux": "psfflux", "psfluxerr": "psffluxerr"}
"""Columns that have another name in the original."""


def _band(table: sa.Table) -> sa.ColumnElement[str]:
    return sa.case((table.c.band == sa.literal_column("'y'"), sa.literal_column("'Y'")), else_=table.c.band)


def _points(table: sa.Table, identifier: str, *columns: str) -> sa.Select[Any]:
    return sa.select(
        table.c[identifier.replace("_", "")].label(identifier),
        table.c.midpointmjdtai.label("midpointtai"),
        _band(table).label("filtername"),
        *(table.c[_NAMES.get(name, name)].label(name) for name in columns),
        table.c.diaobjectid.label("diaobject_id"),
    ).where(
        table.c.survey == sa.literal_column(str(_ELASTICC)),
        table.c.reduction == sa.literal_column("0"),
    )


_NOT_LISTED = {"diaobject_id", "simversion", "latestsourcemjd"}
"""Columns of the details that the view takes from elsewhere, or does not have."""

VIEWS: dict[str, tuple[sa.Select[Any], str]] = {
    "elasticc2_diaobject": (
        sa.select(
            diaobjectdetails.c.diaobject_id,
            diaobjectdetails.c.simversion,
            objects.c.ra,
            objects.c.decl,
            *(item for item in diaobjectdetails.c if item.name not in _NOT_LISTED),
        ).join_from(diaobjectdetails, objects, objects.c.diaobjectid == diaobjectdetails.c.diaobject_id),
        "Objects of ELAsTiCC that brokers reported: positions of objects with what the simulation says about them",
    ),
    "elasticc2_diasource": (
        _points(diasources, "diasource_id", "ra", "decl", "psflux", "psfluxerr", "snr"),
        "Detections of ELAsTiCC: those of diasources",
    ),
    "elasticc2_diaforcedsource": (
        _points(diaforcedsources, "diaforcedsource_id", "psflux", "psfluxerr"),
        "Forced photometry of ELAsTiCC: that of diaforcedsources",
    ),
}
"""View name: its query and comment."""

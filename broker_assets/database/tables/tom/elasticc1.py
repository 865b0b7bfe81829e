"""The first campaign: its tables and the view of all classifications, with their original names in camelCase.

The names must be quoted in SQL. They are only filled from dumps of the original, which can be restored into them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from broker_assets.database.tables.columns import MJD
from broker_assets.database.tables.tom.columns import refers, tom_metadata
from broker_assets.database.tables.tom.taxonomy import in_force

_UGRIZY = tuple("ugrizY")


def _column(name: str, kind: Any, meaning: str, unit: str = "", **options: Any) -> sa.Column[Any]:
    comment = f"{meaning} [{unit}]" if unit else meaning
    return sa.Column(name, kind, comment=comment, info={"documented": name, "unit": unit}, **options)


def _key(name: str, meaning: str, *, numbered: bool = False) -> sa.Column[Any]:
    arguments = [sa.Identity(always=False)] if numbered else []
    return sa.Column(
        name,
        sa.BigInteger(),
        *arguments,
        primary_key=True,
        autoincrement=False if not numbered else "auto",
        comment=meaning,
        info={"documented": name, "unit": ""},
    )


def _double(name: str, meaning: str, unit: str = "", *, nullable: bool = True) -> sa.Column[Any]:
    return _column(name, sa.DOUBLE_PRECISION(), meaning, unit, nullable=nullable)


def _bigint(name: str, meaning: str, *, nullable: bool = True) -> sa.Column[Any]:
    return _column(name, sa.BigInteger(), meaning, nullable=nullable)


def _integer(name: str, meaning: str, *, nullable: bool = False) -> sa.Column[Any]:
    return _column(name, sa.Integer(), meaning, nullable=nullable)


def _instant(name: str, meaning: str, *, nullable: bool = True) -> sa.Column[Any]:
    return _column(name, sa.DateTime(timezone=True), meaning, "UTC", nullable=nullable)


def _host(prefix: str) -> list[sa.Column[Any]]:
    of = f"of the {'first' if prefix == 'hostgal' else 'second'} possible host galaxy"
    names = ("ellipticity", "sqradius", "zspec", "zspec_err", "zphot", "zphot_err", "zphot_p50", "ra", "dec", "snsep")
    quantiles = (f"zphot_q{percent:03d}" for percent in range(0, 101, 10))
    magnitudes = (f"{kind}_{band}" for kind in ("mag", "magerr") for band in _UGRIZY)
    return [_double(f"{prefix}_{name}", f"{name} {of}") for name in (*names, *quantiles, *magnitudes)]


diaobject = sa.Table(
    "elasticc_diaobject",
    tom_metadata,
    _key("diaObjectId", "identifier of the object"),
    _column("simVersion", sa.Text(), "version of the simulation"),
    _double("ra", "right ascension", "deg, ICRS", nullable=False),
    _double("decl", "declination", "deg, ICRS", nullable=False),
    _double("mwebv", "reddening E(B-V) by the Milky Way", "mag"),
    _double("mwebv_err", "uncertainty of mwebv", "mag"),
    _double("z_final", "best redshift"),
    _double("z_final_err", "uncertainty of z_final"),
    *_host("hostgal"),
    *_host("hostgal2"),
    sa.Index("elasticc_diaobject_decl", "decl"),
    comment="Objects of the first campaign",
)
"""Objects of the first campaign."""

diasource = sa.Table(
    "elasticc_diasource",
    tom_metadata,
    _key("diaSourceId", "identifier of the detection"),
    _bigint("ccdVisitId", "a constant: the simulation has no visits", nullable=False),
    _bigint("parentDiaSourceId", "detection from which this one was deblended"),
    _double("midPointTai", "time of mid-exposure", MJD, nullable=False),
    _column("filterName", sa.Text(), "filter band: u, g, r, i, z or Y", nullable=False),
    _double("ra", "right ascension", "deg, ICRS", nullable=False),
    _double("decl", "declination", "deg, ICRS", nullable=False),
    _double("psFlux", "point-source flux", "nJy", nullable=False),
    _double("psFluxErr", "uncertainty of psFlux", "nJy", nullable=False),
    _double("snr", "signal-to-noise ratio", nullable=False),
    _double("nobs", "number of points of the simulated light curve"),
    _bigint("diaObjectId", "object"),
    refers(["diaObjectId"], ["elasticc_diaobject.diaObjectId"]),
    sa.Index("elasticc_diasource_diaobjectid", "diaObjectId"),
    sa.Index("elasticc_diasource_midpointtai", "midPointTai"),
    sa.Index("elasticc_diasource_decl", "decl"),
    comment="Detections of the first campaign",
)
"""Detections of the first campaign."""

diaforcedsource = sa.Table(
    "elasticc_diaforcedsource",
    tom_metadata,
    _key("diaForcedSourceId", "identifier of the measurement"),
    _bigint("ccdVisitId", "a constant: the simulation has no visits", nullable=False),
    _double("midPointTai", "time of mid-exposure", MJD, nullable=False),
    _column("filterName", sa.Text(), "filter band: u, g, r, i, z or Y", nullable=False),
    _double("psFlux", "point-source flux", "nJy", nullable=False),
    _double("psFluxErr", "uncertainty of psFlux", "nJy", nullable=False),
    _double("totFlux", "flux on the visit image", "nJy", nullable=False),
    _double("totFluxErr", "uncertainty of totFlux", "nJy", nullable=False),
    _bigint("diaObjectId", "object", nullable=False),
    refers(["diaObjectId"], ["elasticc_diaobject.diaObjectId"]),
    sa.Index("elasticc_diaforcedsource_diaobjectid", "diaObjectId"),
    comment="Forced photometry of the first campaign",
)
"""Forced photometry of the first campaign."""

diaalert = sa.Table(
    "elasticc_diaalert",
    tom_metadata,
    _key("alertId", "identifier of the alert"),
    _bigint("diaObjectId", "object of the alert"),
    _bigint("diaSourceId", "detection that the alert was sent for"),
    _instant("alertSentTimestamp", "when it was sent"),
    refers(["diaObjectId"], ["elasticc_diaobject.diaObjectId"]),
    refers(["diaSourceId"], ["elasticc_diasource.diaSourceId"]),
    sa.Index("elasticc_diaalert_diaobjectid", "diaObjectId"),
    sa.Index("elasticc_diaalert_diasourceid", "diaSourceId"),
    comment="Alerts of the first campaign",
)
"""Alerts of the first campaign."""

diatruth = sa.Table(
    "elasticc_diatruth",
    tom_metadata,
    _key("diaSourceId", "identifier of the detection, or of what was not detected"),
    _bigint("diaObjectId", "object"),
    _column("detect", sa.Boolean(), "whether it was detected"),
    _integer("gentype", "model of the simulation", nullable=True),
    _double("genmag", "simulated magnitude", "mag, AB"),
    _double("mjd", "time", MJD),
    sa.Index("elasticc_diatruth_diaobjectid", "diaObjectId"),
    comment="Truth of each point of the first campaign",
)
"""Truth of each point of the first campaign."""

_TRUTH_INTEGERS = ("libid", "sim_searcheff_mask", "gentype", "sim_template_index")
_TRUTH_DOUBLES = (
    *("zcmb", "zhelio", "zcmb_smear", "ra", "dec", "mwebv", "rv", "av", "mu", "lensdmu", "peakmjd"),
    *("mjd_detect_first", "mjd_detect_last", "dtseason_peak", *(f"peakmag_{band}" for band in _UGRIZY)),
    *("snrmax", "snrmax2", "snrmax3"),
)

diaobjecttruth = sa.Table(
    "elasticc_diaobjecttruth",
    tom_metadata,
    _key("diaObjectId", "object that this is the truth of"),
    *(_integer(name, f"{name} of the simulation") for name in _TRUTH_INTEGERS),
    *(_double(name, f"{name} of the simulation", nullable=False) for name in _TRUTH_DOUBLES),
    _bigint("galid", "identifier of the host galaxy"),
    *(_double(name, f"{name} of the simulation") for name in ("galzphot", "galzphoterr", "galsnsep", "galsnddlr")),
    *(_integer(name, f"{name} of the simulation") for name in ("nobs", "nobs_saturate", "galnmatch")),
    refers(["diaObjectId"], ["elasticc_diaobject.diaObjectId"]),
    sa.Index("elasticc_diaobjecttruth_gentype", "gentype"),
    comment="Truth of the objects of the first campaign",
)
"""Truth of the objects of the first campaign."""

brokerclassifier = sa.Table(
    "elasticc_brokerclassifier",
    tom_metadata,
    _key("classifierId", "number of the classifier", numbered=True),
    _column("brokerName", sa.String(100), "broker", nullable=False),
    _column("brokerVersion", sa.Text(), "version of the broker"),
    _column("classifierName", sa.String(200), "classifier of the broker", nullable=False),
    _column("classifierParams", sa.Text(), "its parameters or version"),
    _instant("modified", "when it was first seen", nullable=False),
    sa.Index(
        "elasticc_brokerclassifier_identity",
        *("brokerName", "brokerVersion", "classifierName", "classifierParams"),
        unique=True,
        postgresql_nulls_not_distinct=True,
    ),
    comment="Classifiers of brokers in the first campaign",
)
"""Classifiers of brokers in the first campaign."""

brokermessage = sa.Table(
    "elasticc_brokermessage",
    tom_metadata,
    _key("brokerMessageId", "number of the message", numbered=True),
    _bigint("streamMessageId", "offset in the topic"),
    _column("topicName", sa.String(200), "topic"),
    _bigint("alertId", "alert that is classified", nullable=False),
    _bigint("diaSourceId", "detection of the alert", nullable=False),
    _instant("descIngestTimestamp", "when it was stored", nullable=False),
    _instant("elasticcPublishTimestamp", "when the alert was published"),
    _instant("brokerIngestTimestamp", "when the broker received the alert"),
    _instant("modified", "when it was changed last", nullable=False),
    _instant("msgHdrTimestamp", "time of the message by its header"),
    sa.Index("elasticc_brokermessage_alertid", "alertId"),
    sa.Index("elasticc_brokermessage_diasourceid", "diaSourceId"),
    sa.Index("elasticc_brokermessage_topic", "topicName", "streamMessageId"),
    comment="Messages of brokers in the first campaign",
)
"""Messages of brokers in the first campaign."""

brokerclassification = sa.Table(
    "elasticc_brokerclassification",
    tom_metadata,
    _key("classificationId", "number of the classification", numbered=True),
    _key("classifierId", "classifier"),
    _integer("classId", "class, see taxonomy_classes"),
    _double("probability", "its probability", nullable=False),
    _instant("modified", "when it was changed last", nullable=False),
    _bigint("brokerMessageId", "message that it is from"),
    refers(["brokerMessageId"], ["elasticc_brokermessage.brokerMessageId"]),
    refers(["classifierId"], ["elasticc_brokerclassifier.classifierId"]),
    sa.Index("elasticc_brokerclassification_message", "brokerMessageId"),
    comment="Classifications of the first campaign, one row for each class of a message",
    postgresql_partition_by='LIST ("classifierId")',
)
"""Classifications of the first campaign."""

maxprob_timebins = sa.Table(
    "elasticc_maxprob_timebins",
    tom_metadata,
    _integer("timebin", "number of the interval", nullable=True),
    _double("dtmin", "its beginning, from the peak", "d"),
    _double("dtmax", "its end, from the peak", "d"),
    comment="Intervals of time from the peak in which probabilities were compared",
)
"""Intervals of time from the peak."""

_message, _said, _by = brokermessage.c, brokerclassification.c, brokerclassifier.c
_exact = in_force("elasticc", "exact", "id", "classId", "gentype", "description").subquery("class")

VIEWS: dict[str, tuple[sa.Select[Any], str]] = {
    "elasticc_gentypeofclassid": (
        in_force("elasticc", "exact", "id", "classId", "gentype", "description"),
        "The one class of the first campaign that is right for each model, in the version in force",
    ),
    "elasticc_classidofgentype": (
        in_force("elasticc", "matches", "id", "gentype", "classId", "exactmatch", "categorymatch", "description"),
        "Classes of the first campaign that are right for each model, at least partly, in the version in force",
    ),
    "elasticc_view_sourceclassifications": (
        sa.select(
            *(_by[name] for name in ("classifierId", "brokerName", "brokerVersion", "classifierName")),
            _by.classifierParams,
            _said.classId,
            _said.probability,
            diasource.c.diaSourceId,
            diasource.c.diaObjectId,
            diaobjecttruth.c.gentype,
            _exact.c.classId.label("trueClassId"),
            diaalert.c.alertId,
            _message.brokerMessageId,
            diaalert.c.alertSentTimestamp,
            *(_message[name] for name in ("elasticcPublishTimestamp", "brokerIngestTimestamp", "msgHdrTimestamp")),
            _message.descIngestTimestamp,
        ).select_from(
            brokerclassification.join(brokermessage, _message.brokerMessageId == _said.brokerMessageId)
            .join(brokerclassifier, _by.classifierId == _said.classifierId)
            .join(diasource, diasource.c.diaSourceId == _message.diaSourceId)
            .join(diaalert, diaalert.c.alertId == _message.alertId)
            .join(diaobjecttruth, diaobjecttruth.c.diaObjectId == diasource.c.diaObjectId)
            .outerjoin(_exact, _exact.c.gentype == diaobjecttruth.c.gentype)
        ),
        "Every classification of the first campaign with its message, classifier, detection, alert and truth",
    ),
}
"""View name: its query and comment."""

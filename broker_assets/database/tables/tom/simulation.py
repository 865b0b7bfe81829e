"""The simulated survey: its complete prompt products database, past and future, training sets, and the truth."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from broker_assets.database.tables.columns import MJD, bigint, double, flag, integer, real, text, timestamp
from broker_assets.database.tables.tom.columns import BANDS, key, refers, tom_metadata

_QUANTILES = tuple(range(0, 101, 10))
_SENTINEL = "as the simulation has it: -9, -99, -999, -9999 or 999 where there is none"


def _host(prefix: str) -> list[sa.Column[Any]]:
    which = "first" if prefix == "hostgal" else "second"
    of = f"of the {which} possible host galaxy"
    return [
        real(f"{prefix}_ellipticity", f"ellipticity {of}; {_SENTINEL}"),
        real(f"{prefix}_sqradius", f"size {of}, in quadrature; {_SENTINEL}"),
        real(f"{prefix}_zspec", f"spectroscopic redshift {of}; {_SENTINEL}"),
        real(f"{prefix}_zspec_err", f"uncertainty of {prefix}_zspec"),
        real(f"{prefix}_zphot", f"photometric redshift {of}; {_SENTINEL}"),
        real(f"{prefix}_zphot_err", f"uncertainty of {prefix}_zphot"),
        *(real(f"{prefix}_zphot_q{q:03d}", f"photometric redshift {of}, quantile of {q} percent") for q in _QUANTILES),
        *(real(f"{prefix}_mag_{band}", f"{band} magnitude {of}; {_SENTINEL}", "mag, AB") for band in BANDS),
        real(f"{prefix}_ra", f"right ascension {of}", "deg, ICRS"),
        real(f"{prefix}_dec", f"declination {of}", "deg, ICRS"),
        real(f"{prefix}_snsep", f"separation {of} from the object", "arcsec"),
        *(real(f"{prefix}_magerr_{band}", f"uncertainty of {prefix}_mag_{band}", "mag") for band in BANDS),
    ]


def described() -> list[sa.Column[Any]]:
    """Columns after the position that describe a simulated object."""
    return [
        real("mwebv", "reddening E(B-V) by the Milky Way", "mag"),
        real("mwebv_err", "uncertainty of mwebv", "mag"),
        real("z_final", f"best redshift; {_SENTINEL}"),
        real("z_final_err", "uncertainty of z_final"),
        *_host("hostgal"),
        *_host("hostgal2"),
        flag("isddf", "in a deep drilling field", nullable=False),
    ]


def _objects(name: str, comment: str) -> sa.Table:
    return sa.Table(
        name,
        tom_metadata,
        key("diaobject_id", "identifier of the object: its number in the simulation"),
        text("simversion", "version of the simulation"),
        double("ra", "right ascension", "deg, ICRS", nullable=False),
        double("decl", "declination", "deg, ICRS", nullable=False),
        *described(),
        sa.Index(f"{name}_decl", "decl"),
        comment=comment,
    )


def source_columns() -> list[sa.Column[Any]]:
    """Columns of a detection."""
    return [
        key("diasource_id", "identifier of the detection"),
        double("midpointtai", "time of mid-exposure", MJD, nullable=False),
        text("filtername", "filter band: u, g, r, i, z or Y", nullable=False),
        double("ra", "right ascension", "deg, ICRS", nullable=False),
        double("decl", "declination", "deg, ICRS", nullable=False),
        real("psflux", "point-source flux", "nJy", nullable=False),
        real("psfluxerr", "uncertainty of psflux", "nJy", nullable=False),
        real("snr", "signal-to-noise ratio", nullable=False),
    ]


def forced_columns() -> list[sa.Column[Any]]:
    """Columns of a forced measurement."""
    return [
        key("diaforcedsource_id", "identifier of the measurement; that of the detection where there is one"),
        double("midpointtai", "time of mid-exposure", MJD, nullable=False),
        text("filtername", "filter band: u, g, r, i, z or Y", nullable=False),
        real("psflux", "point-source flux", "nJy", nullable=False),
        real("psfluxerr", "uncertainty of psflux", "nJy", nullable=False),
    ]


def _growing(name: str) -> dict[str, Any]:
    """Options of a table of photometry: the survey grows, a training set does not."""
    return {} if "training" in name else {"postgresql_partition_by": "HASH (diaobject_id)"}


def _sources(name: str, objects: sa.Table, comment: str) -> sa.Table:
    return sa.Table(
        name,
        tom_metadata,
        *source_columns(),
        key("diaobject_id", "object of the detection"),
        refers(["diaobject_id"], [f"{objects.name}.diaobject_id"]),
        sa.Index(f"{name}_midpointtai", "midpointtai"),
        sa.Index(f"{name}_diaobject_id", "diaobject_id", "midpointtai"),
        sa.Index(f"{name}_decl", "decl"),
        comment=comment,
        **_growing(name),
    )


def _forced(name: str, objects: sa.Table, comment: str) -> sa.Table:
    return sa.Table(
        name,
        tom_metadata,
        *forced_columns(),
        key("diaobject_id", "object of the measurement"),
        refers(["diaobject_id"], [f"{objects.name}.diaobject_id"]),
        sa.Index(f"{name}_midpointtai", "midpointtai"),
        sa.Index(f"{name}_diaobject_id", "diaobject_id", "midpointtai"),
        comment=comment,
        **_growing(name),
    )


def _alerts(name: str, objects: sa.Table, sources: sa.Table, comment: str) -> sa.Table:
    return sa.Table(
        name,
        tom_metadata,
        key("alert_id", "identifier of the alert: that of its detection"),
        timestamp("alertsenttimestamp", "when it was sent; null: not yet"),
        bigint("diaobject_id", "object of the alert"),
        bigint("diasource_id", "detection that the alert is sent for"),
        refers(["diaobject_id"], [f"{objects.name}.diaobject_id"]),
        refers(["diasource_id", "diaobject_id"], [f"{sources.name}.diasource_id", f"{sources.name}.diaobject_id"]),
        sa.Index(f"{name}_alertsenttimestamp", "alertsenttimestamp"),
        sa.Index(f"{name}_diaobject_id", "diaobject_id"),
        sa.Index(f"{name}_diasource_id", "diasource_id"),
        comment=comment,
    )


_TRUTH_INDICES = ("gentype", "mjd_detect_first", "mjd_detect_last", "peakmjd", "zcmb")


def _truth(name: str, objects: sa.Table, comment: str) -> sa.Table:
    return sa.Table(
        name,
        tom_metadata,
        integer("libid", "entry of the library of cadences", nullable=False),
        integer("sim_searcheff_mask", "which triggers found the object", nullable=False),
        integer("gentype", "model of the simulation", nullable=False),
        integer("sim_template_index", "template of the model", nullable=False),
        real("zcmb", "redshift in the frame of the microwave background", nullable=False),
        real("zhelio", "heliocentric redshift", nullable=False),
        real("zcmb_smear", "zcmb with the uncertainty of measurement", nullable=False),
        double("ra", "right ascension", "deg, ICRS", nullable=False),
        double("dec", "declination", "deg, ICRS", nullable=False),
        real("mwebv", "reddening E(B-V) by the Milky Way", "mag", nullable=False),
        bigint("galid", "identifier of the host galaxy"),
        real("galzphot", f"photometric redshift of the host; {_SENTINEL}"),
        real("galzphoterr", "uncertainty of galzphot"),
        real("galsnsep", "separation of the host", "arcsec"),
        real("galsnddlr", "separation of the host in units of its directional light radius"),
        real("rv", "R_V of the dust in the host", nullable=False),
        real("av", "A_V of the dust in the host", "mag", nullable=False),
        real("mu", "distance modulus", "mag", nullable=False),
        real("lensdmu", "magnification by lensing", "mag", nullable=False),
        double("peakmjd", "time of the peak", MJD, nullable=False),
        double("mjd_detect_first", "time of the first detection", MJD, nullable=False),
        double("mjd_detect_last", "time of the last detection", MJD, nullable=False),
        real("dtseason_peak", "time between the peak and the season", "d", nullable=False),
        *(real(f"peakmag_{band}", f"{band} magnitude at the peak", "mag, AB", nullable=False) for band in BANDS),
        *(
            real(f"snrmax{rank}", f"{order} signal-to-noise ratio", nullable=False)
            for rank, order in (("", "largest"), ("2", "second largest"), ("3", "third largest"))
        ),
        integer("nobs", "observations", nullable=False),
        integer("nobs_saturate", "saturated observations", nullable=False),
        key("diaobject_id", "object that this is the truth of"),
        refers(["diaobject_id"], [f"{objects.name}.diaobject_id"]),
        *(sa.Index(f"{name}_{column}", column) for column in _TRUTH_INDICES if "training" not in name),
        comment=comment,
    )


ppdbdiaobject = _objects("elasticc2_ppdbdiaobject", "Objects of the simulated survey")
"""Objects of the simulated survey."""
trainingdiaobject = _objects("elasticc2_trainingdiaobject", "Objects of the training set")
"""Objects of the training set."""
ppdbdiasource = _sources(
    "elasticc2_ppdbdiasource", ppdbdiaobject, "Detections of the simulated survey, those of the future included"
)
"""Detections of the simulated survey."""
trainingdiasource = _sources("elasticc2_trainingdiasource", trainingdiaobject, "Detections of the training set")
"""Detections of the training set."""
ppdbdiaforcedsource = _forced(
    "elasticc2_ppdbdiaforcedsource",
    ppdbdiaobject,
    "Forced photometry of the simulated survey, that of the future included",
)
"""Forced photometry of the simulated survey."""
trainingdiaforcedsource = _forced(
    "elasticc2_trainingdiaforcedsource", trainingdiaobject, "Forced photometry of the training set"
)
"""Forced photometry of the training set."""
ppdbalert = _alerts(
    "elasticc2_ppdbalert", ppdbdiaobject, ppdbdiasource, "Alerts of the simulated survey, one for each detection"
)
"""Alerts of the simulated survey."""
trainingalert = _alerts("elasticc2_trainingalert", trainingdiaobject, trainingdiasource, "Alerts of the training set")
"""Alerts of the training set."""
diaobjecttruth = _truth("elasticc2_diaobjecttruth", ppdbdiaobject, "Truth of the objects of the simulated survey")
"""Truth of the simulated survey."""
trainingdiaobjecttruth = _truth(
    "elasticc2_trainingdiaobjecttruth", trainingdiaobject, "Truth of the objects of the training set"
)
"""Truth of the training set."""

HASHED = (ppdbdiasource, ppdbdiaforcedsource)
"""Photometry of the simulated survey, partitioned by a hash of `diaobject_id`."""

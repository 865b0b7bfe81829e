"""What is known about each DIAObject: one row, as of its newest alert."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from broker_assets.database.tables.columns import (
    BANDS,
    MJD,
    bigint,
    by_width,
    double,
    integer,
    metadata,
    newest_packet,
    real,
    survey_columns,
    text,
    timestamp,
)


def _position() -> list[sa.Column[Any]]:
    return [
        bigint(
            "diaObjectId",
            "identifier of the DIAObject; ZTF and ELAsTiCC names map to it reversibly",
            primary_key=True,
            autoincrement=False,
        ),
        double("ra", "mean right ascension", "deg, ICRS"),
        double("decl", "mean declination", "deg, ICRS"),
        real("raErr", "uncertainty of ra times cos(decl)", "deg"),
        real("decErr", "uncertainty of decl", "deg"),
        real("ra_dec_Cov", "covariance of ra·cos(decl) and decl", "deg²"),
        bigint("htm16", "HTM trixel of level 16 of the position"),
        bigint("healpix", "HEALPix cell of order 29, nested scheme, of the position"),
        double("radecMjdTai", "time at which the object was at (ra, decl)", MJD),
        real("pmRa", "proper motion in right ascension, times cos(decl)", "mas/yr"),
        real("pmRaErr", "uncertainty of pmRa", "mas/yr"),
        real("pmDec", "proper motion in declination", "mas/yr"),
        real("pmDecErr", "uncertainty of pmDec", "mas/yr"),
        real("parallax", "parallax", "mas"),
        real("parallaxErr", "uncertainty of parallax", "mas"),
        real("pmRa_pmDec_Cov", "covariance of pmRa and pmDec", "(mas/yr)²"),
        real("pmRa_parallax_Cov", "covariance of pmRa and parallax", "mas²/yr"),
        real("pmDec_parallax_Cov", "covariance of pmDec and parallax", "mas²/yr"),
        real("pmParallaxLnL", "natural logarithm of the likelihood of the proper-motion and parallax fit"),
        real("pmParallaxChi2", "χ² of the proper-motion and parallax fit"),
        integer("pmParallaxNdata", "number of points in the proper-motion and parallax fit"),
    ]


def _times() -> list[sa.Column[Any]]:
    return [
        double("firstDiaSourceMjdTai", "time of the first source", MJD),
        double("lastDiaSourceMjdTai", "time of the newest source; older alerts do not change the row", MJD),
        double("lastForcedMjdTai", "time of the newest forced photometry stored", MJD),
        double("validityStartMjdTai", "processing time from which this version of the record is valid", MJD),
        timestamp("timestamp", "time of the last change of the row", server_default=sa.func.now()),
    ]


def _band(band: str) -> list[sa.Column[Any]]:
    return [
        real(f"{band}_psfFlux", f"flux of the newest {band} source", "nJy"),
        double(f"{band}_latestMJD", f"time of the newest {band} source", MJD),
        real(f"{band}_psfFluxMean", f"weighted mean {band} point-source flux", "nJy"),
        real(f"{band}_psfFluxMeanErr", f"standard error of {band}_psfFluxMean", "nJy"),
        real(f"{band}_psfFluxSigma", f"standard deviation of the {band} point-source fluxes", "nJy"),
        real(f"{band}_psfFluxChi2", f"χ² of the {band} point-source fluxes about their mean"),
        integer(f"{band}_psfFluxNdata", f"number of {band} point-source fluxes"),
        real(f"{band}_psfFluxMin", f"smallest {band} point-source flux", "nJy"),
        real(f"{band}_psfFluxMax", f"largest {band} point-source flux", "nJy"),
        real(f"{band}_psfFluxMaxSlope", f"largest rise between {band} point-source fluxes", "nJy/d"),
        real(f"{band}_psfFluxErrMean", f"mean uncertainty of the {band} point-source fluxes", "nJy"),
        real(f"{band}_fpFluxMean", f"weighted mean {band} forced flux on difference images", "nJy"),
        real(f"{band}_fpFluxMeanErr", f"standard error of {band}_fpFluxMean", "nJy"),
        real(f"{band}_fpFluxSigma", f"standard deviation of the {band} forced fluxes", "nJy"),
        real(f"{band}_scienceFluxMean", f"weighted mean {band} forced flux on visit images", "nJy"),
        real(f"{band}_scienceFluxMeanErr", f"standard error of {band}_scienceFluxMean", "nJy"),
        integer(f"n{band}Sources", f"number of {band} sources"),
    ]


def _features() -> list[sa.Column[Any]]:
    return [
        real("latest_psfFlux", "flux of the newest source, any band", "nJy"),
        real("medianR", "median of the reliability of the sources"),
        real("latestR", "reliability of the newest source"),
        integer("nDiaSources", "number of sources of the object"),
        integer("nPosDiaSources", "number of sources with positive flux"),
        integer("nPosDiaSourcesNights", "number of nights with a source of positive flux"),
        integer("nSourcesGood", "number of sources with reliability above 0.5"),
        text("tns_name", "name in the Transient Name Server"),
        real("absMag", "brightest absolute magnitude, extinction corrected", "mag, AB"),
        double("absMagMJD", "time of absMag", MJD),
        real("BBBRiseRate", "rise rate of the black-body fit", "1/d"),
        real("BBBFallRate", "fall rate of the black-body fit; null for an exponential", "1/d"),
        real("BBBTemp", "temperature of the black-body fit", "kK"),
        real("BBBPeakFlux", "peak flux of the black-body fit", "nJy"),
        double("BBBPeakMJD", "time of the peak of the black-body fit", MJD),
        real("BBBPeakAbsMag", "absolute magnitude at the peak of the black-body fit", "mag, AB"),
        real("glat", "galactic latitude", "deg"),
        real("ebv", "reddening E(B−V) from Schlegel, Finkbeiner and Davis", "mag"),
        real("jump1", "largest deviation in the last 10 days from the preceding 60 days, in any band", "σ"),
        real("jump2", "second largest such deviation, in another band", "σ"),
        *(
            item
            for which in ("latest", "penultimate")
            for item in (
                double(f"{which}PairMJD", f"time of the {which} pair of sources in two bands within 40 minutes", MJD),
                real(f"{which}PairColourMag", f"colour of the {which} pair, extinction corrected", "mag, AB"),
                text(f"{which}PairColourBands", f"bands of the {which} pair, bluer first, e.g. g-r"),
                real(f"{which}PairColourTemp", f"black-body temperature of the {which} pair", "kK"),
            )
        ),
    ]


def _neighbours() -> list[sa.Column[Any]]:
    return [
        item
        for rank in (1, 2, 3)
        for item in (
            bigint(f"nearbyObj{rank}", f"identifier of nearby catalogue object {rank}"),
            real(f"nearbyObj{rank}Dist", f"distance to nearbyObj{rank}", "arcsec"),
            real(f"nearbyObj{rank}LnP", f"natural logarithm of the probability that it is nearbyObj{rank}"),
        )
    ]


objects = sa.Table(
    "objects",
    metadata,
    *by_width(
        [
            *_position(),
            *_times(),
            *(item for band in BANDS for item in _band(band)),
            *_features(),
            *_neighbours(),
            *survey_columns(),
            newest_packet(),
            bigint(
                "associationId",
                "association of the object with catalogue sources, see associations; null while no catalogue is loaded",
            ),
        ]
    ),
    sa.Index("objects_lastdiasourcemjdtai", "lastdiasourcemjdtai"),
    sa.Index("objects_htm16", "htm16", postgresql_where=sa.text("htm16 IS NOT NULL")),
    sa.Index("objects_healpix", "healpix", postgresql_where=sa.text("healpix IS NOT NULL")),
    sa.Index("objects_decl", "decl"),
    comment="One row per DIAObject as of its newest alert, with light-curve features",
)
"""One row per DIAObject."""

"""Detections, forced photometry and limits: the rows that grow with the survey, partitioned by month."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import sqlalchemy as sa

from broker_assets.database.tables.columns import (
    MJD,
    bigint,
    blob,
    by_width,
    double,
    flag,
    integer,
    metadata,
    point_columns,
    real,
    survey_columns,
    text,
)


def _identity() -> list[sa.Column[Any]]:
    return [
        bigint("diaSourceId", "identifier of the source", nullable=False),
        bigint("diaObjectId", "DIAObject of the source; 0 where it has none (solar system)", nullable=False),
        bigint("ssObjectId", "solar-system object of the source; null where it has none"),
        bigint("parentDiaSourceId", "source from which this one was deblended"),
        bigint("visit", "visit in which the source was seen"),
        integer("detector", "detector on which the source was seen"),
        double("midpointMjdTai", "effective time of mid-exposure", MJD, nullable=False),
        real("exposureTime", "effective exposure time", "s"),
        text("band", "filter band: u, g, r, i, z or y"),
        double("ra", "right ascension of the centroid", "deg, ICRS"),
        double("decl", "declination of the centroid", "deg, ICRS"),
        real("raErr", "uncertainty of ra times cos(decl)", "deg"),
        real("decErr", "uncertainty of decl", "deg"),
        real("ra_dec_Cov", "covariance of ra·cos(decl) and decl", "deg²"),
        real("x", "centroid, detector x", "pixel"),
        real("xErr", "uncertainty of x", "pixel"),
        real("y", "centroid, detector y", "pixel"),
        real("yErr", "uncertainty of y", "pixel"),
        real("x_y_Cov", "covariance of x and y", "pixel²"),
        flag("centroid_flag", "centroid measurement failed"),
        double("timeProcessedMjdTai", "time at which the survey created the record", MJD),
        double("timeWithdrawnMjdTai", "time at which the survey withdrew the record", MJD),
        text("observation_reason", "why the scheduler took the exposure"),
        text("target_name", "target of the exposure according to the scheduler"),
    ]


def _fluxes() -> list[sa.Column[Any]]:
    return [
        real("psfFlux", "point-source flux on the difference image", "nJy"),
        real("psfFluxErr", "uncertainty of psfFlux", "nJy"),
        double("psfRa", "right ascension of the point-source fit", "deg, ICRS"),
        double("psfDec", "declination of the point-source fit", "deg, ICRS"),
        real("psfRaErr", "uncertainty of psfRa", "deg"),
        real("psfDecErr", "uncertainty of psfDec", "deg"),
        real("psfFlux_psfRa_Cov", "covariance of psfFlux and psfRa"),
        real("psfFlux_psfDec_Cov", "covariance of psfFlux and psfDec"),
        real("psfRa_psfDec_Cov", "covariance of psfRa and psfDec", "deg²"),
        real("psfLnL", "natural logarithm of the likelihood of the point-source fit"),
        real("psfChi2", "χ² of the point-source fit"),
        integer("psfNdata", "number of pixels in the point-source fit"),
        flag("psfFlux_flag", "point-source fit failed"),
        flag("psfFlux_flag_edge", "too close to the edge for the full point-spread function"),
        flag("psfFlux_flag_noGoodPixels", "too few good pixels for the point-source fit"),
        real("apFlux", "flux in an aperture of 12 pixels radius on the difference image", "nJy"),
        real("apFluxErr", "uncertainty of apFlux", "nJy"),
        flag("apFlux_flag", "aperture photometry failed"),
        flag("apFlux_flag_apertureTruncated", "aperture reaches beyond the image"),
        real("snr", "signal-to-noise ratio of the detection"),
        flag("isNegative", "detected as significantly negative"),
        real("scienceFlux", "forced point-source flux on the visit image", "nJy"),
        real("scienceFluxErr", "uncertainty of scienceFlux", "nJy"),
        flag("forced_PsfFlux_flag", "forced photometry on the visit image failed"),
        flag("forced_PsfFlux_flag_edge", "forced photometry too close to the edge"),
        flag("forced_PsfFlux_flag_noGoodPixels", "forced photometry had too few good pixels"),
        real("templateFlux", "forced point-source flux on the template", "nJy"),
        real("templateFluxErr", "uncertainty of templateFlux", "nJy"),
        real("snapDiffFlux", "point-source flux on the difference of the snaps of a visit", "nJy"),
        real("snapDiffFluxErr", "uncertainty of snapDiffFlux", "nJy"),
        real("fpBkgd", "sky background at the position", "nJy/arcsec²"),
        real("fpBkgdErr", "uncertainty of fpBkgd", "nJy/arcsec²"),
    ]


def _covariances(model: str, parameters: tuple[str, ...]) -> list[sa.Column[Any]]:
    """Covariances of a fit, of schema 7 of Rubin only; units are the products of those of the parameters."""
    pairs = combinations([model + parameter for parameter in parameters], 2)
    return [real(f"{one}_{other}_Cov", f"covariance of {one} and {other}") for one, other in pairs]


def _trail() -> list[sa.Column[Any]]:
    return [
        real("trailFlux", "flux of the trailed-source fit on the difference image", "nJy"),
        real("trailFluxErr", "uncertainty of trailFlux", "nJy"),
        double("trailRa", "right ascension of the centroid of the trail", "deg, ICRS"),
        real("trailRaErr", "uncertainty of trailRa times cos(decl)", "deg"),
        double("trailDec", "declination of the centroid of the trail", "deg, ICRS"),
        real("trailDecErr", "uncertainty of trailDec", "deg"),
        real("trailLength", "length of the trail", "arcsec"),
        real("trailLengthErr", "uncertainty of trailLength", "arcsec"),
        real("trailAngle", "bearing of the trail", "deg, north through east"),
        real("trailAngleErr", "uncertainty of trailAngle", "deg"),
        real("trailLnL", "natural logarithm of the likelihood of the trailed-source fit"),
        real("trailChi2", "χ² of the trailed-source fit"),
        integer("trailNdata", "number of pixels in the trailed-source fit"),
        integer("trailAlgorithm", "algorithm of the trailed-source fit: 1 SDSSShape, 2 HSMShape"),
        flag("trail_flag", "trailed-source fit failed"),
        flag("trail_flag_edge", "trail reaches the edge or beyond"),
        *_covariances("trail", ("Flux", "Ra", "Dec", "Length", "Angle")),
    ]


def _dipole() -> list[sa.Column[Any]]:
    return [
        real("dipoleMeanFlux", "mean absolute flux of the two lobes of the dipole fit", "nJy"),
        real("dipoleMeanFluxErr", "uncertainty of dipoleMeanFlux", "nJy"),
        real("dipoleFluxDiff", "difference of the absolute fluxes of the two lobes", "nJy"),
        real("dipoleFluxDiffErr", "uncertainty of dipoleFluxDiff", "nJy"),
        double("dipoleRa", "right ascension of the dipole fit", "deg, ICRS"),
        real("dipoleRaErr", "uncertainty of dipoleRa", "deg"),
        double("dipoleDec", "declination of the dipole fit", "deg, ICRS"),
        real("dipoleDecErr", "uncertainty of dipoleDec", "deg"),
        real("dipoleLength", "separation of the lobes", "arcsec"),
        real("dipoleLengthErr", "uncertainty of dipoleLength", "arcsec"),
        real("dipoleAngle", "bearing from the negative to the positive lobe", "deg, north through east"),
        real("dipoleAngleErr", "uncertainty of dipoleAngle", "deg"),
        real("dipoleLnL", "natural logarithm of the likelihood of the dipole fit"),
        real("dipoleChi2", "χ² of the dipole fit"),
        integer("dipoleNdata", "number of pixels in the dipole fit"),
        flag("isDipole", "well fitted by a dipole"),
        flag("dipoleFitAttempted", "a dipole fit was tried"),
        *_covariances("dipole", ("MeanFlux", "FluxDiff", "Ra", "Dec", "Length", "Angle")),
    ]


def _shape() -> list[sa.Column[Any]]:
    return [
        *(real(name, f"adaptive second moment {name} of the source", "arcsec²") for name in ("ixx", "iyy", "ixy")),
        *(real(f"{name}Err", f"uncertainty of {name}", "arcsec²") for name in ("ixx", "iyy", "ixy")),
        *(
            real(f"{one}_{other}_Cov", f"covariance of {one} and {other}", "arcsec⁴")
            for one, other in combinations(("ixx", "iyy", "ixy"), 2)
        ),
        *(
            real(f"{name}PSF", f"adaptive second moment {name} of the point-spread function", "arcsec²")
            for name in ("ixx", "iyy", "ixy")
        ),
        flag("shape_flag", "shape measurement failed"),
        flag("shape_flag_no_pixels", "no pixels to measure the shape"),
        flag("shape_flag_not_contained", "centre outside the footprint"),
        flag("shape_flag_parent_source", "a parent, whose shape is not measured"),
        real("extendedness", "extendedness: 1 extended, 0 point-like"),
        real("reliability", "probability of being astrophysical, 0 to 1"),
        text("reliabilityVersion", "version of the reliability model"),
        integer("bboxSize", "side of the square that contains the footprint", "pixel"),
        flag("glint_trail", "part of a trail of glints"),
    ]


_MASKS = {
    "bad": "bad pixel",
    "cr": "cosmic ray",
    "edge": "pixel outside the usable region",
    "nodata": "pixel without data",
    "interpolated": "interpolated pixel",
    "saturated": "saturated pixel",
    "suspect": "suspect pixel",
    "streak": "streak",
    "injected": "injected source",
    "injected_template": "source injected into the template",
}
_CENTRED = ("cr", "nodata", "interpolated", "saturated", "suspect", "streak", "injected", "injected_template")


def _pixel_flags() -> list[sa.Column[Any]]:
    return [
        flag("pixelFlags", "setting the pixel flags failed"),
        flag("pixelFlags_offimage", "centre off the image"),
        *(flag(f"pixelFlags_{name}", f"{what} in the footprint") for name, what in _MASKS.items()),
        *(flag(f"pixelFlags_{name}Center", f"{_MASKS[name]} within 3×3 pixels of the centroid") for name in _CENTRED),
    ]


diasources = sa.Table(
    "diasources",
    metadata,
    *by_width(
        [
            *_identity(),
            *_fluxes(),
            *_trail(),
            *_dipole(),
            *_shape(),
            *_pixel_flags(),
            *survey_columns(),
            *point_columns(),
            bigint(
                "archiveFileId",
                "archive file of the alert that this source triggered; null if known only from histories",
            ),
            bigint("archivePosition", "position of that packet's block in the archive file", "byte"),
            integer("archiveLength", "length of that block", "byte"),
        ]
    ),
    # The only unique index, and covering: the light curve of an object is read from it without touching the table, also
    # in a version of the processing, which needs the visit.
    sa.Index(
        "diasources_lightcurve",
        "diaobjectid",
        "midpointmjdtai",
        "diasourceid",
        "reduction",
        unique=True,
        postgresql_include=["visit", "band", "psfflux", "psffluxerr", "reliability", "timewithdrawnmjdtai"],
    ),
    sa.Index("diasources_diasourceid", "diasourceid"),
    sa.Index(
        "diasources_night",
        "night",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    ),
    comment="Detections on difference images: the source of each alert and the sources of its history",
    postgresql_partition_by="RANGE (midpointmjdtai)",
)
"""Detections on difference images."""


def _forced() -> list[sa.Column[Any]]:
    return [
        bigint("diaForcedSourceId", "identifier of the forced measurement", nullable=False),
        bigint("diaObjectId", "DIAObject at whose position it was measured", nullable=False),
        double("midpointMjdTai", "effective time of mid-exposure", MJD, nullable=False),
        bigint("visit", "visit in which it was measured"),
        integer("detector", "detector on which it was measured"),
        text("band", "filter band: u, g, r, i, z or y"),
        double("ra", "right ascension of the measured position", "deg, ICRS"),
        double("decl", "declination of the measured position", "deg, ICRS"),
        real("psfFlux", "point-source flux on the difference image", "nJy"),
        real("psfFluxErr", "uncertainty of psfFlux", "nJy"),
        real("scienceFlux", "point-source flux on the visit image", "nJy"),
        real("scienceFluxErr", "uncertainty of scienceFlux", "nJy"),
        double("timeProcessedMjdTai", "time at which the survey created the record", MJD),
        double("timeWithdrawnMjdTai", "time at which the survey withdrew the record", MJD),
    ]


diaforcedsources = sa.Table(
    "diaforcedsources",
    metadata,
    *by_width(
        [
            *_forced(),
            real("x", "measured position, detector x", "pixel"),
            real("y", "measured position, detector y", "pixel"),
            *survey_columns(),
            *point_columns(),
        ]
    ),
    sa.Index(
        "diaforcedsources_lightcurve",
        "diaobjectid",
        "midpointmjdtai",
        "diaforcedsourceid",
        "reduction",
        unique=True,
        postgresql_include=["visit", "band", "psfflux", "psffluxerr", "timewithdrawnmjdtai"],
    ),
    sa.Index(
        "diaforcedsources_night",
        "night",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    ),
    comment="Forced photometry at the positions of DIAObjects",
    postgresql_partition_by="RANGE (midpointmjdtai)",
)
"""Forced photometry."""


def _limits() -> list[sa.Column[Any]]:
    forced = [item for item in _forced() if item.name not in {"diaforcedsourceid", "band"}]
    return [
        *forced,
        bigint("diaForcedSourceId", "identifier of the measurement, where it has one"),
        text("band", "filter band: u, g, r, i, z or y", nullable=False),
        bigint("ccdVisitId", "visit and detector of the exposure"),
        bigint(
            "exposure",
            "identifier of the exposure: ccdVisitId, else visit and detector, else minus the time in 0.1 s",
            nullable=False,
        ),
        real("diaNoise", "five-sigma limiting flux of a point source on the difference image", "nJy"),
    ]


dianondetectionlimits = sa.Table(
    "dianondetectionlimits",
    metadata,
    *by_width([*_limits(), *survey_columns(), *point_columns()]),
    sa.Index(
        "dianondetectionlimits_lightcurve",
        "diaobjectid",
        "midpointmjdtai",
        "exposure",
        "band",
        "reduction",
        unique=True,
        postgresql_include=["dianoise"],
    ),
    sa.Index(
        "dianondetectionlimits_night",
        "night",
        postgresql_using="brin",
        postgresql_with={"pages_per_range": 32, "autosummarize": "on"},
    ),
    comment="Exposures on which an object was not detected, with their limits",
    postgresql_partition_by="RANGE (midpointmjdtai)",
)
"""Limits of exposures without a detection."""

point_sums = sa.Table(
    "point_sums",
    metadata,
    bigint("diaObjectId", "DIAObject", primary_key=True, autoincrement=False),
    bigint("changes", "number of times its points were written", nullable=False, server_default=sa.text("0")),
    bigint("removals", "number of times points of it were removed", nullable=False, server_default=sa.text("0")),
    blob("months", "count and sum of the hashes of its points by kind and month; null if they must be recounted"),
    comment="Summary of the stored light curve of each DIAObject, which shows without reading it which points are new",
)
"""Sums of the light curves; see `broker_assets.database.point_sums`."""

PARTITIONED = (diasources, diaforcedsources, dianondetectionlimits)
"""Tables that are partitioned by `midpointmjdtai`."""

"""The solar system: detections of known objects with their geometry, the objects, and their orbits."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from broker_assets.database.tables.columns import (
    BANDS,
    MJD,
    bigint,
    by_width,
    double,
    flag,
    integer,
    metadata,
    newest_packet,
    real,
    survey_columns,
    text,
    timestamp,
)


def _vectors() -> list[sa.Column[Any]]:
    """State vectors: in schema 10 and later in ICRS, in schemas 8 and 9 in a frame that these do not name."""
    columns = []
    for short, centre in (("helio", "heliocentric"), ("topo", "topocentric")):
        for axis in "xyz":
            columns.append(real(f"{short}_{axis}", f"{centre} {axis} at emission", "au, ICRS"))
            columns.append(real(f"{short}_v{axis}", f"{centre} velocity {axis} at emission", "km/s, ICRS"))
            columns.append(real(f"{centre}{axis.upper()}", f"{centre} {axis} at emission, schemas 8 and 9", "au"))
            columns.append(
                real(f"{centre}V{axis.upper()}", f"{centre} velocity {axis} at emission, schemas 8 and 9", "au/d")
            )
        columns.append(real(f"{short}_vtot", f"{centre} speed at emission", "km/s"))
    return columns


sssources = sa.Table(
    "sssources",
    metadata,
    *by_width(
        [
            bigint(
                "ssObjectId",
                "identifier of the solar-system object: its packed designation as a number",
                primary_key=True,
                autoincrement=False,
            ),
            bigint("diaSourceId", "source identified with it, see diasources", primary_key=True, autoincrement=False),
            text("designation", "primary provisional designation, unpacked; of ZTF the name that it gives, unpacked"),
            double("eclLambda", "ecliptic longitude of the observed position", "deg"),
            double("eclBeta", "ecliptic latitude of the observed position", "deg"),
            double("galLon", "galactic longitude of the observed position", "deg"),
            double("galLat", "galactic latitude of the observed position", "deg"),
            real("elongation", "solar elongation", "deg"),
            real("phaseAngle", "angle between Sun, object and observer", "deg"),
            real("topoRange", "distance from the observer at emission", "au"),
            real("topoRangeRate", "radial velocity from the observer, positive away", "km/s"),
            real("helioRange", "distance from the Sun at emission", "au"),
            real("helioRangeRate", "radial velocity from the Sun, positive away", "km/s"),
            double("ephRa", "predicted right ascension", "deg, ICRS"),
            double("ephDec", "predicted declination", "deg, ICRS"),
            real("ephVmag", "predicted V magnitude", "mag"),
            real("ephRate", "predicted rate on the sky", "deg/d"),
            real("ephRateRa", "predicted rate in right ascension, times cos(decl)", "deg/d"),
            real("ephRateDec", "predicted rate in declination", "deg/d"),
            real("ephOffset", "separation of observed and predicted position", "arcsec"),
            double("ephOffsetRa", "observed minus predicted right ascension, times cos(decl)", "arcsec"),
            double("ephOffsetDec", "observed minus predicted declination", "arcsec"),
            real("ephOffsetAlongTrack", "offset along the direction of motion", "arcsec"),
            real("ephOffsetCrossTrack", "offset across the direction of motion", "arcsec"),
            double("residualRa", "observed minus predicted right ascension, schemas 8 and 9", "deg"),
            double("residualDec", "observed minus predicted declination, schemas 8 and 9", "deg"),
            *_vectors(),
            integer("diaDistanceRank", "rank of the source by closeness to the predicted position, 1 is nearest"),
            *survey_columns(),
        ]
    ),
    sa.Index("sssources_diasourceid", "diasourceid"),
    sa.Index("sssources_designation", "designation"),
    sa.Index("sssources_night", "night"),
    comment="Detections at known solar-system objects, with geometry and ephemeris; of ZTF the nearest in 30 arcsec",
)
"""Detections of known solar-system objects."""


def _phase_curve(band: str) -> list[sa.Column[Any]]:
    return [
        integer(f"{band}_nObs", f"number of {band} observations"),
        real(f"{band}_H", f"absolute magnitude in {band}", "mag, AB"),
        real(f"{band}_HErr", f"uncertainty of {band}_H", "mag"),
        real(f"{band}_G12", f"slope parameter G12 in {band}", "mag"),
        real(f"{band}_G12Err", f"uncertainty of {band}_G12", "mag"),
        real(f"{band}_H_{band}_G12_Cov", f"covariance of {band}_H and {band}_G12", "mag²"),
        integer(f"{band}_nObsUsed", f"number of {band} observations in the fit"),
        real(f"{band}_Chi2", f"χ² of the {band} phase curve"),
        real(f"{band}_phaseAngleMin", f"smallest phase angle in {band}", "deg"),
        real(f"{band}_phaseAngleMax", f"largest phase angle in {band}", "deg"),
        flag(f"{band}_slope_fit_failed", f"G12 fit failed in {band}; a fiducial value was used"),
    ]


ssobjects = sa.Table(
    "ssobjects",
    metadata,
    *by_width(
        [
            bigint("ssObjectId", "identifier of the solar-system object", primary_key=True, autoincrement=False),
            text("designation", "primary provisional designation, unpacked"),
            integer("nObs", "number of observations by the survey"),
            real("arc", "time between first and last observation by the survey", "d"),
            double("firstObservationMjdTai", "time of the first observation by the survey", MJD),
            double("discoverySubmissionDate", "time at which the discovery was submitted to the MPC", "d, MJD"),
            real("MOIDEarth", "minimum distance between the orbit and that of the Earth", "au"),
            real("MOIDEarthDeltaV", "speed relative to the Earth at that point", "km/s"),
            real("MOIDEarthEclipticLongitude", "ecliptic longitude of that point", "deg"),
            real("MOIDEarthTrueAnomaly", "true anomaly of that point on the orbit of the Earth", "deg"),
            real("MOIDEarthTrueAnomalyObject", "true anomaly of that point on the orbit of the object", "deg"),
            real("tisserand_J", "Tisserand parameter with respect to Jupiter"),
            real("extendednessMax", "largest extendedness of its sources"),
            real("extendednessMedian", "median extendedness of its sources"),
            real("extendednessMin", "smallest extendedness of its sources"),
            *(item for band in BANDS for item in _phase_curve(band)),
            double("lastDiaSourceMjdTai", "time of its newest source here; older alerts do not change the row", MJD),
            *survey_columns(),
            newest_packet(),
        ]
    ),
    sa.Index("ssobjects_designation", "designation"),
    comment="Known solar-system objects as of their newest alert",
)
"""Known solar-system objects."""

_ELEMENTS = (
    ("a", "semi-major axis", "au"),
    ("q", "perihelion distance", "au"),
    ("e", "eccentricity", ""),
    ("i", "inclination", "deg, ecliptic J2000"),
    ("node", "longitude of the ascending node", "deg, ecliptic J2000"),
    ("argperi", "argument of perihelion", "deg, ecliptic J2000"),
    ("peri_time", "time of perihelion", "d, MJD TT"),
    ("yarkovsky", "Yarkovsky acceleration", "1e-10 au/d²"),
    ("srp", "area-to-mass ratio for solar radiation pressure", "m²/t"),
    ("a1", "non-gravitational parameter A1", "au/d²"),
    ("a2", "non-gravitational parameter A2", "au/d²"),
    ("a3", "non-gravitational parameter A3", "au/d²"),
    ("dt", "delay of the non-gravitational acceleration", "d"),
    ("mean_anomaly", "mean anomaly", "deg"),
    ("period", "orbital period", "d"),
    ("mean_motion", "mean motion", "deg/d"),
)

mpc_orbits = sa.Table(
    "mpc_orbits",
    metadata,
    *by_width(
        [
            text("designation", "primary provisional designation, unpacked", primary_key=True),
            text("packed_primary_provisional_designation", "the same, packed"),
            text("unpacked_primary_provisional_designation", "the same, unpacked"),
            text("permid", "number of a numbered object, from the orbit solution"),
            text("iau_name", "name, from the orbit solution"),
            bigint("ssObjectId", "identifier of the solar-system object, where the packet gives it"),
            integer("id", "identifier within the database of the MPC"),
            text("mpc_orb_jsonb", "the orbit solution as JSON text"),
            timestamp("created_at", "creation of the row at the MPC"),
            timestamp("updated_at", "time of the last change of the row at the MPC"),
            timestamp("fitting_datetime", "last fit of the orbit"),
            integer("orbit_type_int", "class of orbit"),
            integer("u_param", "uncertainty parameter U"),
            integer("nopp", "number of oppositions"),
            double("arc_length_total", "arc of all observations", "d"),
            double("arc_length_sel", "arc of the observations selected", "d"),
            integer("nobs_total", "number of observations"),
            integer("nobs_total_sel", "number of observations selected"),
            *(double(name, meaning, unit) for name, meaning, unit in _ELEMENTS),
            *(double(f"{name}_unc", f"uncertainty of {name}", unit.split(",")[0]) for name, _, unit in _ELEMENTS),
            double("epoch_mjd", "epoch of the elements", "d, MJD TT"),
            double("h", "absolute magnitude H", "mag"),
            double("g", "slope parameter G"),
            double("not_normalized_rms", "root mean square of the residuals", "arcsec"),
            double("normalized_rms", "normalised root mean square of the residuals"),
            double("earth_moid", "minimum distance between the orbit and that of the Earth", "au"),
            double("lastDiaSourceMjdTai", "time of its newest source here; older alerts do not change the row", MJD),
            *survey_columns(),
            newest_packet(),
        ]
    ),
    sa.Index("mpc_orbits_permid", "permid", postgresql_where=sa.text("permid IS NOT NULL")),
    sa.Index("mpc_orbits_iau_name", "iau_name", postgresql_where=sa.text("iau_name IS NOT NULL")),
    sa.Index("mpc_orbits_ssobjectid", "ssobjectid"),
    comment="Orbits of the Minor Planet Center, as of the newest alert that carried them",
)
"""Orbits of the Minor Planet Center."""

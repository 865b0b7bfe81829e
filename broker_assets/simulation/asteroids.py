"""Asteroids on Kepler orbits, seen from an Earth on a circular orbit: self-consistent, not matching the real sky."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

OBLIQUITY = np.radians(23.4392911)
_MEAN_MOTION = 0.9856076686
"""Degrees per day at 1 au (Gaussian gravitational constant)."""
_GALACTIC = np.array(
    [
        [-0.0548755604162154, -0.8734370902348850, -0.4838350155487132],
        [0.4941094278755837, -0.4448296299600112, 0.7469822444972189],
        [-0.8676661490190047, -0.1980763734312015, 0.4559837761750669],
    ]
)
"""ICRS to galactic (ESA 1997, The Hipparcos and Tycho Catalogues, vol. 1, eq. 1.5.11)."""


@dataclass(frozen=True)
class Asteroids:
    """Osculating elements; arrays of equal length."""

    identifier: NDArray[np.int64]
    """ssObjectId."""
    axis: NDArray[np.float64]
    """Semi-major axis, au."""
    eccentricity: NDArray[np.float64]
    inclination: NDArray[np.float64]
    node: NDArray[np.float64]
    perihelion: NDArray[np.float64]
    """Argument of perihelion; angles in degrees, ecliptic of J2000."""
    anomaly: NDArray[np.float64]
    """Mean anomaly at the epoch, degrees."""
    epoch: float
    """MJD."""
    absolute: NDArray[np.float64]
    """H, magnitudes."""

    def __len__(self) -> int:
        return len(self.identifier)

    def designation(self, row: int) -> str:
        """A provisional designation in the style of the Minor Planet Center.

        Examples
        --------
        >>> draw_asteroids(1, 61000.0, 0, np.random.default_rng(0)).designation(0)
        '2026 AA'
        """
        letters = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
        order, half = divmod(row // 25, 24)
        return f"2026 {letters[half]}{letters[row % 25]}" + (str(order) if order else "")


def draw_asteroids(count: int, epoch: float, first: int, generator: np.random.Generator) -> Asteroids:
    """Draw random orbits of the main belt."""
    return Asteroids(
        identifier=20_000_000_000_000_000 + first + np.arange(count, dtype=np.int64),
        axis=generator.uniform(2.1, 3.3, count),
        eccentricity=generator.beta(2.0, 10.0, count),
        inclination=np.minimum(generator.rayleigh(6.0, count), 35.0),
        node=generator.uniform(0.0, 360.0, count),
        perihelion=generator.uniform(0.0, 360.0, count),
        anomaly=generator.uniform(0.0, 360.0, count),
        epoch=epoch,
        absolute=generator.uniform(11.0, 19.5, count),
    )


def _positions(asteroids: Asteroids, rows: NDArray[np.int64], mjd: NDArray[np.float64]) -> NDArray[np.float64]:
    """Heliocentric equatorial position, (n, 3) au."""
    axis, eccentricity = asteroids.axis[rows], asteroids.eccentricity[rows]
    mean = np.radians(asteroids.anomaly[rows] + _MEAN_MOTION * axis**-1.5 * (mjd - asteroids.epoch))
    mean = np.mod(mean, 2.0 * np.pi)
    eccentric = mean + eccentricity * np.sin(mean)
    for _ in range(8):
        eccentric -= (eccentric - eccentricity * np.sin(eccentric) - mean) / (1.0 - eccentricity * np.cos(eccentric))
    along = axis * (np.cos(eccentric) - eccentricity)
    across = axis * np.sqrt(1.0 - eccentricity**2) * np.sin(eccentric)
    node, perihelion, inclination = (
        np.radians(angle[rows]) for angle in (asteroids.node, asteroids.perihelion, asteroids.inclination)
    )
    radius, argument = np.hypot(along, across), np.arctan2(across, along) + perihelion
    x = radius * (np.cos(node) * np.cos(argument) - np.sin(node) * np.sin(argument) * np.cos(inclination))
    y = radius * (np.sin(node) * np.cos(argument) + np.cos(node) * np.sin(argument) * np.cos(inclination))
    z = radius * np.sin(argument) * np.sin(inclination)
    return _equatorial(x, y, z)


def _equatorial(x: NDArray[np.float64], y: NDArray[np.float64], z: NDArray[np.float64]) -> NDArray[np.float64]:
    tilted = y * np.cos(OBLIQUITY) - z * np.sin(OBLIQUITY)
    return np.stack([x, tilted, y * np.sin(OBLIQUITY) + z * np.cos(OBLIQUITY)], axis=1)


def _earth(mjd: NDArray[np.float64]) -> NDArray[np.float64]:
    longitude = np.radians(100.464 + 0.9856091 * (mjd - 51544.5))
    return _equatorial(np.cos(longitude), np.sin(longitude), np.zeros_like(longitude))


@dataclass(frozen=True)
class Ephemeris:
    """Positions and magnitudes of asteroids; arrays of equal length."""

    ra: NDArray[np.float64]
    dec: NDArray[np.float64]
    """ICRS, degrees."""
    magnitude: NDArray[np.float64]
    """V."""
    helio: NDArray[np.float64]
    helio_velocity: NDArray[np.float64]
    topo: NDArray[np.float64]
    topo_velocity: NDArray[np.float64]
    """(n, 3) ICRS, au and km/s."""
    phase: NDArray[np.float64]
    """Sun, object, observer; degrees."""
    elongation: NDArray[np.float64]
    """Degrees."""
    rate_ra: NDArray[np.float64]
    rate_dec: NDArray[np.float64]
    """Degrees per day; in right ascension times cos(dec)."""


_KILOMETRES_PER_SECOND = 149597870.7 / 86400.0


def _angles(vectors: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    longitude = np.mod(np.degrees(np.arctan2(vectors[:, 1], vectors[:, 0])), 360.0)
    return longitude, np.degrees(np.arcsin(vectors[:, 2] / np.linalg.norm(vectors, axis=1)))


def ephemeris(asteroids: Asteroids, rows: NDArray[np.int64], mjd: NDArray[np.float64]) -> Ephemeris:
    """Positions, velocities and magnitudes of asteroids at times.

    Magnitudes follow the H, G system of Bowell et al. 1989 with G = 0.15.

    Parameters
    ----------
    asteroids : Asteroids
        The orbits.
    rows : (n,) int64 array
        Row of each asteroid.
    mjd : (n,) float64 array
        Times, MJD TAI.
    """
    step = 0.01
    helio, later = _positions(asteroids, rows, mjd), _positions(asteroids, rows, mjd + step)
    earth, earth_later = _earth(mjd), _earth(mjd + step)
    topo, topo_later = helio - earth, later - earth_later
    sun_distance, distance = np.linalg.norm(helio, axis=1), np.linalg.norm(topo, axis=1)
    cosine = np.clip(np.sum(helio * topo, axis=1) / (sun_distance * distance), -1.0, 1.0)
    phase = np.arccos(cosine)
    half = np.tan(phase / 2.0)
    dimming = 0.85 * np.exp(-3.33 * half**0.63) + 0.15 * np.exp(-1.87 * half**1.22)
    ra, dec = _angles(topo)
    ra_later, dec_later = _angles(topo_later)
    turned = np.mod(ra_later - ra + 180.0, 360.0) - 180.0
    return Ephemeris(
        ra=ra,
        dec=dec,
        magnitude=asteroids.absolute[rows] + 5.0 * np.log10(sun_distance * distance) - 2.5 * np.log10(dimming),
        helio=helio,
        helio_velocity=(later - helio) / step * _KILOMETRES_PER_SECOND,
        topo=topo,
        topo_velocity=(topo_later - topo) / step * _KILOMETRES_PER_SECOND,
        phase=np.degrees(phase),
        elongation=np.degrees(np.arccos(np.clip(np.sum(-earth * topo, axis=1) / distance, -1.0, 1.0))),
        rate_ra=turned / step * np.cos(np.radians(dec)),
        rate_dec=(dec_later - dec) / step,
    )


def published_columns(
    asteroids: Asteroids, rows: NDArray[np.int64], mjd: NDArray[np.float64], source_id: NDArray[np.int64], offset: float
) -> dict[str, dict[str, object]]:
    """Columns of every record about the solar system of any schema version, by record name.

    Parameters
    ----------
    asteroids : Asteroids
        The orbits.
    rows : (n,) int64 array
        Row of each asteroid.
    mjd : (n,) float64 array
        Times, MJD TAI.
    source_id : (n,) int64 array
        diaSourceId.
    offset : float
        Observed minus predicted position, arcsec, in each coordinate.
    """
    seen = ephemeris(asteroids, rows, mjd)
    ecliptic = np.stack(
        [
            seen.topo[:, 0],
            seen.topo[:, 1] * np.cos(OBLIQUITY) + seen.topo[:, 2] * np.sin(OBLIQUITY),
            -seen.topo[:, 1] * np.sin(OBLIQUITY) + seen.topo[:, 2] * np.cos(OBLIQUITY),
        ],
        axis=1,
    )
    longitude, latitude = _angles(ecliptic)
    galactic_longitude, galactic_latitude = _angles(seen.topo @ _GALACTIC.T)
    helio_range, topo_range = np.linalg.norm(seen.helio, axis=1), np.linalg.norm(seen.topo, axis=1)
    designation = [asteroids.designation(row) for row in rows.tolist()]
    identifier = asteroids.identifier[rows]
    source: dict[str, object] = {
        "ssObjectId": identifier,
        "diaSourceId": source_id,
        "designation": designation,
        "elongation": seen.elongation,
        "phaseAngle": seen.phase,
        "topoRangeRate": np.sum(seen.topo * seen.topo_velocity, axis=1) / topo_range,
        "helioRangeRate": np.sum(seen.helio * seen.helio_velocity, axis=1) / helio_range,
        "ephRa": seen.ra,
        "ephDec": seen.dec,
        "ephRate": np.hypot(seen.rate_ra, seen.rate_dec),
        "ephRateRa": seen.rate_ra,
        "ephRateDec": seen.rate_dec,
        "ephOffset": np.full(len(rows), offset * np.sqrt(2.0)),
        "diaDistanceRank": 1,
    }
    # Names before version 10 and from version 10 on.
    for names, values in (
        (("eclipticLambda", "eclLambda"), longitude),
        (("eclipticBeta", "eclBeta"), latitude),
        (("galacticL", "galLon"), galactic_longitude),
        (("galacticB", "galLat"), galactic_latitude),
        (("heliocentricDist", "helioRange"), helio_range),
        (("topocentricDist", "topoRange"), topo_range),
        (("predictedVMagnitude", "ephVmag"), seen.magnitude),
        (("residualRa", "ephOffsetRa"), np.full(len(rows), offset)),
        (("residualDec", "ephOffsetDec"), np.full(len(rows), offset)),
        (("helio_vtot",), np.linalg.norm(seen.helio_velocity, axis=1)),
        (("topo_vtot",), np.linalg.norm(seen.topo_velocity, axis=1)),
    ):
        source.update(dict.fromkeys(names, values))
    for index, coordinate in enumerate("xyz"):
        source[f"heliocentric{coordinate.upper()}"] = source[f"helio_{coordinate}"] = seen.helio[:, index]
        source[f"topocentric{coordinate.upper()}"] = source[f"topo_{coordinate}"] = seen.topo[:, index]
        source[f"heliocentricV{coordinate.upper()}"] = source[f"helio_v{coordinate}"] = seen.helio_velocity[:, index]
        source[f"topocentricV{coordinate.upper()}"] = source[f"topo_v{coordinate}"] = seen.topo_velocity[:, index]
    axis, eccentricity = asteroids.axis[rows], asteroids.eccentricity[rows]
    orbit: dict[str, object] = {
        "id": rows + 1,
        "packed_primary_provisional_designation": [name.replace("2026 ", "K26") for name in designation],
        "unpacked_primary_provisional_designation": designation,
        "ssObjectId": identifier,
        "argperi": asteroids.perihelion[rows],
        "mean_motion": _MEAN_MOTION * axis**-1.5,
        "period": axis**1.5 * 365.25,
        "g": 0.15,
    }
    for names, values in (
        (("mpcDesignation", "designation"), designation),
        (("mpcH", "h"), asteroids.absolute[rows]),
        (("epoch", "epoch_mjd"), asteroids.epoch),
        (("M", "mean_anomaly"), asteroids.anomaly[rows]),
        (("peri",), asteroids.perihelion[rows]),
        (("node",), asteroids.node[rows]),
        (("incl", "i"), asteroids.inclination[rows]),
        (("e",), eccentricity),
        (("a",), axis),
        (("q",), axis * (1.0 - eccentricity)),
    ):
        orbit.update(dict.fromkeys(names, values))
    summary: dict[str, object] = {"ssObjectId": identifier, "designation": designation, "r_H": asteroids.absolute[rows]}
    return {"ssSource": source, "mpc_orbits": orbit, "MPCORB": orbit, "ssObject": summary}

"""From the true sky at a visit to what the pipeline measures and publishes: columns of sources and objects."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.simulation import asteroids as solar_system
from broker_assets.simulation.cadence import TAI_MINUS_UTC, Fields, Instrument, Visits
from broker_assets.simulation.models import DIPOLE, Catalogue, difference_flux, flux_of

THRESHOLD = 5.0
"""Signal to noise of a detection."""
OBJECT, ASTEROID, ARTEFACT = range(3)
Columns = dict[str, Any]


class Observer:
    """Observes the catalogue during the visits of a night.

    Parameters
    ----------
    instrument : Instrument
        The survey.
    fields : Fields
        Its tiling.
    catalogue : Catalogue
        The objects; their random walks advance when they are observed.
    asteroids : Asteroids
        Moving objects.
    artefacts : float
        Spurious detections per observation of an object.
    """

    def __init__(
        self,
        instrument: Instrument,
        fields: Fields,
        catalogue: Catalogue,
        asteroids: solar_system.Asteroids,
        artefacts: float,
    ) -> None:
        self.instrument = instrument
        self.fields = fields
        self.catalogue = catalogue
        self.asteroids = asteroids
        self.artefacts = artefacts
        field = fields.containing(catalogue.ra, catalogue.dec)
        self._by_field = np.argsort(field, kind="stable")
        self._field_start = np.searchsorted(field[self._by_field], np.arange(len(fields) + 1))

    def look(self, kind: int, visits: Visits, repeat: int, generator: np.random.Generator) -> Columns:
        """Measure everything of a kind in the first or the second visits of the night's fields.

        Returns
        -------
        dict of str to array
            One row per observed source, whether detected or not, without duplicate objects.
        """
        chosen = np.flatnonzero(visits.repeat == repeat)
        find = (self._objects, self._asteroids, self._artefacts)[kind]
        rows, visit, ra, dec, true, template, width = find(visits, chosen, generator)
        count = len(rows)
        band = visits.band[visit]
        sky = flux_of(visits.depth[visit]) / THRESHOLD
        error = np.sqrt(sky**2 + np.maximum(template + true, 0.0) / self.instrument.electrons)
        noise = generator.normal(size=(5, count))
        flux = true + error * noise[0]
        snr = flux / error
        fwhm = visits.seeing[visit]
        scatter = fwhm / 2.3548 / np.maximum(np.abs(snr), 3.0) / 3600.0 + 2e-6
        cos_dec = np.cos(np.radians(dec))
        dipole = width | (generator.uniform(size=count) < 0.3) & (kind == ARTEFACT)
        reliable = generator.beta(9.0, 1.4, count)
        doubtful = generator.beta(1.2, 7.0, count)
        return {
            "kind": np.full(count, kind),
            "row": rows,
            "visit": visit,
            "band": band,
            "mjd": visits.mjd[visit],
            "ra": np.mod(ra + scatter * noise[1] / cos_dec, 360.0),
            "dec": dec + scatter * noise[2],
            "position_error": scatter,
            "flux": flux,
            "error": error,
            "snr": snr,
            "forced": flux + 0.1 * error * noise[3],
            "science": flux + template,
            "science_error": 1.01 * error,
            "template": template,
            "template_error": 0.2 * error,
            "fwhm": fwhm,
            "detector": generator.integers(0, self.instrument.detectors, count),
            "x": generator.uniform(60.0, 3900.0, count),
            "y": generator.uniform(60.0, 3900.0, count),
            "dipole": dipole,
            "reliability": np.where(dipole | (kind == ARTEFACT), doubtful, reliable),
            "chance": generator.uniform(size=count),
            "sky": sky,
            "detected": np.abs(snr) >= THRESHOLD,
        }

    def _objects(self, visits: Visits, chosen: NDArray[np.int64], generator: np.random.Generator) -> tuple[Any, ...]:
        field = visits.field[chosen]
        counts = self._field_start[field + 1] - self._field_start[field]
        visit = np.repeat(chosen, counts)
        within = np.arange(len(visit)) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = self._by_field[np.repeat(self._field_start[field], counts) + within]
        band = visits.band[visit]
        sky = flux_of(visits.depth[visit]) / THRESHOLD
        true = difference_flux(self.catalogue, rows, band, visits.mjd[visit], sky, generator)
        dipole = self.catalogue.kind[rows] == DIPOLE
        return (
            rows,
            visit,
            self.catalogue.ra[rows],
            self.catalogue.dec[rows],
            true,
            self.catalogue.host[rows, band],
            dipole,
        )

    def _asteroids(self, visits: Visits, chosen: NDArray[np.int64], generator: np.random.Generator) -> tuple[Any, ...]:
        everything = np.arange(len(self.asteroids))
        midnight = np.full(len(everything), visits.mjd[chosen].mean() if len(chosen) else 0.0)
        where = solar_system.ephemeris(self.asteroids, everything, midnight)
        visit_of_field = np.full(len(self.fields) + 1, -1)
        visit_of_field[visits.field[chosen]] = chosen
        visit = visit_of_field[self.fields.containing(where.ra, where.dec)]
        rows = np.flatnonzero(visit >= 0)
        visit = visit[rows]
        place = solar_system.ephemeris(self.asteroids, rows, visits.mjd[visit])
        template = generator.exponential(50.0, len(rows))
        return rows, visit, place.ra, place.dec, flux_of(place.magnitude), template, np.zeros(len(rows), dtype=bool)

    def _artefacts(self, visits: Visits, chosen: NDArray[np.int64], generator: np.random.Generator) -> tuple[Any, ...]:
        expected = self.artefacts * len(self.catalogue) * len(chosen) / len(self.fields)
        count = int(generator.poisson(expected)) if len(chosen) else 0
        visit = generator.choice(chosen, count) if count else np.zeros(0, dtype=np.int64)
        side = self.instrument.field_size / 2.0
        dec = self.fields.dec[visits.field[visit]] + generator.uniform(-side, side, count)
        ra = self.fields.ra[visits.field[visit]] + generator.uniform(-side, side, count) / np.cos(np.radians(dec))
        sign = np.where(generator.uniform(size=count) < 0.4, -1.0, 1.0)
        strength = generator.uniform(7.0, 40.0, count)
        true = sign * strength * flux_of(visits.depth[visit]) / THRESHOLD
        template = generator.exponential(300.0, count)
        return np.arange(count), visit, np.mod(ra, 360.0), dec, true, template, np.zeros(count, dtype=bool)


def unix_microseconds(mjd_tai: NDArray[np.float64]) -> NDArray[np.int64]:
    """MJD TAI to microseconds of the Unix epoch (UTC).

    Examples
    --------
    >>> unix_microseconds(np.array([40587.0 + 37.0 / 86400.0])).tolist()
    [0]
    """
    return np.asarray(np.round((mjd_tai - TAI_MINUS_UTC - 40587.0) * 86400e6), dtype=np.int64)


def source_columns(seen: Columns, instrument: Instrument) -> Columns:
    """Columns of `diaSource` under all names used by schema versions."""
    count = len(seen["row"])
    bands = np.array(instrument.bands)
    moment = (seen["fwhm"] / 2.3548) ** 2
    dipole = seen["dipole"]
    nowhere = np.full(count, np.nan)
    asteroid = seen["kind"] == ASTEROID
    negative = seen["flux"] < 0
    # A quarter of a degree per day, typical of the main belt.
    trail = np.where(asteroid, 0.25 * 3600.0 / 86400.0 * instrument.exposure, np.nan)
    pixels = np.round(8 + 3 * np.log10(np.abs(seen["snr"]))).astype(np.int64)
    degrees = seen["position_error"]
    processed = seen["mjd"] + 60.0 / 86400.0
    flags = {
        "pixelFlags_interpolated": seen["chance"] < 0.04,
        "pixelFlags_cr": (seen["chance"] > 0.05) & (seen["chance"] < 0.06),
        "pixelFlags_saturated": seen["science"] > 2e7,
    }
    columns: Columns = {
        "diaSourceId": seen["source_id"],
        "visit": seen["visit_id"],
        "detector": seen["detector"],
        "diaObjectId": np.ma.masked_array(seen["object_id"], mask=asteroid),
        "ssObjectId": np.ma.masked_array(seen["asteroid_id"], mask=~asteroid),
        "midpointMjdTai": seen["mjd"],
        "exposureTime": instrument.exposure,
        "ra": seen["ra"],
        "dec": seen["dec"],
        "raErr": degrees,
        "decErr": degrees,
        "ra_dec_Cov": 0.02 * degrees**2,
        "x": seen["x"],
        "y": seen["y"],
        "xErr": degrees * 3600.0 / instrument.pixel,
        "yErr": degrees * 3600.0 / instrument.pixel,
        "apFlux": seen["flux"] * 1.02,
        "apFluxErr": seen["error"] * 2.2,
        "isNegative": negative,
        "is_negative": negative,
        "snr": np.abs(seen["snr"]),
        "psfFlux": seen["flux"],
        "psfFluxErr": seen["error"],
        "psfChi2": 1681.0 + 58.0 * (seen["chance"] - 0.5),
        "psfNdata": 1681,
        "psfLnL": -0.5 * (1681.0 + 58.0 * (seen["chance"] - 0.5)),
        "psfRa": seen["ra"],
        "psfDec": seen["dec"],
        "trailFlux": np.where(asteroid, seen["flux"], np.nan),
        "trailFluxErr": np.where(asteroid, seen["error"], np.nan),
        "trailRa": np.where(asteroid, seen["ra"], np.nan),
        "trailDec": np.where(asteroid, seen["dec"], np.nan),
        "trailLength": trail,
        "trailAngle": np.where(asteroid, 360.0 * seen["chance"], np.nan),
        "trailNdata": np.where(asteroid, 200, 0),
        "dipoleMeanFlux": np.where(dipole, np.abs(seen["flux"]), np.nan),
        "dipoleMeanFluxErr": np.where(dipole, seen["error"], np.nan),
        "dipoleFluxDiff": np.where(dipole, 0.1 * seen["flux"], np.nan),
        "dipoleFluxDiffErr": np.where(dipole, 1.4 * seen["error"], np.nan),
        "dipoleLength": np.where(dipole, 3.16 * instrument.pixel, np.nan),
        "dipoleAngle": np.where(dipole, 360.0 * seen["chance"], np.nan),
        "dipoleChi2": np.where(dipole, 1700.0, np.nan),
        "dipoleNdata": np.where(dipole, 1681, 0),
        "isDipole": dipole,
        "dipoleFitAttempted": dipole,
        "scienceFlux": seen["science"],
        "scienceFluxErr": seen["science_error"],
        "templateFlux": seen["template"],
        "templateFluxErr": seen["template_error"],
        "fpBkgd": nowhere,
        "ixx": moment,
        "iyy": moment,
        "ixy": np.zeros(count),
        "ixxPSF": moment,
        "iyyPSF": moment,
        "ixyPSF": np.zeros(count),
        "extendedness": np.where(seen["kind"] == ARTEFACT, seen["chance"], 0.05 * seen["chance"]),
        "reliability": seen["reliability"],
        "reliabilityVersion": "simulated-1",
        "band": bands[seen["band"]],
        "timeProcessedMjdTai": processed,
        "time_processed": unix_microseconds(processed),
        "bboxSize": pixels,
        "pixelFlags": flags["pixelFlags_interpolated"] | flags["pixelFlags_cr"] | flags["pixelFlags_saturated"],
        **flags,
    }
    return columns


def forced_columns(seen: Columns, instrument: Instrument) -> Columns:
    """Columns of `diaForcedSource`."""
    return {
        "diaForcedSourceId": seen["source_id"],
        "diaObjectId": seen["object_id"],
        "ra": seen["object_ra"],
        "dec": seen["object_dec"],
        "x": seen["x"],
        "y": seen["y"],
        "visit": seen["visit_id"],
        "detector": seen["detector"],
        "psfFlux": seen["forced"],
        "psfFluxErr": seen["error"],
        "midpointMjdTai": seen["mjd"],
        "scienceFlux": seen["science"],
        "scienceFluxErr": seen["science_error"],
        "band": np.array(instrument.bands)[seen["band"]],
        "timeProcessedMjdTai": seen["mjd"] + 60.0 / 86400.0,
        "time_processed": unix_microseconds(seen["mjd"] + 60.0 / 86400.0),
    }


def limit_columns(seen: Columns, instrument: Instrument) -> Columns:
    """Columns of `diaNondetectionLimit` (schema 7)."""
    return {
        "ccdVisitId": seen["visit_id"] * 256 + seen["detector"],
        "midpointMjdTai": seen["mjd"],
        "band": np.array(instrument.bands)[seen["band"]],
        "diaNoise": THRESHOLD * seen["sky"],
    }


def object_columns(seen: Columns, statistics: Columns) -> Columns:
    """Columns of `diaObject`."""
    degrees = seen["position_error"]
    valid = seen["mjd"] + 60.0 / 86400.0
    return {
        "diaObjectId": seen["object_id"],
        "validityStartMjdTai": valid,
        "validityStart": unix_microseconds(valid),
        "ra": seen["object_ra"],
        "dec": seen["object_dec"],
        "raErr": degrees,
        "decErr": degrees,
        "ra_dec_Cov": 0.02 * degrees**2,
        "radecMjdTai": seen["mjd"],
        **statistics,
    }


def take(columns: Columns, rows: NDArray[np.intp]) -> Columns:
    """A selection of rows of every column."""
    return {name: values[rows] for name, values in columns.items()}


def concatenate(pieces: list[Columns]) -> Columns:
    """Concatenate pieces with the same columns."""
    return {name: np.concatenate([piece[name] for piece in pieces]) for name in pieces[0]}

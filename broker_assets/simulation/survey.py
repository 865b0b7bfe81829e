"""A simulated survey: night after night of visits, detections and alert packets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.simulation import schemas
from broker_assets.simulation.asteroids import draw_asteroids
from broker_assets.simulation.cadence import Fields, mjd_of, night_key, plan_night
from broker_assets.simulation.cutouts import CutoutSize, CutoutWriter
from broker_assets.simulation.history import EncodedHistory, History
from broker_assets.simulation.models import draw_catalogue
from broker_assets.simulation.observing import ARTEFACT, ASTEROID, OBJECT, Columns, Observer, concatenate, take
from broker_assets.simulation.photometry import ObjectStatistics
from broker_assets.simulation.places import Places, settled
from broker_assets.simulation.rubin import RubinPackets
from broker_assets.simulation.ztf import ZtfPackets

_CHUNK = 512
"""Packets assembled at a time; limits memory, does not affect the result."""


@dataclass(frozen=True, slots=True)
class SimulatedAlert:
    """One message, ready for a topic."""

    payload: bytes
    """The packet with its framing."""
    key: bytes
    """Object id in decimal; that of the asteroid if there is no object."""
    diasourceid: int
    diaobjectid: int
    """0 if there is none (solar system)."""
    midpointmjdtai: float
    night: str
    """Partition key."""


class Survey:
    """A survey of objects on the sky; the same arguments give the same survey.

    Parameters
    ----------
    seed : int
        Seed of everything; ids of surveys with other seeds (modulo 1024) are different.
    objects : int
        Objects in the footprint.
    nights : int
        Nights with alerts.
    first_night : str
        Date of the evening of the first of them, `YYYY-MM-DD`.
    history : int
        Earlier nights, observed without alerts, which give the objects a history.
    survey : {"rubin", "ztf"}
        Survey whose packets are imitated: Rubin's in Confluent framing, or ZTF's, each an Avro container.
    schema : str
        Version of the Rubin schema.
    cutouts : {"none", "small", "real"}
        See `CutoutWriter`.
    asteroids : int, optional
        Asteroids on the whole sky; default: a fifth of the objects.
    artefacts : float
        Spurious detections per observation of an object.
    schema_folder : Path, optional
        Folder of schemas; default: that of the installed `lsst-alert-packet`.
    places : Places, optional
        Galaxies and stars at which some of the objects are placed; by default, all are anywhere in the footprint.

    Raises
    ------
    ValueError
        If a number is negative or there is no such schema version.
    SchemasNotInstalled
        If there are no schemas.

    Examples
    --------
    >>> survey = Survey(seed=3, objects=300, nights=2, cutouts="none")
    >>> alert = next(survey.alerts())
    >>> alert.night, alert.payload[:5].hex()
    ('2025-10-01', '000000044d')
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        objects: int = 2000,
        nights: int = 3,
        first_night: str = "2025-10-01",
        history: int = 0,
        survey: Literal["rubin", "ztf"] = "rubin",
        schema: str = schemas.DEFAULT_VERSION,
        cutouts: CutoutSize = "small",
        asteroids: int | None = None,
        artefacts: float = 0.03,
        schema_folder: Path | None = None,
        places: Places | None = None,
    ) -> None:
        for name, value in (("seed", seed), ("objects", objects), ("nights", nights), ("history", history)):
            if value < 0:
                raise ValueError(f"{name} cannot be negative: {value}")
        self.seed = seed
        self.nights = nights
        self.history = history
        self._packets: RubinPackets | ZtfPackets = (
            ZtfPackets(seed) if survey == "ztf" else RubinPackets(schema, schema_folder)
        )
        self.instrument = self._packets.instrument
        self.start = mjd_of(date.fromisoformat(first_night))
        origin = float(self.start - history)
        generator = np.random.default_rng([seed, 0])
        self.catalogue = draw_catalogue(self.instrument, objects, origin, generator)
        if places is not None:
            # Random numbers of their own, so that everything else is as without places.
            numbers = np.random.default_rng([seed, 1])
            self.catalogue = settled(self.catalogue, places, self.instrument.declinations, numbers)
        self.asteroids = draw_asteroids(
            objects // 5 if asteroids is None else asteroids, origin, seed % 1024 * 10_000_000, generator
        )
        self.fields = Fields(self.instrument)
        self._observer = Observer(self.instrument, self.fields, self.catalogue, self.asteroids, artefacts)
        self._cutouts = CutoutWriter(cutouts, self.instrument.pixel)
        self._statistics = ObjectStatistics(objects, self.instrument.bands)
        self._object_ra, self._object_dec = np.zeros(objects), np.zeros(objects)
        self._histories: dict[int, History] = {}
        self._observed = False

    def alerts(self) -> Iterator[SimulatedAlert]:
        """All alerts, ordered by time.

        Raises
        ------
        RuntimeError
            On a second call: a survey is observed once.
        """
        if self._observed:
            raise RuntimeError("this survey has already been observed; create a new one with the same arguments")
        self._observed = True
        for day in range(self.start - self.history, self.start + self.nights):
            yield from self._night(day, silent=day < self.start)

    def truth(self) -> pa.Table:
        """True class of each object; see `Catalogue.truth`."""
        return self.catalogue.truth(self.instrument)

    def copy_schemas(self, folder: Path) -> None:
        """Copy the schemas that a reader needs to a folder; none if the packets contain theirs."""
        self._packets.copy_schemas(folder)

    def _night(self, day: int, *, silent: bool) -> Iterator[SimulatedAlert]:
        generator = np.random.default_rng([self.seed, day])
        visits = plan_night(self.instrument, self.fields, day, generator)
        key = night_key(day)
        visit_ids = int(key.replace("-", "")) * 100_000 + visits.sequence
        identifier = ((day - 51544) << 44) + (self.seed % 1024 << 34) + 1
        seen_pieces: list[Columns] = []
        statistics_pieces: list[Columns] = []
        for repeat in (0, 1):
            for kind in (OBJECT, ASTEROID, ARTEFACT):
                seen = self._observer.look(kind, visits, repeat, generator)
                count = len(seen["row"])
                seen["source_id"] = identifier + np.arange(count)
                seen["visit_id"] = visit_ids[seen["visit"]]
                identifier += count
                seen, statistics = self._associate(kind, seen, day)
                seen_pieces.append(seen)
                statistics_pieces.append(statistics)
        together = concatenate(seen_pieces)
        statistics = concatenate(statistics_pieces)
        together["statistics"] = np.cumsum(together["detected"]) - 1
        together = take(together, np.argsort(together["mjd"], kind="stable"))
        detections = np.flatnonzero(together["detected"])
        begin = 0
        for start in range(0, max(len(detections), 1), _CHUNK):
            last = start + _CHUNK >= len(detections)
            end = len(together["row"]) if last else int(detections[start + _CHUNK])
            chunk = take(together, np.arange(begin, end))
            begin = end
            yield from self._emit(key, chunk, statistics, generator, silent=silent)

    def _associate(self, kind: int, seen: Columns, day: int) -> tuple[Columns, Columns]:
        """Assign ids and update the objects; return the observations to keep, and the statistics of the detections."""
        detected = seen["detected"]
        count = len(detected)
        seen["asteroid_id"] = self.asteroids.identifier[seen["row"]] if kind == ASTEROID else np.zeros(count, np.int64)
        if kind == OBJECT:
            rows = seen["row"]
            new = detected & (self.catalogue.object_id[rows] == 0)
            self.catalogue.object_id[rows[new]] = self._packets.new_object_ids(seen["source_id"][new], day)
            self._object_ra[rows[new]], self._object_dec[rows[new]] = seen["ra"][new], seen["dec"][new]
            seen["object_id"] = self.catalogue.object_id[rows]
            seen["object_ra"], seen["object_dec"] = self._object_ra[rows], self._object_dec[rows]
            seen = take(seen, np.flatnonzero(seen["object_id"] != 0))
            found = take(seen, np.flatnonzero(seen["detected"]))
            statistics = self._detect(self._statistics, found["row"], found)
            # The point of this visit is only in the packets of later visits.
            self._statistics.force(seen["row"], seen["band"], seen["forced"], seen["error"])
            return seen, statistics
        seen = take(seen, np.flatnonzero(detected))
        count = len(seen["row"])
        seen["object_id"] = self._packets.object_ids_without_object(seen, day)
        seen["object_ra"], seen["object_dec"] = seen["ra"], seen["dec"]
        alone = ObjectStatistics(count, self.instrument.bands)
        return seen, self._detect(alone, np.arange(count), seen)

    def _detect(self, statistics: ObjectStatistics, rows: NDArray[np.int64], found: Columns) -> Columns:
        names = ("band", "mjd", "flux", "error", "science", "science_error")
        statistics.detect(rows, *(found[name] for name in names))
        return dict(statistics.columns(rows))

    def _emit(
        self, night: str, chunk: Columns, statistics: Columns, generator: np.random.Generator, *, silent: bool
    ) -> Iterator[SimulatedAlert]:
        """Extend the histories in time order, and write the packets of a part of a night."""
        found = take(chunk, np.flatnonzero(chunk["detected"]))
        points = take(chunk, np.flatnonzero(chunk["kind"] == OBJECT))
        sources = self._packets.sources(found)
        forced = self._packets.forced(points)
        limits = self._packets.limits(points)
        histories: list[EncodedHistory | None] = []
        empty = self._packets.encode_history(History())
        point = 0
        names = ("kind", "row", "mjd", "detected")
        for kind, row, mjd, detected in zip(*(chunk[name].tolist() for name in names), strict=True):
            if kind != OBJECT:
                histories.append(empty if kind == ARTEFACT else None)
                continue
            history = self._histories.setdefault(row, History())
            history.forget(mjd - self._packets.memory)
            if detected:
                histories.append(None if silent else self._packets.encode_history(history))
                history.add("source", mjd, sources[len(histories) - 1])
            elif limits:
                history.add("limit", mjd, limits[point])
            history.add("forced", mjd, forced[point])
            point += 1
        if silent:
            return
        cutouts = self._cutouts.write(
            ra=found["ra"],
            dec=found["dec"],
            x=found["x"],
            y=found["y"],
            flux=found["flux"],
            template_flux=found["template"],
            noise=found["sky"],
            fwhm=found["fwhm"] / self.instrument.pixel,
            dipole=found["dipole"],
            generator=generator,
        )
        payloads = self._packets.write(
            found, sources, histories, take(statistics, found["statistics"]), self.asteroids, cutouts
        )
        columns = (found[name].tolist() for name in ("source_id", "object_id", "mjd"))
        for payload, key, source, stationary, mjd in zip(payloads, self._packets.keys(found), *columns, strict=True):
            yield SimulatedAlert(payload, key, source, stationary, mjd, night)

"""Versions of the inputs other than packets *for one day*.

Kernels, configuration, requests, plans and instrument databases change as a whole (a new release, a new row), but most
of their content stays the same. The version of an input for a day is a digest of the part that products of that day
use. So a better kernel affects the days it covers and no others.

Products of a day use some time around it: answers to requests continue past midnight, packets are sent after the time
that they cover, the on-board clock is not UTC. `BEFORE` and `AFTER` are these margins.
"""

from __future__ import annotations

import csv
import datetime
import hashlib
import json
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import spiceypy
from numpy.typing import NDArray

from broker_assets.telemetry.archive.days import ticks_of_day
from broker_assets.telemetry.idb.database import InstrumentDatabase
from broker_assets.telemetry.idb.database_versions import MissingDatabaseVersion
from broker_assets.telemetry.inputs.ephemeris import keywords
from broker_assets.telemetry.inputs.kernels import SPACECRAFT, Kernels
from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.levels.ancillary import flown_until
from broker_assets.telemetry.products.levels.level0 import Inputs

DATABASE: Final = "instrument_database"
CONFIGURATION: Final = "instrument_configuration"
KERNELS: Final = "spice_kernels"
REQUESTS: Final = "request_table"
PLAN: Final = "observation_plan"
INPUTS: Final = (DATABASE, CONFIGURATION, KERNELS, REQUESTS, PLAN)
"""Names of the inputs, which are also the keys of their assets."""

BEFORE: Final = datetime.timedelta(minutes=10)
"""The on-board clock and UTC differ by less."""
AFTER: Final = datetime.timedelta(hours=3)
FLOWN: Final = "flown"
"""First word of the version of kernels whose positions are those flown."""
NOTHING: Final = "none"
"""Version of an input that exists but contains nothing for a day."""

_CLOCK_SAMPLES: Final = 600
"""Seconds between the samples of the clock; it is linear over hours."""
_STATE_SAMPLES: Final = 6 * 3600
"""Seconds between the samples of the positions that headers give."""
_POINTING_SAMPLES: Final = 3600
_SPACECRAFT_FRAME: Final = -144000
_INDICES: Final = ("detector/science_echan_index.csv", "elut/elut_index.csv")
_PROGRAM_INDEX: Final = "ecc/ecc_conf_index.json"
_FOR_EVER: Final = np.datetime64("9999-12-31")


@dataclass(frozen=True)
class InputVersions:
    """The inputs' versions, day by day; files that have been read are cached."""

    inputs: Inputs

    def of(self, day: datetime.date, requests: Collection[int] | None = None) -> dict[str, str]:
        """Version of each input for a day; an input that is not available then is left out.

        Parameters
        ----------
        day : date
        requests : collection of int, optional
            Identifiers of the requests answered on that day (`days.requests_of_day`); if not given, those that are in
            the table for it.

        Raises
        ------
        ConfigurationError
            If the configuration has no version.
        KernelError
            If kernels cannot be loaded.
        """
        found = {
            DATABASE: self._database(day),
            CONFIGURATION: self._configuration(day),
            KERNELS: None if self.inputs.kernels is None else _kernels(self.inputs.kernels, day),
            REQUESTS: self._requests(day, requests),
            PLAN: self._plan(day),
        }
        return {name: version for name, version in found.items() if version is not None}

    def _database(self, day: datetime.date) -> str | None:
        databases = self.inputs.databases
        if isinstance(databases, InstrumentDatabase):
            return _database_text(databases)
        first = max(ticks_of_day(day) - _ticks(BEFORE), 0)
        end = ticks_of_day(day) + clock.TICKS_PER_DAY + _ticks(AFTER)
        edges = {first} | {edge for item in databases.history for edge in (item.start, item.end) if first < edge < end}
        found: dict[str, None] = {}
        for edge in sorted(edges):
            try:
                found[_database_text(databases.at(edge >> 16, edge & 0xFFFF).database)] = None
            except MissingDatabaseVersion:
                continue
        return " + ".join(found) or None

    def _configuration(self, day: datetime.date) -> str | None:
        # No margin after: a file has the tables of its beginning.
        start, end = _utc(day) - np.timedelta64(BEFORE), _utc(day) + np.timedelta64(1, "D")
        return _digest(
            f"{table} {max(first, start)} {min(last, end)} {_file_digest(path)}"
            for table, first, last, path in self._tables
            if first < end and last > start
        )

    @cached_property
    def _tables(self) -> list[tuple[str, np.datetime64, np.datetime64, Path]]:
        return list(_tables(self.inputs.configuration.folder))

    def _requests(self, day: datetime.date, requests: Collection[int] | None) -> str:
        table = self.inputs.requests
        wanted = self._requested.get(day.isoformat(), ()) if requests is None else requests
        # A request that is not in the table yet has a version, too, which changes when its row arrives.
        return _digest(
            f"{request} {json.dumps(table.rows.get(request, []), sort_keys=True)}" for request in sorted(set(wanted))
        )

    @cached_property
    def _requested(self) -> dict[str, list[int]]:
        """Requests of the table by the days that they affect."""
        found: dict[str, list[int]] = {}
        for request, rows in self.inputs.requests.rows.items():
            for row in rows:
                try:
                    start = datetime.datetime.fromisoformat((row.get("start_utc") or "").strip().rstrip("Z"))
                except ValueError:
                    continue
                for day in {(start - AFTER).date(), (start + BEFORE).date()}:
                    found.setdefault(day.isoformat(), []).append(request)
        return found

    def _plan(self, day: datetime.date) -> str:
        start = _utc(day) - np.timedelta64(BEFORE)
        end = _utc(day) + np.timedelta64(1, "D") + np.timedelta64(AFTER)
        starts, ends, texts = self._planned
        rows = np.flatnonzero((starts < end) & (ends > start))
        return _digest(sorted({texts[row] for row in rows.tolist()}))

    @cached_property
    def _planned(self) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64], list[str]]:
        planning = self.inputs.planning
        items = [
            (item.start, item.end, f"{kind} {item.start} {item.end} {item.keywords}")
            for kind, group in (("campaign", planning.campaigns), ("observation", planning.observations))
            for item in group
        ]
        starts, ends = (np.array([item[side] for item in items], dtype="datetime64[us]") for side in (0, 1))
        return starts, ends, [text for _, _, text in items]


def _kernels(kernels: Kernels, day: datetime.date) -> str | None:
    """Clock, positions and pointing over a day, and whether they are flown; None if positions are not covered."""
    first = ticks_of_day(day) - _ticks(BEFORE)
    end = ticks_of_day(day) + clock.TICKS_PER_DAY + _ticks(AFTER)
    step = _CLOCK_SAMPLES * clock.TICKS_PER_SECOND
    times = kernels.clock.utc(np.arange(first, end + step, step))
    digest = hashlib.sha256(times.tobytes())
    with kernels.use():
        lacking = spiceypy.ktotal("SPK") > 0 and not _positions_known(times)
        digest.update("\n".join(_pointing(times)).encode())
    if lacking:
        return None
    for time in times[:: _STATE_SAMPLES // _CLOCK_SAMPLES]:
        for name, value, _ in keywords(kernels, time, time):
            if name != "SPICE_MK":
                digest.update(
                    f"{name} {value:.9g}\n".encode() if isinstance(value, float) else f"{name} {value}".encode()
                )
    return f"{_standing(kernels, day)} {digest.hexdigest()[:32]}"


def _standing(kernels: Kernels, day: datetime.date) -> str:
    """Whether positions are flown to the end of the day, as ancillary products require."""
    if kernels.issued is None:
        return "given"
    until = flown_until(kernels)
    return FLOWN if until is not None and _utc(day) + np.timedelta64(1, "D") <= until else "predicted"


def _positions_known(times: NDArray[np.datetime64]) -> bool:
    for time in (times[0], times[-1]):
        try:
            spiceypy.spkezr(str(SPACECRAFT), spiceypy.utc2et(str(time)), "J2000", "NONE", "SUN")
        except spiceypy.utils.exceptions.SpiceyError:
            return False
    return True


def _pointing(times: NDArray[np.datetime64]) -> Iterator[str]:
    if spiceypy.ktotal("CK") == 0:
        return
    for time in times[:: _POINTING_SAMPLES // _CLOCK_SAMPLES]:
        try:
            rotation = spiceypy.pxform(spiceypy.frmnam(_SPACECRAFT_FRAME), "J2000", spiceypy.utc2et(str(time)))
        except spiceypy.utils.exceptions.SpiceyError:
            yield NOTHING
        else:
            # Rounded to less than a hundredth of an arcsecond.
            yield " ".join(f"{value:.8f}" for value in np.ravel(rotation))


def _tables(folder: Path) -> Iterator[tuple[str, np.datetime64, np.datetime64, Path]]:
    """Tables of a configuration repository with the times that they are valid: index, from, until, file or folder."""
    for name in _INDICES:
        index = folder / name
        if index.is_file():
            with index.open(encoding="utf-8-sig", newline="") as stream:
                for row in list(csv.reader(stream))[1:]:
                    if len(row) >= 4 and row[3].strip():
                        start, end, file = (field.strip() for field in row[1:4])
                        until = _FOR_EVER if end == "none" else np.datetime64(end)
                        yield name, np.datetime64(start), until, index.with_name(file)
    programs = folder / _PROGRAM_INDEX
    if programs.is_file():
        for item in json.loads(programs.read_text(encoding="utf-8")):
            first, last = (np.datetime64(text[:19]) for text in item["validityPeriodUTC"])
            yield _PROGRAM_INDEX, first, last, programs.with_name(item["configuration"])


def _file_digest(path: Path) -> str:
    """Digest of a file, or of all files of a folder; a fixed text if it is missing."""
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    try:
        return _digest(f"{file.relative_to(path.parent)} {_content_digest(file, *_identity(file))}" for file in files)
    except OSError:
        return "missing"


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


@lru_cache(maxsize=1024)
def _content_digest(path: Path, modified: int, size: int) -> str:
    del modified, size
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _database_text(database: InstrumentDatabase) -> str:
    return f"{database.version} {database.sha256[:16]}"


def _digest(lines: Iterable[str]) -> str:
    text = "\n".join(lines)
    return hashlib.sha256(text.encode()).hexdigest()[:32] if text else NOTHING


def _utc(day: datetime.date) -> np.datetime64:
    return np.datetime64(day.isoformat(), "us")


def _ticks(duration: datetime.timedelta) -> int:
    return int(duration.total_seconds()) * clock.TICKS_PER_SECOND

"""Several versions of the instrument database, chosen by the on-board time of a packet."""

from __future__ import annotations

import itertools
import json
import logging
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from broker_assets.telemetry.idb.database import DatabaseError, InstrumentDatabase
from broker_assets.telemetry.idb.instrument_rules import Instrument
from broker_assets.telemetry.idb.stix_rules import STIX

logger = logging.getLogger(__name__)

HISTORY_FILE = "idbVersionHistory.json"
DATABASE_FILE = "idb.sqlite"


class MissingDatabaseVersion(DatabaseError):
    """No database version is valid at a time, or the valid one is missing."""


@dataclass(frozen=True)
class Validity:
    """A version and the half-open interval of on-board time it is valid for, 1/65536 seconds."""

    version: str
    start: int
    end: int


@dataclass(frozen=True)
class SelectedDatabase:
    """The database for some packets."""

    database: InstrumentDatabase
    valid_version: str
    """Version that was valid at the time; differs from `database.version` where a substitute is used."""


def read_history(path: Path) -> tuple[Validity, ...]:
    """Read the validity periods, ordered by start.

    Raises
    ------
    DatabaseError
        If the file is not such a list, or periods overlap.
    """
    try:
        items: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        periods = []
        for item in items:
            start, end = (int(limit["coarse"]) << 16 | int(limit["fine"]) for limit in item["validityPeriodOBT"])
            periods.append(Validity(str(item["version"]), start, end))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        raise DatabaseError(f"history of database versions {path} cannot be read: {error!r}") from error
    periods.sort(key=lambda period: period.start)
    for earlier, later in itertools.pairwise(periods):
        if later.start < earlier.end:
            raise DatabaseError(f"history {path}: versions {earlier.version} and {later.version} overlap in time")
    return tuple(periods)


class InstrumentDatabases:
    """The versions in a folder.

    Parameters
    ----------
    folder : path
        Holds `idb.sqlite` (then this one version serves every time), or folders `v2.26.34/idb.sqlite` and
        `idbVersionHistory.json`. A file whose own version differs from its folder's name counts as missing.
    instrument : Instrument
        Rules that supplement the database; names the version used instead of a missing one.
    forced : str, optional
        A version used for every time, whatever the history says.
    strict : bool
        A missing version is an error even where the substitute exists.

    Raises
    ------
    DatabaseError
        If the folder holds no database, or several and no history.
    """

    def __init__(
        self, folder: str | Path, *, instrument: Instrument = STIX, forced: str | None = None, strict: bool = False
    ) -> None:
        self.folder = Path(folder)
        self.instrument = instrument
        self.strict = strict
        self.history: tuple[Validity, ...] = ()
        self._opened: dict[str, InstrumentDatabase | str] = {}
        self._warned: set[str] = set()
        self._forced: InstrumentDatabase | None = None
        single = self.folder if self.folder.is_file() else self.folder / DATABASE_FILE
        if single.is_file():
            self._forced = InstrumentDatabase.open(single, instrument)
            if forced is not None and forced.removeprefix("v") != self._forced.version:
                raise MissingDatabaseVersion(
                    f"database version {forced} is missing: {single} is version {self._forced.version}"
                )
            return
        self.versions = sorted(path.parent.name.removeprefix("v") for path in self.folder.glob(f"v*/{DATABASE_FILE}"))
        if not self.versions:
            raise DatabaseError(f"{self.folder} holds neither {DATABASE_FILE} nor folders v<version>/{DATABASE_FILE}")
        if forced is not None:
            if forced.removeprefix("v") not in self.versions:
                known = ", ".join(self.versions)
                raise MissingDatabaseVersion(f"database version {forced} is missing: {self.folder} has {known}")
            self._forced = self.open(forced.removeprefix("v"))
        elif (self.folder / HISTORY_FILE).is_file():
            self.history = read_history(self.folder / HISTORY_FILE)
            self._starts = [period.start for period in self.history]
        elif len(self.versions) == 1:
            self._forced = self.open(self.versions[0])
        else:
            raise DatabaseError(f"{self.folder} holds versions {', '.join(self.versions)} and no {HISTORY_FILE}")

    def open(self, version: str) -> InstrumentDatabase:
        """The database of a version, read once.

        Raises
        ------
        MissingDatabaseVersion
            If the file is missing or says that it is another version.
        """
        if version not in self._opened:
            path = self.folder / f"v{version}" / DATABASE_FILE
            if not path.is_file():
                self._opened[version] = f"{path} does not exist"
            else:
                database = InstrumentDatabase.open(path, self.instrument)
                other = f"{path} says that it is version {database.version}"
                self._opened[version] = database if database.version == version else other
        found = self._opened[version]
        if isinstance(found, str):
            raise MissingDatabaseVersion(f"database version {version} is missing: {found}")
        return found

    def at(self, coarse: int, fine: int = 0) -> SelectedDatabase:
        """The database valid at an on-board time.

        Parameters
        ----------
        coarse, fine : int
            Seconds and 1/65536 seconds, with the synchronisation bit as received.

        Raises
        ------
        MissingDatabaseVersion
            If no version is valid then; or the valid one is missing and so is the substitute (or `strict` is set).
        """
        if self._forced is not None:
            return SelectedDatabase(self._forced, self._forced.version)
        time = coarse << 16 | fine
        row = bisect_right(self._starts, time) - 1
        if row < 0 or time >= self.history[row].end:
            raise MissingDatabaseVersion(f"no database version is valid at on-board time {coarse}:{fine:05d}")
        return self._select(self.history[row].version, f"{coarse}:{fine:05d}")

    def select(
        self, coarse: NDArray[np.int64], fine: NDArray[np.int64]
    ) -> list[tuple[NDArray[np.int64], SelectedDatabase | MissingDatabaseVersion]]:
        """The databases for many packets: groups of rows with their database, or the error if there is none.

        Parameters
        ----------
        coarse, fine : (n,) int64 arrays
            Seconds and 1/65536 seconds of on-board time, with the synchronisation bit as received.

        Returns
        -------
        list of ((m,) int64 array, SelectedDatabase or MissingDatabaseVersion)
            Rows of the packets, each in one group.
        """
        if self._forced is not None:
            return [(np.arange(len(coarse)), SelectedDatabase(self._forced, self._forced.version))]
        time = coarse << 16 | fine
        period = np.searchsorted(np.array(self._starts), time, side="right") - 1
        groups: list[tuple[NDArray[np.int64], SelectedDatabase | MissingDatabaseVersion]] = []
        ends = np.array([validity.end for validity in self.history])
        period = np.where((period >= 0) & (time < ends[period]), period, -1)
        for number in np.unique(period):
            rows = np.flatnonzero(period == number)
            first = f"{coarse[rows[0]]}:{fine[rows[0]]:05d}"
            try:
                if number < 0:
                    raise MissingDatabaseVersion(f"no database version is valid at on-board time {first}")
                groups.append((rows, self._select(self.history[number].version, first)))
            except MissingDatabaseVersion as missing:
                groups.append((rows, missing))
        return groups

    def _select(self, version: str, time: str) -> SelectedDatabase:
        try:
            return SelectedDatabase(self.open(version), version)
        except MissingDatabaseVersion as missing:
            substitute = self.instrument.fallback_version
            if self.strict or substitute is None or substitute == version:
                raise MissingDatabaseVersion(f"{missing}; it is valid at on-board time {time}") from missing
            database = self.open(substitute)
            if version not in self._warned:
                self._warned.add(version)
                logger.warning("%s; version %s is used instead", missing, substitute)
            return SelectedDatabase(database, version)

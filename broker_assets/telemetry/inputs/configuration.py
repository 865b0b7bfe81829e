"""The configuration repository of the instrument: energy channels by date, its version."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CHANNELS = 32
HEADER_LINE = 21
"""Lines before the header of a channel table."""


class ConfigurationError(ValueError):
    """The configuration repository lacks something or contradicts itself."""


@dataclass(frozen=True)
class EnergyChannels:
    """The science energy channels; keV."""

    lower: NDArray[np.float32]
    """(32,)"""
    upper: NDArray[np.float32]
    """(32,); NaN for the last, which has no upper end."""
    file: str


@dataclass(frozen=True)
class InstrumentConfiguration:
    """A checkout of the configuration repository; read only."""

    folder: Path

    @cached_property
    def version(self) -> str:
        """First line of VERSION.TXT.

        Raises
        ------
        ConfigurationError
            If the file is missing or empty.
        """
        try:
            return (self.folder / "VERSION.TXT").read_text(encoding="utf-8").splitlines()[0].strip()
        except (OSError, IndexError) as error:
            raise ConfigurationError(f"{self.folder / 'VERSION.TXT'} cannot be read: {error}") from error

    @cached_property
    def _periods(self) -> list[tuple[np.datetime64, np.datetime64, str]]:
        path = self.folder / "detector" / "science_echan_index.csv"
        try:
            with path.open(encoding="utf-8-sig", newline="") as stream:
                found = [[field.strip() for field in row] for row in csv.reader(stream)][1:]
        except OSError as error:
            raise ConfigurationError(f"{path} cannot be read: {error}") from error
        end = np.datetime64("9999-12-31")
        return [
            (np.datetime64(row[1]), end if row[2] == "none" else np.datetime64(row[2]), row[3])
            for row in found
            if len(row) >= 4 and row[3]
        ]

    def channels_at(self, utc: np.datetime64) -> EnergyChannels:
        """Energy channels at a time.

        Raises
        ------
        ConfigurationError
            If no table, or more than one, is valid then.
        """
        files = [file for start, end, file in self._periods if start <= utc < end]
        if len(files) != 1:
            raise ConfigurationError(f"{len(files)} tables of energy channels are valid at {utc}; one is needed")
        return self._channels(files[0])

    def tables_at(self, utc: NDArray[np.datetime64]) -> tuple[list[EnergyChannels], NDArray[np.int64]]:
        """Energy channels at times.

        Parameters
        ----------
        utc : (n,) datetime64 array

        Returns
        -------
        tables : list of EnergyChannels
            Those valid at some of the times.
        of_time : (n,) int64 array
            Index in `tables` of the table of each time.

        Raises
        ------
        ConfigurationError
            If no table, or more than one, is valid at a time.
        """
        valid = np.array([(start <= utc) & (utc < end) for start, end, _ in self._periods]).reshape(-1, len(utc))
        wrong = np.flatnonzero(valid.sum(axis=0) != 1)
        if len(wrong):
            self.channels_at(utc[wrong[0]])
        used, of_time = np.unique(valid.argmax(axis=0), return_inverse=True)
        return [self._channels(self._periods[period][2]) for period in used.tolist()], of_time.ravel()

    def _channels(self, file: str) -> EnergyChannels:
        cache: dict[str, EnergyChannels] = self.__dict__.setdefault("_tables", {})
        if file not in cache:
            path = self.folder / "detector" / file
            try:
                with path.open(encoding="utf-8-sig", newline="") as stream:
                    found = list(csv.reader(stream))[HEADER_LINE:]
            except OSError as error:
                raise ConfigurationError(f"{path} cannot be read: {error}") from error
            lower = np.full(CHANNELS, np.nan, dtype=np.float32)
            upper = np.full(CHANNELS, np.nan, dtype=np.float32)
            for row in found:
                if row and row[0].strip().isdigit() and int(row[0]) < CHANNELS:
                    lower[int(row[0])] = _number(row[3])
                    upper[int(row[0])] = _number(row[4])
            if np.isnan(lower).any():
                raise ConfigurationError(f"{path} does not give all {CHANNELS} energy channels")
            cache[file] = EnergyChannels(lower, upper, file)
        return cache[file]


def _number(text: str) -> float:
    """The number, or NaN for texts such as maxADC."""
    try:
        return float(text)
    except ValueError:
        return float("nan")

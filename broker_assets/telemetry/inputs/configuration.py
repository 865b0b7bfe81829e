"""The configuration repository of the instrument: energy channels by date, its version."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

CHANNELS = 32
HEADER_LINE = 21
"""Lines before the column titles in the channel tables of the repository; they are found wherever they are."""
_TITLES = ("channel number", "elower", "eupper")
"""Columns that are read, in lower case."""


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
        try:
            return [
                (_date(row[1]), end if row[2].lower() == "none" else _date(row[2]), row[3])
                for row in found
                if len(row) >= 4 and row[3]
            ]
        except ValueError as error:
            raise ConfigurationError(f"{path} has a date that cannot be read: {error}") from error

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
                    found = list(csv.reader(stream))
            except OSError as error:
                raise ConfigurationError(f"{path} cannot be read: {error}") from error
            lower = np.full(CHANNELS, np.nan, dtype=np.float32)
            upper = np.full(CHANNELS, np.nan, dtype=np.float32)
            rows = [[title.strip().lower() for title in row] for row in found]
            titles = next((row for row in rows if all(row.count(title) == 1 for title in _TITLES)), None)
            if titles is None:
                raise ConfigurationError(f"{path} has no line with the columns {', '.join(_TITLES)}, once each")
            channel, low, high = (titles.index(title) for title in _TITLES)
            for row in found[rows.index(titles) + 1 :]:
                if len(row) > max(channel, low, high) and re.fullmatch(r"\s*\d{1,2}\s*", row[channel], re.ASCII):
                    number = int(row[channel])
                    if number < CHANNELS:
                        lower[number], upper[number] = _number(row[low]), _number(row[high])
            if np.isnan(lower).any() or np.isnan(upper[:-1]).any():
                raise ConfigurationError(f"{path} does not give all {CHANNELS} energy channels")
            wrong = np.flatnonzero((lower[:-1] >= upper[:-1]) | (lower[1:] != upper[:-1]))
            if len(wrong):
                raise ConfigurationError(
                    f"{path}: channel {wrong[0]} ends at {upper[wrong[0]]} keV, where channel {wrong[0] + 1} does not"
                    " begin"
                )
            cache[file] = EnergyChannels(lower, upper, file)
        return cache[file]


def _date(text: str) -> np.datetime64:
    """A time; refuses the texts for no time at all, which are before nothing and after nothing."""
    time = np.datetime64(text.removesuffix("Z"))
    if np.isnat(time):
        raise ValueError(f"{text!r} is not a time")
    return time


def _number(text: str) -> float:
    """The number, or NaN for texts such as maxADC."""
    try:
        return float(text)
    except ValueError:
        return float("nan")

"""What the simulated instrument sees: a background, and flares whose spectrum and time profile depend on the energy.

Rates are counts per second of all imaging detectors together in each of the 32 science channels. A flare has a thermal
part (exponential spectrum) that rises fast and decays slowly, and a non-thermal part (power law) that comes first and
ends soon; both are shorter at higher energies. Sufficient to exercise a pipeline, not for science.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

ENERGY_EDGES: Final = (
    *range(4, 17),
    *(18, 20, 22, 25, 28, 32, 36, 40, 45, 50, 56, 63, 70, 76, 84, 100, 120, 150),
)
"""(31,) keV, edges between the 32 science channels."""
CHANNELS: Final = 32
SECONDS_PER_DAY: Final = 86400
BANDS: Final = ((1, 7), (7, 12), (12, 17), (17, 23), (23, 28))
"""First channel and the one after the last of each quick-look energy band: 4, 10, 15, 25, 50, 84 keV."""
ATTENUATOR_IN: Final = 9000.0
"""Counts per second in the lowest band above which the attenuator moves in."""
ATTENUATOR_OUT: Final = 4000.0
"""Counts per second without attenuator below which it moves out."""

_LOWER = np.array((0.0, *ENERGY_EDGES))
_UPPER = np.array((*ENERGY_EDGES, 250.0))
_MIDDLE = np.sqrt(np.maximum(_LOWER, 2.0) * _UPPER)
_WIDTH = _UPPER - _LOWER
# A beryllium window transmits little below 4 keV, an aluminium attenuator little below 15 keV.
_WINDOW = np.exp(-((4.2 / _MIDDLE) ** 3))
_ATTENUATOR = 0.02 + 0.98 * np.exp(-((11.0 / _MIDDLE) ** 3))
_LINES = np.exp(-(((_MIDDLE - 31.0) / 3.0) ** 2)) * 18.0 + np.exp(-(((_MIDDLE - 81.0) / 5.0) ** 2)) * 22.0
_BACKGROUND = _WINDOW * (9.0 * (_MIDDLE / 10.0) ** -1.1 * np.minimum(_WIDTH, 20.0) + _LINES)


def generator(seed: int, day: int, subject: str) -> np.random.Generator:
    """Random numbers for one subject on one on-board day, independent of all others.

    Examples
    --------
    >>> int(generator(1, 9000, "flares").integers(1000)) == int(generator(1, 9000, "flares").integers(1000))
    True
    """
    return np.random.default_rng([seed, day, zlib.crc32(subject.encode())])


@dataclass(frozen=True)
class Flare:
    """A flare on the Sun."""

    start: float
    """On-board seconds."""
    size: float
    """Counts per second in the lowest band at the peak, without attenuator."""
    temperature: float
    """keV."""
    hardness: float
    """Ratio of the non-thermal to the thermal part."""
    index: float
    """Index of the power law, positive."""
    rise: float
    """Seconds."""
    decay: float
    """Seconds, of the lowest energies."""
    location: tuple[int, int]
    """y and z on the disc, in steps of 4 arcmin."""

    @property
    def peak(self) -> float:
        """On-board seconds of the peak at low energies."""
        return self.start + self.rise * float(np.log1p(self.decay / self.rise))

    @property
    def end(self) -> float:
        """On-board seconds when low energies are back to a few thousandths."""
        return self.start + 5.0 * self.decay

    def rates(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 32) counts per second without attenuator.

        Parameters
        ----------
        seconds : (n,) float64 array
            On-board time, seconds.
        """
        thermal = _WINDOW * _WIDTH * np.exp(-_MIDDLE / self.temperature) / _MIDDLE
        power = np.where(_MIDDLE > 11.0, _WINDOW * _WIDTH * (_MIDDLE / 20.0) ** -self.index, 0.0)
        since = np.maximum(seconds - self.start, 0.0)[:, None]
        decay = self.decay * (8.0 / np.maximum(_MIDDLE, 8.0)) ** 0.6
        slow = _profile(since, self.rise, decay)
        fast = _profile(since, self.rise / 3.0, decay / 6.0)
        low = slice(*BANDS[0])
        thermal *= self.size / thermal[low].sum()
        power *= self.hardness * self.size / power.sum()
        return np.asarray(thermal * slow + power * fast)


def _profile(since: NDArray[np.float64], rise: float, decay: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rise and exponential decay, 1 at the peak."""
    top = rise / (rise + decay)
    peak = (1.0 - top) * top ** (rise / decay)
    return np.asarray((1.0 - np.exp(-since / rise)) * np.exp(-since / decay) / peak)


@dataclass(frozen=True)
class Sun:
    """Flares and background of a mission.

    Examples
    --------
    >>> sun = Sun.of_days(7, [9500])
    >>> quiet = sun.rates(np.array([9500.0 * 86400]))
    >>> quiet.shape, bool(quiet.min() > 0)
    ((1, 32), True)
    """

    seed: int
    flares: tuple[Flare, ...]

    @classmethod
    def of_days(cls, seed: int, days: Sequence[int]) -> Sun:
        """Some small flares a day, and a large one in its middle that moves the attenuator.

        Parameters
        ----------
        seed : int
        days : sequence of int
            On-board days since 2000-01-01.
        """
        flares: list[Flare] = []
        for day in days:
            random = generator(seed, day, "flares")
            begin = day * SECONDS_PER_DAY
            flares.append(_flare(random, begin + float(random.uniform(9.0, 15.0)) * 3600, float(random.uniform(4, 9))))
            for hour in random.choice([1, 3, 5, 17, 19, 21], size=int(random.integers(2, 5)), replace=False):
                start = begin + (float(hour) + float(random.uniform(0, 1))) * 3600
                flares.append(_flare(random, start, float(random.uniform(0.05, 0.6))))
        return cls(seed, tuple(sorted(flares, key=lambda flare: flare.start)))

    def rates(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 32) counts per second at on-board times, as measured: behind the attenuator while it is in.

        Parameters
        ----------
        seconds : (n,) float64 array
            On-board time, seconds.
        """
        inserted = self.attenuator(seconds)
        return np.where(inserted[:, None], _ATTENUATOR, 1.0) * self._unattenuated(seconds) + self.background(seconds)

    def background(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, 32) counts per second without any flare: it changes slowly by some percent.

        Parameters
        ----------
        seconds : (n,) float64 array
            On-board time, seconds.
        """
        phase = 2.0 * np.pi * seconds / SECONDS_PER_DAY
        drift = 1.0 + 0.04 * np.sin(phase + self.seed) + 0.02 * np.sin(3.3 * phase)
        return np.asarray(drift[:, None] * _BACKGROUND)

    def attenuator(self, seconds: NDArray[np.float64]) -> NDArray[np.bool_]:
        """(n,) whether the attenuator is in.

        Parameters
        ----------
        seconds : (n,) float64 array
            On-board time, seconds.
        """
        inside = np.zeros(len(seconds), dtype=np.bool_)
        for begin, end in self.attenuated:
            inside |= (seconds >= begin) & (seconds < end)
        return inside

    @property
    def attenuated(self) -> list[tuple[float, float]]:
        """On-board seconds between which the attenuator is in."""
        found = []
        for flare in self.flares:
            times = np.arange(flare.start, flare.end, 4.0)
            rate = flare.rates(times)[:, slice(*BANDS[0])].sum(axis=1)
            high = np.flatnonzero(rate > ATTENUATOR_IN)
            if len(high):
                # The motor needs twenty seconds.
                found.append((float(times[high[0]]) + 20.0, float(times[np.flatnonzero(rate > ATTENUATOR_OUT)[-1]])))
        return found

    def active(self, second: float) -> Flare | None:
        """The largest flare in progress."""
        going = [flare for flare in self.flares if flare.start <= second < flare.start + 3.0 * flare.decay]
        return max(going, key=lambda flare: flare.size, default=None)

    def _unattenuated(self, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        total = np.zeros((len(seconds), CHANNELS))
        for flare in self.flares:
            near = np.flatnonzero((seconds >= flare.start) & (seconds < flare.start + 12.0 * flare.decay))
            if len(near):
                total[near] += flare.rates(seconds[near])
        return total


def bands(rates: NDArray[Any]) -> NDArray[Any]:
    """(…, 5) sums over the quick-look energy bands.

    Parameters
    ----------
    rates : (…, 32) array
        Values of the energy channels.

    Examples
    --------
    >>> bands(np.ones((1, 32))).tolist()
    [[6.0, 5.0, 5.0, 6.0, 5.0]]
    """
    return np.stack([rates[..., first:after].sum(axis=-1) for first, after in BANDS], axis=-1)


def _flare(random: np.random.Generator, start: float, strength: float) -> Flare:
    return Flare(
        start=start,
        size=strength * 4000.0,
        temperature=float(random.uniform(1.4, 2.2)),
        hardness=float(random.uniform(0.15, 0.4)),
        index=float(random.uniform(2.8, 4.0)),
        rise=float(random.uniform(40.0, 120.0)),
        decay=float(random.uniform(300.0, 700.0)),
        location=(int(random.integers(-9, 10)), int(random.integers(-9, 10))),
    )

"""SPICE kernels: which are loaded, and the spacecraft clock as arrays.

The clock kernel (type 1) is a table of encoded ticks, parallel time (TDT) and rate, linear between entries (NAIF, *SCLK
Required Reading*); TDT to UTC needs the leap seconds only, TDT to TDB the DELTET terms (*Time Required Reading*).
Evaluated with numpy for whole columns; equality with ``spiceypy.scs2e`` is tested.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import spiceypy
from numpy.typing import NDArray

from broker_assets.telemetry.packets.clock import TICKS_PER_SECOND

logger = logging.getLogger(__name__)

SPACECRAFT: Final = -144
"""NAIF number of Solar Orbiter."""
J2000: Final = np.datetime64("2000-01-01T12:00:00", "us")
"""Epoch of SPICE seconds, read as UTC."""
META_KERNELS: Final = ("solo_ANC_soc-pred-mk_*.tm", "solo_ANC_soc-flown-mk_*.tm")
"""Predicted, then flown: what is loaded later wins where both cover a time."""
SAME_TIME: Final = 1e-6
"""Seconds by which the clock as arrays may differ from SPICE."""
_LOCK = threading.RLock()
_Contents = tuple[tuple[str, int], ...]
"""Paths of files and their modification times, ns."""
_loaded: list[_Contents] = []


class KernelError(ValueError):
    """Kernels are missing or cannot be used; the message names them."""


@dataclass(frozen=True)
class SpacecraftClock:
    """The spacecraft clock against UTC and TDB."""

    coefficients: NDArray[np.float64]
    """(n, 3) encoded ticks, TDT seconds after J2000, TDT seconds per clock second."""
    leap_seconds: NDArray[np.float64]
    """(m, 2) UTC seconds after J2000 (each day of 86400 seconds) from which on, and TAI - UTC."""
    tdt_minus_tai: float
    deltet: tuple[float, float, float, float]
    """Terms K, EB, M0, M1 of TDB - TDT."""

    def dynamical_time(self, ticks: NDArray[Any]) -> NDArray[np.float64]:
        """TDT, seconds after J2000.

        Parameters
        ----------
        ticks : (n,) integer array
            On-board time, 1/65536 seconds.
        """
        encoded = np.asarray(ticks, dtype=np.float64)
        row = np.maximum(np.searchsorted(self.coefficients[:, 0], encoded, side="right") - 1, 0)
        start, parallel, rate = self.coefficients[row].T if encoded.ndim else self.coefficients[row]
        return np.asarray(parallel + rate / TICKS_PER_SECOND * (encoded - start))

    def ephemeris_time(self, ticks: NDArray[Any]) -> NDArray[np.float64]:
        """TDB, seconds after J2000.

        Parameters
        ----------
        ticks : (n,) integer array
            On-board time, 1/65536 seconds.

        Returns
        -------
        (n,) float64 array
        """
        tdt = self.dynamical_time(ticks)
        k, eb, m0, m1 = self.deltet
        anomaly = m0 + m1 * tdt
        return np.asarray(tdt + k * np.sin(anomaly + eb * np.sin(anomaly)))

    def utc_seconds(self, ticks: NDArray[Any]) -> NDArray[np.float64]:
        """UTC, seconds after J2000, each day counted as 86400 seconds.

        Parameters
        ----------
        ticks : (n,) integer array
            On-board time, 1/65536 seconds.

        Returns
        -------
        (n,) float64 array
        """
        tai = self.dynamical_time(ticks) - self.tdt_minus_tai
        starts, offsets = self.leap_seconds.T
        row = np.maximum(np.searchsorted(starts + offsets, tai, side="right") - 1, 0)
        return np.asarray(tai - offsets[row])

    def utc(self, ticks: NDArray[Any]) -> NDArray[np.datetime64]:
        """UTC to the microsecond, nearest.

        Parameters
        ----------
        ticks : (n,) integer array
            On-board time, 1/65536 seconds.

        Returns
        -------
        (n,) datetime64[us] array
        """
        return np.asarray(J2000 + np.rint(self.utc_seconds(ticks) * 1e6).astype("timedelta64[us]"))

    def utc_day(self, ticks: NDArray[Any]) -> NDArray[np.datetime64]:
        """UTC day.

        Parameters
        ----------
        ticks : (n,) integer array
            On-board time, 1/65536 seconds.

        Returns
        -------
        (n,) datetime64[D] array
        """
        return self.utc(ticks).astype("datetime64[D]")

    def ticks_of_utc(self, utc: np.datetime64) -> int:
        """First tick whose UTC, to the microsecond, is not before a time."""
        wanted = float((utc.astype("datetime64[us]") - J2000) / np.timedelta64(1, "us")) * 1e-6 - 5e-7
        guess = np.int64(0)
        for _ in range(3):
            # The clock rate is correct to some 1e-6; the second step takes care of leap seconds.
            guess += np.int64((wanted - float(self.utc_seconds(guess))) * TICKS_PER_SECOND)  # type: ignore[arg-type]
        near = np.arange(int(guess) - 64, int(guess) + 64)
        late = np.flatnonzero(self.utc_seconds(near) >= wanted)
        return int(near[late[0]]) if len(late) else int(near[-1])


@dataclass(frozen=True)
class Kernels:
    """A set of kernel files, in the order of loading.

    SPICE keeps one pool of kernels per process; `use` makes this set the pool's content.
    """

    names: tuple[str, ...]
    """Names of the meta-kernels (in any case; headers show them in lower case), or of the files if there are none."""
    files: tuple[Path, ...]
    issued: np.datetime64 | None = None
    """Date in the name of the flown meta-kernel: later times are extrapolated."""

    @classmethod
    def of_folder(cls, folder: Path) -> Kernels:
        """Newest predicted and flown meta-kernel of a folder with `mk`, `lsk`, `sclk`, `spk`, ….

        If one names files that do not exist, as while kernels are being delivered, the previous one is used.

        Raises
        ------
        KernelError
            If there is no meta-kernel, or none of a kind with all the files that it names.
        """
        chosen: list[Path] = []
        files: tuple[Path, ...] = ()
        for pattern in META_KERNELS:
            meta, named = _newest(sorted((folder / "mk").glob(pattern), key=lambda path: path.name.lower()))
            chosen += meta
            files += named
        if not chosen:
            raise KernelError(f"{folder / 'mk'} has no meta-kernel {' or '.join(META_KERNELS)}")
        return cls(tuple(path.name for path in chosen), files, _issued(chosen[-1].name))

    @classmethod
    def of_files(cls, files: Iterable[Path]) -> Kernels:
        """Kernels by name: at least leap seconds and clock. A meta-kernel is the files that it names.

        Raises
        ------
        KernelError
            If a file does not exist.
        """
        given = tuple(Path(file) for file in files)
        missing = [str(file) for file in given if not file.is_file()]
        found: list[Path] = []
        issued = None
        for file in given:
            if str(file) in missing or file.suffix.lower() != ".tm":
                found.append(file)
                continue
            # SPICE would take its relative paths from the current folder.
            named = _kernels_of(file)
            missing += [str(kernel) for kernel in named if not kernel.is_file()]
            found += named
            issued = _issued(file.name) or issued
        if missing:
            raise KernelError(f"kernels are missing: {', '.join(missing)}")
        return cls(tuple(file.name for file in given), tuple(found), issued)

    def use(self) -> threading.RLock:
        """Load these kernels unless they are; hold the returned lock while calling SPICE.

        Raises
        ------
        KernelError
            If SPICE cannot load a kernel.
        """
        with _LOCK:
            if _loaded != [self._contents]:
                _loaded.clear()
                spiceypy.kclear()
                try:
                    for file, _ in self._contents:
                        spiceypy.furnsh(file)
                except spiceypy.utils.exceptions.SpiceyError as error:
                    raise KernelError(f"kernel {file} cannot be loaded: {error}") from error
                _loaded.append(self._contents)
        return _LOCK

    @cached_property
    def _contents(self) -> _Contents:
        # A file that is replaced under the same name is another kernel.
        return tuple((str(file.absolute()), file.stat().st_mtime_ns) for file in self.files)

    @cached_property
    def clock(self) -> SpacecraftClock:
        """The clock, read once.

        Raises
        ------
        KernelError
            If the kernels cannot be loaded, have no clock or no leap seconds, or a clock of another form (several
            partitions, offsets, parallel times that are not TDT).
        """
        with self.use():
            try:
                coefficients = spiceypy.gdpool(f"SCLK01_COEFFICIENTS_{-SPACECRAFT}", 0, 1_000_000).reshape(-1, 3)
                leaps = spiceypy.gdpool("DELTET/DELTA_AT", 0, 10_000).reshape(-1, 2)
                m0, m1 = spiceypy.gdpool("DELTET/M", 0, 2)
                k, eb, tdt = (float(spiceypy.gdpool(f"DELTET/{name}", 0, 1)[0]) for name in ("K", "EB", "DELTA_T_A"))
            except spiceypy.utils.exceptions.SpiceyError as error:
                raise KernelError(f"no clock or leap seconds in {', '.join(self.names)}: {error}") from error
            found = SpacecraftClock(
                coefficients.copy(), np.column_stack([leaps[:, 1], leaps[:, 0]]), tdt, (k, eb, float(m0), float(m1))
            )
            self._compare(found)
        return found

    def _compare(self, found: SpacecraftClock) -> None:
        """Make sure that the first and the last entry of the table mean for SPICE what they mean here."""
        entries = np.rint(found.coefficients[[0, -1], 0]).astype(np.int64)
        for ticks in np.clip(entries, 0, (1 << 48) - TICKS_PER_SECOND - 1) + TICKS_PER_SECOND:
            text = f"{ticks // TICKS_PER_SECOND}:{ticks % TICKS_PER_SECOND}"
            try:
                expected = spiceypy.scs2e(SPACECRAFT, text)
            except spiceypy.utils.exceptions.SpiceyError as error:
                raise KernelError(f"the clock in {', '.join(self.names)} does not cover {text}: {error}") from error
            difference = abs(float(found.ephemeris_time(ticks)) - expected)
            if difference > SAME_TIME:
                raise KernelError(
                    f"the clock in {', '.join(self.names)} has another form than that of Solar Orbiter (one partition"
                    f" from 0, no offsets, parallel times in TDT): SPICE reads {text} {difference:g} s differently"
                )


MOST_META_BYTES = 16 << 20
"""Bytes of a meta-kernel, at most; it lists a few hundred files."""
_TOKEN = re.compile(r"'(?:[^']|'')*'|\w+|\+?=")


def _issued(name: str) -> np.datetime64 | None:
    """Date in the name of a meta-kernel."""
    date = re.search(r"_V\d+_(\d{4})(\d{2})(\d{2})", name)
    try:
        return np.datetime64("-".join(date.groups())) if date else None
    except ValueError:  # no date
        return None


def _newest(metas: Sequence[Path]) -> tuple[list[Path], tuple[Path, ...]]:
    """The last meta-kernel whose files all exist, with its files; empty lists if there are no meta-kernels."""
    troubles = []
    for meta in reversed(metas):
        try:
            files = tuple(_kernels_of(meta))
            missing = [str(file) for file in files if not file.is_file()]
            if missing:
                raise KernelError(f"kernels are missing: {', '.join(missing)}")
        except KernelError as error:
            troubles.append(str(error))
            continue
        for trouble in troubles:
            logger.warning("%s is used instead of a newer meta-kernel: %s", meta.name, trouble)
        return [meta], files
    if troubles:
        raise KernelError(troubles[0])
    return [], ()


def _kernels_of(meta: Path) -> list[Path]:
    """Files that a meta-kernel names; relative paths are relative to its folder."""
    size = meta.stat().st_size
    if size > MOST_META_BYTES:
        raise KernelError(f"{meta} has {size:,} bytes; a meta-kernel has at most {MOST_META_BYTES:,}")
    assigned = {name: _joined(texts) for name, texts in _assigned(meta.read_text("ascii", errors="replace")).items()}
    names, values = assigned.get("PATH_SYMBOLS", []), assigned.get("PATH_VALUES", [])
    if len(names) != len(values):
        raise KernelError(f"{meta} has {len(names)} PATH_SYMBOLS and {len(values)} PATH_VALUES")
    symbols = dict(zip(names, values, strict=True))
    files = []
    for name in assigned.get("KERNELS_TO_LOAD", ()):
        for symbol in sorted(symbols, key=len, reverse=True):
            name = name.replace(f"${symbol}", symbols[symbol])
        try:
            file = (meta.parent / name).resolve()
            file.is_file()
        except (OSError, ValueError) as error:  # a name that no file can have
            raise KernelError(f"{meta} names {name[:80]!r}: {error}"[:400]) from error
        files.append(file)
    if not files:
        raise KernelError(f"{meta} names no kernels")
    return files


def _assigned(text: str) -> dict[str, list[str]]:
    r"""Texts that a kernel assigns to names; each byte is read once.

    Examples
    --------
    >>> _assigned(r"\begindata A = ( 'x', 'it''s' ) B='y' A += 'z' \begintext C='no'")
    {'A': ['x', "it''s", 'z'], 'B': ['y']}
    """
    found: dict[str, list[str]] = {}
    for part in text.split(r"\begindata")[1:]:
        word = name = ""
        for piece in _TOKEN.findall(part.split(r"\begintext", 1)[0]):
            if piece in ("=", "+="):
                name = word
                found[name] = found.get(name, []) if piece == "+=" else []
            elif piece.startswith("'"):
                found.setdefault(name, []).append(piece[1:-1])
            else:
                word = piece
    found.pop("", None)
    return found


def _joined(texts: Sequence[str]) -> list[str]:
    """Texts with those ending in + joined to what follows (the rule of meta-kernels)."""
    found: list[str] = []
    open_end = False
    for text in texts:
        if open_end:
            found[-1] += text.removesuffix("+")
        else:
            found.append(text.removesuffix("+"))
        open_end = text.endswith("+")
    return found

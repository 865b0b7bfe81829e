"""The product kinds: what is made from which packets, under which name and version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final

from broker_assets.telemetry.idb.instrument_rules import StructureKey

BASE_VERSION: Final = 2
"""Lowest version of any product."""

_SERVICES: Final = {
    1: "tc-verify",
    3: "hk",
    5: "events",
    6: "memory",
    9: "time",
    17: "conn-test",
    20: "info-dist",
    21: "ql",
    22: "context",
    236: "config",
    237: "params",
    238: "archive",
    239: "diagnostics",
}
"""Type of products without a kind of their own, by service. The original has none for 3 and 21, and fails for such
packets (3,25,4; 21,6,10)."""

DEFAULT_STEM: Final = re.compile(
    rf"(?:{'|'.join(_SERVICES.values())}|service-[0-9]{{1,3}})-[0-9]{{1,3}}(?:-[0-9]{{1,10}})?"
)
"""File stems of products without a kind of their own."""


@dataclass(frozen=True)
class ProductKind:
    """A product: one packet kind, one family of files."""

    key: StructureKey
    family: str
    """sci, ql, hk, cal, or the name of the service."""
    name: str
    builder: str
    """Which of the builders makes the tables: quicklook, pixel, …."""
    version: int = BASE_VERSION
    """Processing version of levels L0 and L1; part of the name."""
    incomplete: bool = False
    """The file grows through the day: U after the version."""
    by_request: bool = False
    energies: bool = False
    extremes: tuple[str, ...] = ()
    """Columns from which DATAMIN and DATAMAX are computed."""
    unit: str = " "
    """BUNIT."""
    fine_time: bool = False
    """Times are written in seconds, not in integer centiseconds: samples are multiples of a millisecond."""

    def version_of(self, level: str, overrides: Mapping[str, int]) -> int:
        """Processing version at a level.

        Parameters
        ----------
        level : str
            As in the name of the file: L0, L1, CAL, ….
        overrides : mapping
            Versions in place of the code's own, by level and file stem (``L1/ql-lightcurve``).

        Examples
        --------
        >>> KINDS[21, 6, 41].version_of("L1", {}), KINDS[21, 6, 41].version_of("L1", {"L1/cal-energy": 4})
        (3, 4)
        """
        own = self.version if level in ("L0", "L1") else BASE_VERSION
        return overrides.get(f"{level}/{self.file_stem}", own)

    def at(self, level: str, overrides: Mapping[str, int]) -> ProductKind:
        """This kind with the processing version that it has at a level."""
        return replace(self, version=self.version_of(level, overrides))

    @property
    def service(self) -> int:
        """Service type."""
        return self.key[0]

    @property
    def subservice(self) -> int:
        """Service subtype."""
        return self.key[1]

    @property
    def ssid(self) -> int | None:
        """Structure id."""
        return self.key[2]

    @property
    def shift_repair(self) -> bool:
        """Whether lengths of time bins may be shifted by one on board (kinds 21,6,20 to 24)."""
        return self.key[:2] == (21, 6) and self.ssid in (20, 21, 22, 23, 24)

    @property
    def file_stem(self) -> str:
        """family-name, as in file names."""
        return f"{self.family}-{self.name}".replace("_", "-")


def _science(ssid: int, name: str, builder: str, version: int = BASE_VERSION, **more: object) -> ProductKind:
    options = {"energies": True, "extremes": ("counts",), "unit": "counts"} | more
    return ProductKind((21, 6, ssid), "sci", name, builder, version, by_request=True, **options)  # type: ignore[arg-type]


def _quicklook(ssid: int, name: str, extremes: tuple[str, ...] = (), unit: str = " ") -> ProductKind:
    return ProductKind((21, 6, ssid), "ql", name, name, incomplete=True, energies=True, extremes=extremes, unit=unit)


ENERGY: Final = ProductKind((21, 6, 41), "cal", "energy", "calibrated_energy", unit="keV")
"""Kind of level CAL, which has a processing version of its own."""
EPHEMERIS: Final = ProductKind((0, 0, 1), "asp", "ephemeris", "ancillary", incomplete=True, unit="arcsec")
"""Kind of level ANC."""

KINDS: Final = {
    kind.key: kind
    for kind in (
        ProductKind((3, 25, 1), "hk", "mini", "housekeeping", incomplete=True),
        ProductKind((3, 25, 2), "hk", "maxi", "housekeeping", incomplete=True),
        _science(20, "xray-rpd", "raw_pixels"),
        _science(21, "xray-cpd", "pixels"),
        _science(22, "xray-scpd", "pixels"),
        _science(23, "xray-vis", "visibilities", extremes=(), unit=" "),
        _science(24, "xray-spec", "spectrogram", version=4),
        _science(
            42,
            "aspect-burst",
            "aspect",
            energies=False,
            extremes=("cha_diode0", "cha_diode1", "chb_diode0", "chb_diode1"),
            unit=" ",
            fine_time=True,
        ),
        _quicklook(30, "lightcurve", ("counts",), "counts"),
        _quicklook(31, "background", ("counts",), "counts"),
        _quicklook(32, "spectra", ("spectra",), "counts"),
        _quicklook(33, "variance", ("variance",)),
        _quicklook(34, "flareflag", ("loc_y", "loc_z")),
        ProductKind((21, 6, 41), "cal", "energy", "energy", 3, incomplete=True, extremes=("counts",), unit="counts"),
        _quicklook(43, "tmstatusflarelist"),
    )
}
"""Kinds with tables of their own, by packet kind."""


def kind_of(key: StructureKey) -> ProductKind:
    """The product kind of a packet kind; any other packet has the default product.

    Examples
    --------
    >>> kind_of((21, 6, 30)).file_stem, kind_of((5, 1, 33)).file_stem, kind_of((1, 1, None)).file_stem
    ('ql-lightcurve', 'events-1-33', 'tc-verify-1')
    """
    found = KINDS.get(key)
    if found is not None:
        return found
    service, subservice, ssid = key
    family = _SERVICES.get(service, f"service-{service}")
    return ProductKind(key, family, f"{subservice}-{ssid}" if ssid else f"{subservice}", "default")

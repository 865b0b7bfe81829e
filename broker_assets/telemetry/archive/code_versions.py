"""Versions of the code that makes products, which operators can override; a new version makes files stale.

A code version contains the processing versions of what is made, which are part of file names and which
`TelemetrySettings.versions` overrides, and `BUILDER`, which names do not show.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from broker_assets.telemetry.archive.days import family_of
from broker_assets.telemetry.products.kinds import (
    BASE_VERSION,
    DEFAULT_STEM,
    ENERGY,
    EPHEMERIS,
    KINDS,
    ProductKind,
)

BUILDER: Final = {"LB": 1, "L0": 3, "L1": 3, "L2": 1}
"""Raised when the content of files of a level changes under the same name: a corrected header, another encoding."""

OTHERS: Final = "others"
"""Stands for all kinds without tables of their own, of which there are as many as kinds of packets."""


BEYOND: Final = {
    "quicklook": ("LL03", KINDS[21, 6, 30]),
    "calibration": ("CAL", ENERGY),
    "auxiliary": ("ANC", EPHEMERIS),
}
"""What is made from level L1, by family: level of the files, and their kind."""


def kinds_of(family: str) -> list[ProductKind]:
    """Kinds of a family that have tables of their own."""
    return [kind for kind in KINDS.values() if family_of(kind.key) == family]


def versioned_kinds(level: str) -> set[str]:
    """Kinds with tables of their own that have a processing version at a level, as in file names.

    Examples
    --------
    >>> versioned_kinds("CAL"), "sci-xray-cpd" in versioned_kinds("L1"), versioned_kinds("LB")
    ({'cal-energy'}, True, set())
    """
    if level in ("L0", "L1"):
        return {kind.file_stem for kind in KINDS.values()}
    return {kind.file_stem for at, kind in BEYOND.values() if at == level}


def is_default_kind(level: str, stem: str) -> bool:
    """Whether a kind is that of the default product of some packets.

    Examples
    --------
    >>> is_default_kind("L1", "events-1-33"), is_default_kind("L1", "ql-nothing"), is_default_kind("CAL", "events-1")
    (True, False, False)
    """
    return level in ("L0", "L1") and DEFAULT_STEM.fullmatch(stem) is not None


def file_code_version(level: str, stem: str, overrides: Mapping[str, int]) -> str:
    """Code version of the files of one kind.

    Parameters
    ----------
    level : str
        As in the name of the file.
    stem : str
        Kind, as in the name of the file.
    overrides : mapping
        `TelemetrySettings.versions`.

    Examples
    --------
    >>> file_code_version("L1", "ql-lightcurve", {"L1/ql-lightcurve": 3})
    'ql-lightcurve 3, builder 3'
    """
    version = next((kind.version_of(level, overrides) for kind in KINDS.values() if kind.file_stem == stem), None)
    if version is None:
        version = overrides.get(f"{level}/{stem}", BASE_VERSION)
    return f"{stem} {version}, builder {_builder(level)}"


def code_version(level: str, family: str, overrides: Mapping[str, int]) -> str:
    """Code version of an asset: all files of a level and family.

    Examples
    --------
    >>> code_version("L1", "calibration", {})
    'cal-energy 3, builder 3'
    >>> code_version("L1", "auxiliary", {"L1/events-5-1": 3})
    'events-5-1 3, others 2, builder 3'
    >>> code_version("L2", "quicklook", {"LL03/ql-lightcurve": 3})
    'LL03 ql-lightcurve 3, builder 1'
    """
    if level == "LB":
        return f"packets {BASE_VERSION}, builder {_builder(level)}"
    if level == "L2":
        at, kind = BEYOND[family]
        return f"{at} {kind.file_stem} {kind.version_of(at, overrides)}, builder {_builder(level)}"
    own = {kind.file_stem: kind.version_of(level, overrides) for kind in kinds_of(family)}
    if family == "auxiliary":
        known = {kind.file_stem for kind in KINDS.values()}
        named = (key.partition("/") for key in overrides)
        own = {stem: overrides[f"{level}/{stem}"] for given, _, stem in named if given == level and stem not in known}
        own[OTHERS] = BASE_VERSION
    listed = [f"{stem} {version}" for stem, version in sorted(own.items())]
    return ", ".join([*listed, f"builder {_builder(level)}"])


def _builder(level: str) -> int:
    return BUILDER.get(level, BUILDER["L2"])

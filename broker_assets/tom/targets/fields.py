"""The fields of a target, with the names in TOM Toolkit's tables, and their valid values.

Belongs here: what one target must satisfy by itself. How targets are stored is in `store`, files in `csv_files`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from broker_assets.packets.timescales import MJD_ZERO

SIDEREAL: Final = "SIDEREAL"
NON_SIDEREAL: Final = "NON_SIDEREAL"

POSITION: Final[dict[str, tuple[float, float, str]]] = {
    "ra": (0.0, 360.0, "right ascension, degrees, ICRS"),
    "dec": (-90.0, 90.0, "declination, degrees, ICRS"),
    "epoch": (1800.0, 2200.0, "epoch of the position, Julian year"),
    "pm_ra": (-20_000.0, 20_000.0, "proper motion in right ascension, with cos(dec), mas/yr"),
    "pm_dec": (-20_000.0, 20_000.0, "proper motion in declination, mas/yr"),
    "parallax": (-1000.0, 2000.0, "parallax, mas"),
    "distance": (0.0, 1e6, "distance, Mpc"),
    "distance_err": (0.0, 1e6, "uncertainty of the distance, Mpc"),
}
"""Smallest value, largest value and meaning of fields about the position."""
ELEMENTS: Final[dict[str, tuple[float, float, str]]] = {
    "epoch_of_elements": (-1e6, 1e7, "epoch of the elements, MJD"),
    "mean_anomaly": (-360.0, 360.0, "mean anomaly, degrees"),
    "arg_of_perihelion": (-360.0, 360.0, "argument of perihelion, degrees"),
    "eccentricity": (0.0, 100.0, "eccentricity"),
    "lng_asc_node": (-360.0, 360.0, "longitude of the ascending node, degrees, J2000"),
    "inclination": (0.0, 180.0, "inclination to the ecliptic, degrees, J2000"),
    "mean_daily_motion": (0.0, 1e4, "mean daily motion, degrees/day"),
    "semimajor_axis": (-1e6, 1e6, "semimajor axis, AU"),
    "epoch_of_perihelion": (-1e6, 1e7, "epoch of perihelion, MJD"),
    "perihdist": (0.0, 1e4, "perihelion distance, AU"),
    "ephemeris_period": (0.0, 1e9, "period, days"),
    "ephemeris_period_err": (0.0, 1e9, "uncertainty of the period, days"),
    "ephemeris_epoch": (-1e7, 1e8, "epoch of the ephemeris, days"),
    "ephemeris_epoch_err": (0.0, 1e8, "uncertainty of that epoch, days"),
}
"""The same for orbital elements and ephemerides."""
_DATES: Final = ("epoch_of_elements", "epoch_of_perihelion")
"""MJD, though much software gives Julian dates."""
_JULIAN_DATE: Final = (2_000_000.0, 3_000_000.0)
"""Julian dates of the years 764 to 3501; as MJD they would be of the years 7334 to 10072."""
_ORBIT: Final = ("epoch_of_elements", "inclination", "lng_asc_node", "arg_of_perihelion", "eccentricity")
SCHEMES: Final[dict[str, tuple[str, ...]]] = {
    "MPC_MINOR_PLANET": (*_ORBIT, "semimajor_axis", "mean_anomaly"),
    "MPC_COMET": (*_ORBIT, "perihdist", "epoch_of_perihelion"),
    "JPL_MAJOR_PLANET": (*_ORBIT, "semimajor_axis", "mean_anomaly", "mean_daily_motion"),
}
"""Elements that each scheme needs."""
COLUMNS: Final = frozenset({"name", "type", "scheme", "diaobjectid", *POSITION, *ELEMENTS})
"""Columns of files that are fields."""
COMPUTED: Final = frozenset({"id", "created", "modified", "galactic_lng", "galactic_lat", "permissions"})
"""Columns of files that are not read."""
LONGEST_NAME: Final = 256
LONGEST_TEXT: Final = 10_000
MOST_TEXTS: Final = 200
"""Most aliases, tags or further fields of a target."""
_DECIMAL: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


class BadTarget(ValueError):
    """A target is not valid; the message says which field is wrong and why."""


@dataclass(frozen=True)
class Draft:
    """A target that has been checked, but not stored."""

    name: str
    type: str = SIDEREAL
    position: Mapping[str, float] = field(default_factory=dict)
    """Values of `POSITION` that are known."""
    scheme: str = ""
    elements: Mapping[str, float] = field(default_factory=dict)
    """Values of `ELEMENTS` that are known."""
    aliases: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    extras: Mapping[str, str] = field(default_factory=dict)
    diaobjectid: int | None = None
    public: bool = False


def checked(given: Mapping[str, Any]) -> Draft:
    """Check a target.

    Parameters
    ----------
    given : mapping
        `name`; fields of `POSITION` and `ELEMENTS` as numbers or texts, `type`, `scheme`; `aliases` and `tags`, lists
        of texts; `extras`, texts by name; `diaobjectid`, `public`. Fields that are None or empty are not known. Epochs
        of elements and of perihelion that are Julian dates, 2,000,000 to 3,000,000, become MJD.

    Returns
    -------
    Draft

    Raises
    ------
    BadTarget
        If it is not valid; the message names the first wrong field.

    Examples
    --------
    >>> found = checked({"name": " M 1 ", "ra": "83.633", "dec": 22.0145, "aliases": ["NGC 1952", "m 1"]})
    >>> found.name, found.type, found.position, found.aliases
    ('M 1', 'SIDEREAL', {'ra': 83.633, 'dec': 22.0145}, ('NGC 1952',))
    """
    name = _line("name", given.get("name"))
    if not name:
        raise BadTarget("name: a target needs one")
    position = _numbers(POSITION, given)
    elements = _numbers(ELEMENTS, given)
    for element in _DATES:
        if _JULIAN_DATE[0] <= elements.get(element, 0.0) <= _JULIAN_DATE[1]:
            elements[element] -= MJD_ZERO
    scheme = _line("scheme", given.get("scheme")).upper()
    kind = _line("type", given.get("type")).upper().replace("-", "_").replace(" ", "_")
    if not kind:
        kind = SIDEREAL if "ra" in position or not scheme else NON_SIDEREAL
    if kind == SIDEREAL:
        for needed in ("ra", "dec"):
            if needed not in position:
                raise BadTarget(f"{needed}: a sidereal target needs its position")
    elif kind == NON_SIDEREAL:
        if scheme not in SCHEMES:
            said = f"{scheme!r} is not known" if scheme else "a target that moves needs one"
            raise BadTarget(f"scheme: {said}; there are {', '.join(SCHEMES)}")
        missing = [element for element in SCHEMES[scheme] if element not in elements]
        if missing:
            raise BadTarget(f"{missing[0]}: {scheme} needs it")
    else:
        raise BadTarget(f"type: {kind[:40]!r} is neither {SIDEREAL} nor {NON_SIDEREAL}")
    if scheme and scheme not in SCHEMES:
        raise BadTarget(f"scheme: {scheme[:40]!r} is not known; there are {', '.join(SCHEMES)}")
    if "ra" in position:
        position["ra"] %= 360.0
    return Draft(
        name=name,
        type=kind,
        position=position,
        scheme=scheme,
        elements=elements,
        aliases=tuple(one for one in texts("aliases", given.get("aliases")) if one.lower() != name.lower()),
        tags=texts("tags", given.get("tags")),
        extras=_extras(given.get("extras")),
        diaobjectid=_object(given.get("diaobjectid")),
        public=bool(given.get("public")),
    )


def is_reserved(name: str) -> bool:
    """Whether this name is not allowed for a further field, since a column of files with it has another meaning.

    Examples
    --------
    >>> is_reserved("Name2"), is_reserved("ra"), is_reserved("class")
    (True, True, False)
    """
    plain = name.lower()
    return plain in COLUMNS | COMPUTED | {"groups", "tags"} or plain.startswith("name")


def texts(what: str, given: Any) -> tuple[str, ...]:
    """Texts without surrounding blanks, each once regardless of case; empty ones are left out.

    Raises
    ------
    BadTarget
        If there are too many, or one is too long.
    """
    found: dict[str, str] = {}
    for one in given or ():
        text = _line(what, one)
        if text:
            found.setdefault(text.lower(), text)
    if len(found) > MOST_TEXTS:
        raise BadTarget(f"{what}: {len(found)} are too many; at most {MOST_TEXTS}")
    return tuple(found.values())


def number(name: str, value: Any, least: float, most: float) -> float:
    """Read a number between two limits from a number or a text.

    Raises
    ------
    BadTarget
        If it is not such a number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise BadTarget(f"{name}: {str(value)[:40]!r} is not a number")
    if isinstance(value, str) and not _DECIMAL.fullmatch(value.strip().replace("−", "-")):
        raise BadTarget(f"{name}: {value.strip()[:40]!r} is not a number")
    found = float(value.strip().replace("−", "-") if isinstance(value, str) else value)
    if not math.isfinite(found) or not least <= found <= most:
        raise BadTarget(f"{name}: {found:g} is not from {least:g} to {most:g}")
    return found


def _numbers(limits: Mapping[str, tuple[float, float, str]], given: Mapping[str, Any]) -> dict[str, float]:
    known = {name: given[name] for name in limits if given.get(name) is not None and given[name] != ""}
    return {
        name: number(name, value, limits[name][0], limits[name][1])
        for name, value in known.items()
        if not (isinstance(value, str) and not value.strip())
    }


def _line(what: str, given: Any) -> str:
    if given is None:
        return ""
    text = " ".join(str(given).split())
    if "\0" in text:
        raise BadTarget(f"{what}: a text cannot have a NUL character")
    if len(text) > LONGEST_NAME:
        raise BadTarget(f"{what}: {text[:30]!r}… has {len(text)} characters; at most {LONGEST_NAME}")
    return text


def _extras(given: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in (given or {}).items():
        key, text = _line("name of a further field", name), "" if value is None else str(value).strip()
        if not key or not text:
            continue
        if is_reserved(key):
            raise BadTarget(f"{key}: a further field cannot have this name")
        if len(text) > LONGEST_TEXT or "\0" in text:
            raise BadTarget(f"{key}: the text is too long, or has a NUL character")
        found[key] = text
    if len(found) > MOST_TEXTS:
        raise BadTarget(f"{len(found)} further fields are too many; at most {MOST_TEXTS}")
    return found


def _object(given: Any) -> int | None:
    if given is None or given == "":
        return None
    text = str(given).strip()
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 2**63:
        raise BadTarget(f"diaobjectid: {text[:40]!r} is not the number of an object")
    return int(text)

"""The meaning of the columns of a watchlist file, from the names in its first line, if it has names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from broker_assets.sky.quoting import quoted

_RA: Final = frozenset({
    "ra", "raj2000", "ra_j2000", "ra_icrs", "raicrs", "right_ascension", "rightascension", "alpha", "ramean",
})  # fmt: skip
_DEC: Final = frozenset({
    "dec", "decl", "de", "dej2000", "de_j2000", "decj2000", "dec_j2000", "de_icrs", "deicrs", "dec_icrs",
    "declination", "delta", "decmean",
})  # fmt: skip
_NAMES: Final = ("name", "id")
"""Columns for the name of a cone, the preferred one first."""
_RADIUS: Final = "radius"
_DEGREES: Final = frozenset({"deg", "degree", "degrees", "d", "°", "dms", "d:m:s", "dd:mm:ss"})
_HOURS: Final = frozenset({"h", "hour", "hours", "hr", "hrs", "hms", "h:m:s", "hh:mm:ss"})
_RADIUS_UNITS: Final = {
    "": 1.0, "arcsec": 1.0, "arcseconds": 1.0, "arcsecond": 1.0, "as": 1.0, '"': 1.0, "arcmin": 60.0,
    "arcminutes": 60.0, "arcminute": 60.0, "'": 60.0, "deg": 3600.0, "degrees": 3600.0, "degree": 3600.0,
}  # fmt: skip
_UNITS: Final = _DEGREES | _HOURS | _RADIUS_UNITS.keys()
_WITH_UNIT = re.compile(r"([a-z_0-9]{1,30}?)(?:[ _]?[\[(]([^\])]{1,20})[\])]|_([a-z]{1,12}))?")
_WORD = re.compile(r"[A-Za-z_]")


class UnknownColumns(ValueError):
    """The first line names columns, but not all that are needed, or not clearly; the message says which."""


class UnknownUnit(UnknownColumns):
    """A column that is needed has a unit that is not understood."""


@dataclass(frozen=True)
class Columns:
    """Places of the columns, from 0."""

    number: int
    """Columns in a line, at most."""
    ra: int
    dec: int
    name: int | None
    radius: int | None
    shown: str
    """Description of the columns."""
    ra_unit: Literal["", "degrees", "hours"] = ""
    """Unit of right ascension, if it is named; otherwise decimal numbers are degrees and sexagesimal ones hours."""
    radius_unit: float = 1.0
    """arcsec."""


WITHOUT_NAMES: Final = Columns(4, 0, 1, 2, 3, "`RA, Dec[, name[, radius]]`")
"""The columns of a file whose first line does not name them."""


def columns_of(tokens: list[str]) -> Columns | None:
    """The columns that the first line of a file names, in any order; None if it names none.

    ``ra, dec`` and the names of catalogues for them (``RAJ2000``, ``DE_ICRS``, …), optionally ``name`` (or ``id``) and
    ``radius``; with units (``ra_deg``, ``RA [hours]``, ``radius (arcmin)``). Others are ignored, but for one that may
    be a radius in a file without `radius`.

    Raises
    ------
    UnknownColumns
        If the line has names, but not exactly one column each for right ascension and declination, or an unknown unit:
        the order of the columns would then be a guess. Or if a column may be the radius, which would be lost.

    Examples
    --------
    >>> columns_of(["Name", "RA_deg", "Dec_deg"]).ra
    1
    >>> columns_of(["10.5", "-3.25", "NGC 1"]) is None
    True
    """
    named = [_named(token) for token in tokens]
    ra = [at for at, (name, _) in enumerate(named) if name in _RA]
    dec = [at for at, (name, _) in enumerate(named) if name in _DEC]
    if not ra and not dec:
        if len(tokens) > 1 and all(_WORD.match(token) for token in tokens[:2]):
            raise UnknownColumns(
                f"the first line names columns, {quoted(', '.join(tokens))}, but none for right ascension and"
                " declination; call them ra and dec"
            )
        return None
    if len(ra) != 1 or len(dec) != 1:
        raise UnknownColumns(
            f"the first line names {len(ra)} columns for right ascension and {len(dec)} for declination; name one"
            " each, ra and dec"
        )
    radius = [at for at, (name, _) in enumerate(named) if name == _RADIUS]
    unclear = [token for token, (name, _) in zip(tokens, named, strict=True) if _is_like_radius(name)]
    if unclear and not radius:
        raise UnknownColumns(
            f"the column {quoted(unclear[0], 40)} may be the radius of cones; call it radius, radius_arcmin or"
            " radius_deg (without a unit it is in arcsec), or remove it"
        )
    if len(radius) > 1:
        raise UnknownColumns(f"the first line names {len(radius)} columns for the radius; name one")
    names = [at for wanted in _NAMES for at, (name, unit) in enumerate(named) if name == wanted and not unit]
    ra_unit, dec_unit = named[ra[0]][1], named[dec[0]][1]
    if ra_unit not in {"", *_DEGREES, *_HOURS} or dec_unit not in {"", *_DEGREES}:
        raise UnknownUnit(
            f"the units of {tokens[ra[0]]!r} and {tokens[dec[0]]!r} are not understood; right ascension is in degrees"
            " or hours, declination in degrees"
        )
    unit = _RADIUS_UNITS.get(named[radius[0]][1]) if radius else 1.0
    if unit is None:
        raise UnknownUnit(f"the unit of {tokens[radius[0]]!r} is not understood; arcsec, arcmin and deg are")
    return Columns(
        len(tokens), ra[0], dec[0], names[0] if names else None, radius[0] if radius else None,
        quoted(", ".join(tokens)), "hours" if ra_unit in _HOURS else "degrees" if ra_unit else "", unit,
    )  # fmt: skip


def _is_like_radius(name: str) -> bool:
    """Whether a name that is not `radius` may be that of the radius of cones (`match_radius`, `radius/arcsec`)."""
    return name == "rad" or not {"radius", "radii"}.isdisjoint(re.split(r"[^a-z]+", name))


def _named(token: str) -> tuple[str, str]:
    """Name and unit of a column, in lower case."""
    plain = " ".join(token.lower().split())
    if "(" not in plain and "[" not in plain:
        plain = plain.replace(" ", "_")
    if plain.lstrip("_") in _RA | _DEC or plain in (*_NAMES, _RADIUS):
        return plain.lstrip("_"), ""
    found = _WITH_UNIT.fullmatch(plain)
    if found is None:
        return plain, ""
    name, bracketed, unit = found[1].strip("_"), found[2], found[3]
    if bracketed is None and unit is not None and unit not in _UNITS:
        return plain, ""  # another column, such as ra_error
    return name, (bracketed or unit or "").strip()

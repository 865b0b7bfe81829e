"""Angles as people write them: decimal degrees, or sexagesimal with colons, spaces or marks; all else is refused."""

from __future__ import annotations

import math
import re
from typing import Final

_DECIMAL = re.compile(r"[+-]?(?:\d{1,40}\.?\d{0,40}|\.\d{1,40})(?:e[+-]?\d{1,3})?", re.ASCII)
_WITH_UNIT = re.compile(r"(.*?)\s*(h|hours?|d|deg|degrees?|[°º˚])", re.ASCII)
_SECONDS: Final = r"(\d{1,2}(?:\.\d{0,40})?)"
_SEXAGESIMAL: Final = {
    # Marks of the parts decide whether the first is hours or degrees; without marks the column does.
    "": re.compile(rf"([+-]?)(\d{{1,3}})(?::(\d{{1,2}}):{_SECONDS}|\s+(\d{{1,2}})\s+{_SECONDS})", re.ASCII),
    "h": re.compile(rf"([+-]?)(\d{{1,3}})\s?h\s*(?:{_SECONDS}\s?m|(\d{{1,2}})\s?m\s*{_SECONDS}\s?s?)", re.ASCII),
    "d": re.compile(
        rf"([+-]?)(\d{{1,3}})\s?(?:d|deg|[°º˚])\s*"
        rf"(?:{_SECONDS}\s?[m'′’]|(\d{{1,2}})\s?[m'′’]\s*{_SECONDS}\s?(?:[s\"″”]|''|′′)?)",
        re.ASCII,
    ),
}
_LONGEST = 200
"""Characters, at most; keeps the search short whatever the text is."""


def decimal_number(text: str) -> float:
    """Parse a decimal number of ASCII digits, as other programs write it; Python's own parser accepts more.

    Raises
    ------
    ValueError
        If it is not a number or not finite.

    Examples
    --------
    >>> decimal_number(" -1.5e2")
    -150.0
    """
    plain = _plain(text)
    if not _DECIMAL.fullmatch(plain):
        raise ValueError(f"{text!r} is not a decimal number")
    return _finite(plain)


def parse_angle(text: str, *, hours: bool, decimal_hours: bool = False) -> float:
    """Parse an angle in decimal degrees or sexagesimal format; return degrees.

    Parameters
    ----------
    text : str
        ``12.5``, ``12.5d``, ``00:50:00.0``, ``-29 39 06.9``, ``12h30m00s``, ``-29°39′06.9″``.
    hours : bool
        The angle is a right ascension: sexagesimal numbers without marks are hours, and marks of hours may occur.
    decimal_hours : bool
        Decimal numbers without a unit are hours, too.

    Raises
    ------
    ValueError
        If the text is none of these.

    Examples
    --------
    >>> parse_angle("00:50:00", hours=True), parse_angle("-00:30:00", hours=False)
    (12.5, -0.5)
    >>> parse_angle("10d30m", hours=True), parse_angle("0h30m", hours=True)
    (10.5, 7.5)
    """
    plain = _plain(text)
    if _DECIMAL.fullmatch(plain):
        return _finite(plain) * (15.0 if decimal_hours else 1.0)
    unit = _WITH_UNIT.fullmatch(plain)
    if unit is not None and _DECIMAL.fullmatch(unit[1]):
        is_hours = unit[2].startswith("h")
        _refuse_hours(text, is_hours and not hours)
        return _finite(unit[1]) * (15.0 if is_hours else 1.0)
    for mark, form in _SEXAGESIMAL.items():
        found = form.fullmatch(plain)
        if found is not None:
            sign, *parts = (part for part in found.groups() if part is not None)
            is_hours = mark == "h" or (mark == "" and hours)
            _refuse_hours(text, is_hours and not hours)
            value = _in_degrees(text, [float(part) for part in parts], is_hours)
            return -value if sign == "-" else value
    raise ValueError(f"{text!r} is neither decimal degrees nor sexagesimal")


def parse_position(ra: str, dec: str) -> tuple[float, float]:
    """Parse a position; return right ascension, in [0, 360), and declination, degrees.

    Parameters
    ----------
    ra, dec : str
        See `parse_angle`; a right ascension has at most one turn.

    Raises
    ------
    ValueError
        If either is not an angle, or is outside.

    Examples
    --------
    >>> parse_position("-0:10:00", "-05:30:00")
    (357.5, -5.5)
    """
    longitude, latitude = parse_angle(ra, hours=True), parse_angle(dec, hours=False)
    if not -360.0 <= longitude <= 360.0:
        raise ValueError(f"right ascension {ra} is outside [-360, 360] degrees")
    if not -90.0 <= latitude <= 90.0:
        raise ValueError(f"declination {dec} is outside [-90, 90] degrees")
    return longitude % 360.0, latitude


def _plain(text: str) -> str:
    """A text in lower case with an ASCII minus sign."""
    if len(text) > _LONGEST:
        raise ValueError(f"{text[:40]!r}… is too long for a number")
    return text.strip().lower().replace("\N{MINUS SIGN}", "-")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text!r} is not a decimal number that can be represented")
    return value


def _in_degrees(text: str, parts: list[float], is_hours: bool) -> float:
    if max(parts[1:]) >= 60.0:
        raise ValueError(f"{text!r} has minutes or seconds of 60 or more")
    if is_hours and parts[0] >= 24:
        raise ValueError(f"{text!r} has hours of 24 or more")
    value = sum(part / 60.0**place for place, part in enumerate(parts))
    return value * (15.0 if is_hours else 1.0)


def _refuse_hours(text: str, wrong: bool) -> None:
    if wrong:
        raise ValueError(f"{text!r} is in hours, which only a right ascension may be")


def sexagesimal(ra: float, dec: float) -> tuple[str, str]:
    """A position as hours and degrees with colons, to a millisecond of time and a hundredth of an arcsecond.

    Parameters
    ----------
    ra, dec : float
        Degrees; `ra` in [0, 360), `dec` from −90 to 90.

    Examples
    --------
    >>> sexagesimal(9.057050, -44.117974)
    ('00:36:13.692', '-44:07:04.71')
    >>> sexagesimal(359.9999999, -0.5)
    ('00:00:00.000', '-00:30:00.00')
    """
    milliseconds = round(ra % 360.0 * 240_000.0) % 86_400_000
    hundredths = round(abs(dec) * 360_000.0)
    seconds, thousandth = divmod(milliseconds, 1000)
    minutes, second = divmod(seconds, 60)
    hour, minute = divmod(minutes, 60)
    arcseconds, hundredth = divmod(hundredths, 100)
    arcminutes, arcsecond = divmod(arcseconds, 60)
    degree, arcminute = divmod(arcminutes, 60)
    sign = "-" if dec < 0 else "+"
    return (
        f"{hour:02d}:{minute:02d}:{second:02d}.{thousandth:03d}",
        f"{sign}{degree:02d}:{arcminute:02d}:{arcsecond:02d}.{hundredth:02d}",
    )

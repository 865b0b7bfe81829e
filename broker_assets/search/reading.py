"""What a text in the search box may mean: names, identifiers, positions, designations, files and nights.

A text is read in every possible way; with a prefix (`id: src: tns: sso: file: night:`), only in one.
"""

from __future__ import annotations

import datetime
import math
import re
import unicodedata
from dataclasses import dataclass
from typing import Final, Literal

import erfa  # type: ignore[import-untyped]

from broker_assets.packets.designations import NotADesignation, designation
from broker_assets.packets.identifiers import ztf_object_id
from broker_assets.sky.angles import decimal_number, parse_angle

Kind = Literal["object", "source", "TNS name", "position", "solar system", "file", "night"]

PREFIXES: Final[dict[str, Kind]] = {
    "id": "object",
    "src": "source",
    "tns": "TNS name",
    "sso": "solar system",
    "file": "file",
    "night": "night",
}
"""Prefix in the search box: the meaning that it forces."""
RADIUS: Final = 5.0
"""Default radius of a search around a position, arcsec."""
LARGEST: Final = 36_000.0
"""Largest radius, arcsec."""
LONGEST: Final = 200
"""Characters of a text; longer ones are truncated."""

_INTEGER: Final = re.compile(r"-?\d{1,19}", re.ASCII)
_ZTF: Final = re.compile(r"ZTF(\d\d)([a-z]{7})", re.IGNORECASE | re.ASCII)
_TNS: Final = re.compile(r"(?:[A-Z]{2,4}[ _-]?)?(\d{4}) ?([a-z]{1,7})", re.IGNORECASE | re.ASCII)
_NAME: Final = re.compile(r"[a-z'][a-z' -]{1,22}[a-z]", re.IGNORECASE | re.ASCII)
"""Names of minor planets have 3 to 24 characters."""
_NIGHT: Final = re.compile(r"(\d{4})-(\d\d)-(\d\d)", re.ASCII)
_IAU: Final = re.compile(
    r"(?:(?=[A-Z0-9+-]*[A-Z])[A-Z0-9+-]{2,20} ?)?J(\d\d)(\d\d)(?:(\d\d)(\.\d{1,4})?|(\.\d))?"
    r"([+-])(\d\d)(\d\d)(?:(\d\d)(\.\d{1,4})?)?",
    re.IGNORECASE | re.ASCII,
)
"""Designation of a source by its position (IAU recommendations for nomenclature, "Jhhmmss.s±ddmmss")."""
_GALACTIC: Final = re.compile(r"(?:gal(?:actic)? ?[:=]? ?|l ?[:=]? ?)(?=[\d.+-])", re.IGNORECASE | re.ASCII)
_LATITUDE: Final = re.compile(r"[ ,]{0,2}(?<![a-z])b ?[:=]? ?(?=[\d.+-])", re.IGNORECASE | re.ASCII)
_FILE: Final = re.compile(r"[^\s/\\]*[A-Za-z_][^\s/\\]*", re.ASCII)
_RADIUS: Final = re.compile(
    r"""(\d{1,6}(?:\.\d{0,9})?|\.\d{1,9})\s?(["″”s]|''|arcsec|['′’m]|arcmin|d|°|deg)?""", re.ASCII
)
_UNITS: Final = {"'": 60.0, "′": 60.0, "’": 60.0, "m": 60.0, "arcmin": 60.0, "d": 3600.0, "°": 3600.0, "deg": 3600.0}
"""Arcseconds per unit; all other units count as arcseconds."""
_LIKE_NUMBERS: Final = re.compile(
    r"""(?:night\s*:\s*)?[+-]?\d[\d\s.,|:+\-eEhms°d'"′″’”]*(?:arcsec|arcmin|deg)?""", re.ASCII | re.IGNORECASE
)
"""Texts that can only be meant as positions or nights."""
_MINUS: Final = str.maketrans(dict.fromkeys("−–—‐‑‒﹣－", "-") | dict.fromkeys("\u200b\u200c\u200d\ufeff\u2060", None))


@dataclass(frozen=True)
class Reading:
    """One meaning of a text."""

    kind: Kind
    said: str
    """The meaning in words."""
    number: int = 0
    """Identifier of an object or source."""
    name: str = ""
    """TNS name without prefix, designation, file name with `*` for any characters, or night."""
    ra: float = 0.0
    """ICRS, degrees; of positions."""
    dec: float = 0.0
    """ICRS, degrees."""
    radius: float = 0.0
    """Arcsec."""


def plain(text: str) -> str:
    """A text with single spaces, plain minus signs and no invisible characters, at most `LONGEST` characters.

    Examples
    --------
    >>> plain("  10.5 \\u22125.25\\u200b ")
    '10.5 -5.25'
    """
    cleaned = "".join(" " if character.isspace() else character for character in text.translate(_MINUS))
    cleaned = "".join(character for character in cleaned if unicodedata.category(character) not in ("Cc", "Cf"))
    return " ".join(cleaned.split())[:LONGEST]


def read(text: str) -> list[Reading]:
    """Every meaning of a text, the likeliest first; empty if it has none.

    Parameters
    ----------
    text : str
        As it was typed: in any case, with any minus sign.

    Examples
    --------
    >>> [one.kind for one in read("168110947020308481")]
    ['object', 'source']
    >>> read("sn 2023IXF")[0].name
    '2023ixf'
    >>> [(one.ra, one.dec, one.radius) for one in read("12:30:00, -30:00:00 1'")]
    [(187.5, -30.0, 60.0)]
    """
    cleaned = plain(text)
    prefix, colon, rest = cleaned.partition(":")
    forced = PREFIXES.get(prefix.strip().lower()) if colon else None
    if forced is not None:
        cleaned = rest.strip()
    if not cleaned:
        return []
    found = [*_numbers(cleaned), *_names(cleaned), *_positions(cleaned), *_solar_system(cleaned), *_nights(cleaned)]
    if forced == "file" or (forced is None and _is_file(cleaned, found)):
        found.append(Reading("file", f"file {cleaned}", name=cleaned))
    return [one for one in found if forced is None or one.kind == forced]


def _numbers(text: str) -> list[Reading]:
    if not _INTEGER.fullmatch(text):
        return []
    number = int(text)
    if number == 0 or not -(2**63) <= number < 2**63:
        return []
    return [
        Reading("object", f"object with diaObjectId {number}", number=number),
        Reading("source", f"source with diaSourceId {number}", number=number),
    ]


def _names(text: str) -> list[Reading]:
    ztf = _ZTF.fullmatch(text)
    if ztf is not None:
        name = f"ZTF{ztf[1]}{ztf[2].lower()}"
        return [Reading("object", f"object {name}", number=int(ztf_object_id([name])[0]), name=name)]
    tns = _TNS.fullmatch(text)
    if tns is None:
        return []
    name = tns[1] + (tns[2].upper() if len(tns[2]) == 1 else tns[2].lower())
    return [Reading("TNS name", f"{name} of the Transient Name Server", name=name)]


def position(said: str, ra: float, dec: float, radius: float) -> Reading:
    """The meaning of a position.

    Parameters
    ----------
    said : str
        What is at the position, in words; may be empty.
    ra, dec : float
        ICRS, degrees.
    radius : float
        Of the search, arcsec.
    """
    where = f"position RA {ra:.6f}°, Dec {dec:+.6f}° (ICRS), radius {radius:g}″"
    return Reading("position", f"{said}, {where}" if said else where, ra=ra % 360.0, dec=dec, radius=radius)


def _positions(text: str) -> list[Reading]:
    return _equatorial(text) or _designated(text) or _galactic(text)


def _equatorial(text: str) -> list[Reading]:
    for ra_text, dec_text, radius_text in _divided(text):
        try:
            ra, dec = parse_angle(ra_text, hours=True), parse_angle(dec_text, hours=False)
            radius = _radius(radius_text)
        except ValueError:
            continue
        if not (0.0 <= ra <= 360.0 and -90.0 <= dec <= 90.0 and 0.0 < radius <= LARGEST):
            continue
        return [position("", ra, dec, radius)]
    return []


def _designated(text: str) -> list[Reading]:
    """The position in a designation such as `J100024.00+021200.0`, whose digits are truncated, not rounded."""
    found = _IAU.fullmatch(text)
    if found is None:
        return []
    hours, minutes, seconds, fraction, tenth, sign, degrees, arcminutes, arcseconds, part = found.groups()
    if int(hours) > 23 or int(minutes) > 59 or int(seconds or 0) > 59:
        return []
    if int(arcminutes) > 59 or int(arcseconds or 0) > 59:
        return []
    # In the middle of all positions with these digits, each of which is within half of the last digits.
    ra_step = 15.0 * (10.0 ** (1 - len(fraction or ".")) if seconds else 6.0 if tenth else 60.0)
    dec_step = 10.0 ** (1 - len(part or ".")) if arcseconds else 60.0
    ra_arcsec = 15.0 * (
        int(hours) * 3600 + (int(minutes) + float(tenth or 0)) * 60 + int(seconds or 0) + float(fraction or 0)
    )
    dec_arcsec = int(degrees) * 3600 + int(arcminutes) * 60 + int(arcseconds or 0) + float(part or 0)
    dec = (dec_arcsec + dec_step / 2) / 3600.0
    if dec > 90.0:
        return []
    dec = -dec if sign == "-" else dec
    within = math.hypot(ra_step / 2 * math.cos(math.radians(dec)), dec_step / 2)
    return [position(f"designation {text}", (ra_arcsec + ra_step / 2) / 3600.0, dec, max(RADIUS, math.ceil(within)))]


def _galactic(text: str) -> list[Reading]:
    """A position such as `l=120 b=30` or `galactic 120 30`, with a radius perhaps."""
    begin = _GALACTIC.match(text)
    if begin is None:
        return []
    for l_text, b_text, radius_text in _divided(_LATITUDE.sub(",", text[begin.end() :], count=1)):
        try:
            longitude, latitude, radius = decimal_number(l_text), decimal_number(b_text), _radius(radius_text)
        except ValueError:
            continue
        if not (0.0 <= longitude <= 360.0 and -90.0 <= latitude <= 90.0 and 0.0 < radius <= LARGEST):
            continue
        ra, dec = map(math.degrees, erfa.g2icrs(math.radians(longitude), math.radians(latitude)))
        return [position(f"galactic l {longitude:.6g}°, b {latitude:+.6g}°", ra, dec, radius)]
    return []


def trouble(text: str) -> str:
    """What is wrong with a text that looks like a position or a night and is none; empty if it looks like neither.

    Examples
    --------
    >>> trouble("10 95"), trouble("10:61:00 +20:00:00"), trouble("a b")
    ('declination 95 is outside -90 to 90 degrees', "'10:61:00' has minutes or seconds of 60 or more", '')
    """
    cleaned = plain(text)
    if read(cleaned) or not _LIKE_NUMBERS.fullmatch(cleaned):
        return ""
    if _NIGHT.fullmatch(cleaned.partition(":")[2].strip() or cleaned):
        return "there is no such day"
    found = ""
    for ra_text, dec_text, radius_text in _divided(cleaned):
        try:
            ra, dec = parse_angle(ra_text, hours=True), parse_angle(dec_text, hours=False)
            radius = _radius(radius_text)
        except ValueError as error:
            found = found or str(error)
            continue
        if not 0.0 <= ra <= 360.0:
            return f"right ascension {ra_text} is outside 0 to 360 degrees"
        if not -90.0 <= dec <= 90.0:
            return f"declination {dec_text} is outside -90 to 90 degrees"
        return f"the radius {radius_text} is {radius:g}″; it must be above 0 and at most {LARGEST:g}″"
    return found


def _divided(text: str) -> list[tuple[str, str, str]]:
    """Ways to divide a text into right ascension, declination and radius, which may be empty."""
    parts = [part.strip() for part in re.split(r"[,|]", text)]
    ways = []
    if len(parts) == 3:
        ways.append((parts[0], parts[1], parts[2]))
    elif len(parts) == 2:
        ways.append((parts[0], parts[1], ""))
        before, _, last = parts[1].rpartition(" ")
        ways.append((parts[0], before, last))
    elif len(parts) == 1:
        words = text.split()
        # In `10 00 00 -5 00 00`, the first half is the right ascension; a radius may follow.
        for length in (2, 4, 6):
            if length <= len(words) <= length + 1:
                half = length // 2
                ways.append((" ".join(words[:half]), " ".join(words[half:length]), " ".join(words[length:])))
    return ways


def _radius(text: str) -> float:
    if not text:
        return RADIUS
    found = _RADIUS.fullmatch(text.lower())
    if found is None:
        raise ValueError(f"{text!r} is not a radius")
    return decimal_number(found[1]) * _UNITS.get(found[2] or "", 1.0)


def _solar_system(text: str) -> list[Reading]:
    try:
        found = designation(text)
    except NotADesignation:
        if not _NAME.fullmatch(text):
            return []
        return [Reading("solar system", f"minor planet called {text}", name=text)]
    return [Reading("solar system", f"minor planet or comet {found.unpacked}", name=found.unpacked)]


def _nights(text: str) -> list[Reading]:
    found = _NIGHT.fullmatch(text)
    if found is None:
        return []
    try:
        night = datetime.date(*map(int, found.groups()))
    except ValueError:
        return []
    return [Reading("night", f"night {night}", name=night.isoformat())]


def _is_file(text: str, found: list[Reading]) -> bool:
    return not found and _FILE.fullmatch(text) is not None and any(mark in text for mark in "._*")

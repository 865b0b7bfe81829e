"""Designations of minor planets and comets: read in any form, written packed and unpacked; identifiers made from them.

Packed and unpacked forms are those of the Minor Planet Center (MPC, "Packed Provisional and Permanent Designations" and
"Extended Packed Provisional Designation Scheme"). Rubin's `ssObjectId` is the packed provisional designation read as
a number; ZTF's objects get theirs in the same way, so that an object has the same number in both surveys.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["number", "provisional", "survey", "comet number", "comet"]

_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_LETTERS: Final = "ABCDEFGHJKLMNOPQRSTUVWXYZ"
"""Second letters, 25 to a cycle: I is not used."""
FIRST_TILDE: Final = 620_000
"""Smallest number that is packed with a tilde."""
LARGEST_NUMBER: Final = FIRST_TILDE + 62**4 - 1
FIRST_EXTENDED: Final = 620
"""Smallest cycle that is packed with an underscore."""
LARGEST_CYCLE: Final = FIRST_EXTENDED + (62**4 - 1) // 25
_IDENTIFIER_BYTES: Final = 8
_OLD_STYLE: Final = 1925
"""Designations of earlier years are written with an A instead of the first digit of the year."""
_YEARS: Final = range(1800, 2200)
_TYPES: Final = "CPDXAI"

_NUMBER: Final = re.compile(r"\(?(\d{1,8})\)?(?: [A-Z][^\d]*[a-z][^\d]*)?", re.ASCII)
_PROVISIONAL: Final = re.compile(r"(\d{4}|A[89]\d\d) ?([A-HJ-Y])([A-HJ-Z])(\d{0,6})", re.IGNORECASE | re.ASCII)
_SURVEY: Final = re.compile(r"(\d{1,4}) ?(P-L|T-[123])", re.IGNORECASE | re.ASCII)
_COMET_NUMBER: Final = re.compile(r"(\d{1,4})([PDI])(?:/[^\d].*)?", re.IGNORECASE | re.ASCII)
_COMET: Final = re.compile(
    rf"(?:([{_TYPES}])/ ?)?(\d{{4}}) ?([A-HJ-Y])(\d{{1,3}})(?:-([A-Z]))?(?: \(.*\))?", re.IGNORECASE | re.ASCII
)
_COMET_AS_PLANET: Final = re.compile(
    rf"([{_TYPES}])/ ?(\d{{4}}) ?([A-HJ-Y])([A-HJ-Z])(\d{{0,3}})(?: \(.*\))?", re.IGNORECASE | re.ASCII
)
_PACKED_NUMBER: Final = re.compile(r"([A-Za-z])(\d{4})", re.ASCII)
_PACKED_TILDE: Final = re.compile(r"~([0-9A-Za-z]{4})")
_PACKED_PROVISIONAL: Final = re.compile(rf"([{_TYPES}])?([A-L])(\d\d)([A-HJ-Y])([0-9A-Za-z])(\d)([A-HJ-Z])", re.ASCII)
_PACKED_LONG: Final = re.compile(r"([A-L])(\d\d)([A-HJ-Y])(\d{5})([A-HJ-Z])", re.ASCII)
_PACKED_EXTENDED: Final = re.compile(r"_([0-9A-Za-z])([A-HJ-Y])([0-9A-Za-z]{4})")
_PACKED_SURVEY: Final = re.compile(r"(PLS|T[123]S)(\d{4})", re.ASCII)
_PACKED_COMET_NUMBER: Final = re.compile(r"(\d{4})([PDI])", re.ASCII)
_PACKED_COMET: Final = re.compile(rf"([{_TYPES}])?([A-L])(\d\d)([A-HJ-Y])([0-9A-Za-z])(\d)([0a-z])", re.ASCII)


class NotADesignation(ValueError):
    """A text is not a designation, or is one that cannot be packed; the message says which."""


@dataclass(frozen=True)
class Designation:
    """A designation.

    Examples
    --------
    >>> designation("2004JQ12")
    Designation(kind='provisional', unpacked='2004 JQ12', packed='K04J12Q')
    >>> designation("K04J12Q").identifier
    21163624394469969
    """

    kind: Kind
    unpacked: str
    """As it is written."""
    packed: str
    """As the MPC packs it."""

    @property
    def identifier(self) -> int:
        """Its packed form as a number, eight bits a character, the first one highest.

        Rubin's packets, which contain both, show that this is its `ssObjectId`.
        """
        return int.from_bytes(self.packed.encode("ascii"), "big")

    def __str__(self) -> str:
        return self.unpacked


def designation(text: str) -> Designation:
    """Read a designation.

    Parameters
    ----------
    text : str
        Packed or unpacked: a number (`433`, `(433) Eros`, `00433`, `~000z`), a provisional designation (`2004 JQ12`,
        `2004JQ12`, `K04J12Q`, `J91V00016P`, `_QC0000`), one of a survey (`2040 P-L`, `PLS2040`), a comet (`1P`,
        `0001P`, `C/2023 A3`, `CK23A030`). Unpacked forms may be in lower case.

    Raises
    ------
    NotADesignation
        If it is not a designation.

    Examples
    --------
    >>> for text in ("(433) Eros", "~000z", "K07Tf8A", "_QCzzzz", "3138 t-1", "0001P", "C/2023 A3", "P/1994 P1-B"):
    ...     found = designation(text)
    ...     print(found.unpacked, found.packed, sep=" = ")
    433 = 00433
    620061 = ~000z
    2007 TA418 = K07Tf8A
    2026 CL591673 = _QCzzzz
    3138 T-1 = T1S3138
    1P = 0001P
    C/2023 A3 = CK23A030
    P/1994 P1-B = PJ94P01b
    """
    cleaned = " ".join(text.split())
    found = _of_packed(cleaned) or _of_unpacked(cleaned)
    if found is None:
        raise NotADesignation(f"{text!r} is not a designation of a minor planet or comet, as 433, 2004 JQ12 or K04J12Q")
    return found


def of_identifier(identifier: int) -> Designation:
    """The designation of an identifier; see `Designation.identifier`.

    Raises
    ------
    NotADesignation
        If the number is not made from a designation.

    Examples
    --------
    >>> of_identifier(21163624394469969).unpacked
    '2004 JQ12'
    """
    content = int(identifier).to_bytes(_IDENTIFIER_BYTES, "big", signed=True).lstrip(b"\0")
    try:
        found = designation(content.decode("ascii"))
    except UnicodeDecodeError:
        raise NotADesignation(f"the identifier {identifier} is not made from a designation") from None
    if found.identifier != identifier:
        raise NotADesignation(f"the identifier {identifier} is not made from a packed designation")
    return found


def _of_unpacked(text: str) -> Designation | None:
    if match := _PROVISIONAL.fullmatch(text):
        year = match[1].upper()
        return _provisional("", int(year.replace("A", "1")), match[2], match[3], int(match[4] or 0))
    if match := _SURVEY.fullmatch(text):
        return _survey(int(match[1]), match[2])
    if match := _COMET_NUMBER.fullmatch(text):
        return _comet_number(int(match[1]), match[2])
    if match := _COMET.fullmatch(text):
        return _comet(match[1] or "", int(match[2]), match[3], int(match[4]), match[5] or "")
    if match := _COMET_AS_PLANET.fullmatch(text):
        return _provisional(match[1], int(match[2]), match[3], match[4], int(match[5] or 0))
    if match := _NUMBER.fullmatch(text):
        return _number(int(match[1]))
    return None


def _of_packed(text: str) -> Designation | None:
    if match := _PACKED_NUMBER.fullmatch(text):
        return _number(10_000 * _DIGITS.index(match[1]) + int(match[2]))
    if match := _PACKED_TILDE.fullmatch(text):
        return _number(FIRST_TILDE + _value(match[1]))
    if match := _PACKED_PROVISIONAL.fullmatch(text):
        return _provisional(match[1] or "", _year(match[2], match[3]), match[4], match[7], _count(match[5], match[6]))
    if match := _PACKED_LONG.fullmatch(text):
        return _provisional("", _year(match[1], match[2]), match[3], match[5], int(match[4]))
    if match := _PACKED_EXTENDED.fullmatch(text):
        cycle, letter = divmod(_value(match[3]), 25)
        return _provisional("", 2000 + _DIGITS.index(match[1]), match[2], _LETTERS[letter], FIRST_EXTENDED + cycle)
    if match := _PACKED_SURVEY.fullmatch(text):
        return _survey(int(match[2]), "P-L" if match[1] == "PLS" else f"T-{match[1][1]}")
    if match := _PACKED_COMET_NUMBER.fullmatch(text):
        return _comet_number(int(match[1]), match[2])
    if match := _PACKED_COMET.fullmatch(text):
        fragment = "" if match[7] == "0" else match[7].upper()
        return _comet(match[1] or "", _year(match[2], match[3]), match[4], _count(match[5], match[6]), fragment)
    return None


def _number(number: int) -> Designation:
    if not 0 < number <= LARGEST_NUMBER:
        raise NotADesignation(f"numbers of minor planets are 1 to {LARGEST_NUMBER}, not {number}")
    if number >= FIRST_TILDE:
        packed = f"~{_in_base_62(number - FIRST_TILDE, 4)}"
    else:
        packed = f"{_DIGITS[number // 10_000]}{number % 10_000:04d}"
    return Designation("number", str(number), packed)


def _provisional(kind: str, year: int, half: str, letter: str, cycle: int) -> Designation:
    kind, half, letter = kind.upper(), half.upper(), letter.upper()
    _check_year(year)
    written = f"A{year - 1000}" if year < _OLD_STYLE else str(year)
    unpacked = f"{written} {half}{letter}{cycle or ''}"
    if cycle < FIRST_EXTENDED:
        packed = f"{_century(year)}{half}{_DIGITS[cycle // 10]}{cycle % 10}{letter}"
    else:
        place = 25 * (cycle - FIRST_EXTENDED) + _LETTERS.index(letter)
        if kind or not 2000 <= year < 2062 or place >= 62**4:
            raise NotADesignation(f"{unpacked} cannot be packed: its cycle, {cycle}, is too large")
        packed = f"_{_DIGITS[year - 2000]}{half}{_in_base_62(place, 4)}"
    if kind:
        return Designation("comet", f"{kind}/{unpacked}", f"{kind}{packed}")
    return Designation("provisional", unpacked, packed)


def _survey(number: int, survey: str) -> Designation:
    if not number:
        raise NotADesignation("designations of surveys are numbered from 1")
    survey = survey.upper()
    packed = "PLS" if survey == "P-L" else f"T{survey[-1]}S"
    return Designation("survey", f"{number} {survey}", f"{packed}{number:04d}")


def _comet_number(number: int, kind: str) -> Designation:
    if not number:
        raise NotADesignation("comets are numbered from 1")
    return Designation("comet number", f"{number}{kind.upper()}", f"{number:04d}{kind.upper()}")


def _comet(kind: str, year: int, half: str, order: int, fragment: str) -> Designation:
    kind, half, fragment = kind.upper(), half.upper(), fragment.upper()
    _check_year(year)
    unpacked = f"{f'{kind}/' if kind else ''}{year} {half}{order}{f'-{fragment}' if fragment else ''}"
    if not 0 < order < FIRST_EXTENDED:
        raise NotADesignation(f"{unpacked} cannot be packed: orders are 1 to {FIRST_EXTENDED - 1}")
    last = fragment.lower() or "0"
    return Designation("comet", unpacked, f"{kind}{_century(year)}{half}{_DIGITS[order // 10]}{order % 10}{last}")


def _check_year(year: int) -> None:
    if year not in _YEARS:
        raise NotADesignation(f"years of designations are {_YEARS.start} to {_YEARS.stop - 1}, not {year}")


def _century(year: int) -> str:
    return f"{_DIGITS[year // 100]}{year % 100:02d}"


def _year(century: str, rest: str) -> int:
    return 100 * _DIGITS.index(century) + int(rest)


def _count(tens: str, ones: str) -> int:
    return 10 * _DIGITS.index(tens) + int(ones)


def _value(text: str) -> int:
    total = 0
    for symbol in text:
        total = 62 * total + _DIGITS.index(symbol)
    return total


def _in_base_62(value: int, length: int) -> str:
    symbols = []
    for _ in range(length):
        value, place = divmod(value, 62)
        symbols.append(_DIGITS[place])
    return "".join(reversed(symbols))

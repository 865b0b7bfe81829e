"""Headers of FITS files, even damaged ones, as text, and the difference of two.

Nothing here raises because of what a card contains: a card that cannot be read is shown as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from astropy.io import fits as astropy_fits

from broker_assets.telemetry.products.files.reading import UnreadableFile

MOST_CARDS: Final = 2000
"""Cards of an HDU that are read, at most; further ones are counted."""
MOST_HDUS: Final = 50
UNSTABLE: Final = frozenset({"DATE", "CHECKSUM", "DATASUM"})
"""Keywords that differ between two files of the same content."""


@dataclass(frozen=True)
class HeaderCard:
    """A card as text."""

    keyword: str
    value: str
    comment: str = ""


@dataclass(frozen=True)
class HduHeader:
    """A header."""

    name: str
    """Extension name, PRIMARY for the first, with its number if another has the same."""
    cards: list[HeaderCard]
    left_out: int = 0
    """Cards that are not listed."""


@dataclass(frozen=True)
class CardChange:
    """A keyword that differs between two headers."""

    hdu: str
    keyword: str
    before: str | None
    """None if the keyword is missing."""
    after: str | None


def headers_of(path: Path) -> list[HduHeader]:
    """Read the headers of a file; of a damaged one, as far as possible.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    UnreadableFile
        If it has no header of a FITS file.
    """
    found: list[HduHeader] = []
    names: set[str] = set()
    reason = "it is not a FITS file"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with astropy_fits.open(path, memmap=True, lazy_load_hdus=True, ignore_missing_simple=False) as hdus:
                for number in range(MOST_HDUS):
                    try:
                        hdu = hdus[number]
                    except IndexError:
                        break
                    name = str(hdu.name or ("PRIMARY" if number == 0 else f"HDU {number}"))
                    if name in names:
                        name = f"{name} ({number})"
                    names.add(name)
                    every = hdu.header.cards
                    cards = [_card(every[place]) for place in range(min(len(every), MOST_CARDS))]
                    found.append(HduHeader(name, cards, len(every) - len(cards)))
    except FileNotFoundError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever the reader says about what a stranger may have written
        reason = str(error)
    if not found:
        raise UnreadableFile(f"{path.name}: {reason}")
    return found


def _card(card: object) -> HeaderCard:
    try:
        value = card.value  # type: ignore[attr-defined]
        text = "" if isinstance(value, astropy_fits.card.Undefined) else _text(value)
        return HeaderCard(_text(card.keyword), text, _text(card.comment))  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - a card that breaks the rules
        raw = _text(getattr(card, "_image", None) or "")
        return HeaderCard(raw[:8].strip(), raw[8:].strip(), "this card breaks the rules of FITS")


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "T" if value else "F"
    return "".join(sign if sign.isprintable() else "�" for sign in str(value))


def header_difference(before: Sequence[HduHeader], after: Sequence[HduHeader]) -> list[CardChange]:
    """Keywords whose values differ, in the order of the files; HISTORY and COMMENT as whole texts.

    DATE and checksums, which always differ, are left out.

    Examples
    --------
    >>> one = [HduHeader("PRIMARY", [HeaderCard("VERSION", "1"), HeaderCard("A", "x")])]
    >>> other = [HduHeader("PRIMARY", [HeaderCard("VERSION", "2"), HeaderCard("A", "x")])]
    >>> header_difference(one, other)
    [CardChange(hdu='PRIMARY', keyword='VERSION', before='1', after='2')]
    """
    old, new = {header.name: _values(header) for header in before}, {header.name: _values(header) for header in after}
    changes: list[CardChange] = []
    for name in dict.fromkeys((*old, *new)):
        one, other = old.get(name, {}), new.get(name, {})
        changes += [
            CardChange(name, keyword, one.get(keyword), other.get(keyword))
            for keyword in dict.fromkeys((*one, *other))
            if keyword not in UNSTABLE and one.get(keyword) != other.get(keyword)
        ]
    return changes


def _values(header: HduHeader) -> dict[str, str]:
    found: dict[str, str] = {}
    for card in header.cards:
        found[card.keyword] = f"{found[card.keyword]}\n{card.value}" if card.keyword in found else card.value
    return found

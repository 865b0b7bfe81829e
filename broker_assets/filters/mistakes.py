"""What was probably meant by a text that cannot be parsed, or by a name that does not exist.

The parser says only where it stopped. The rules here look at the words and signs around that place, so that the message
names the mistake: a sign of another language, a misspelt word, a missing condition, a name of Lasair's former schema.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from broker_assets.filters.lexicon import Token
from broker_assets.filters.schema import TABLES

_OLD_PHOTOMETRY: Final = (
    "The columns of the ZTF form of Lasair are not those of LSST: magnitudes are flux2mag(objects.{band}_psfFlux), and"
    " {band}_psfFluxMin, {band}_psfFluxMax, {band}_psfFluxMean describe the light curve (nJy)."
)
_FORMER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "objectid": "Write diaObjectId, a whole number.",
        "ramean": "Write objects.ra.",
        "decmean": "Write objects.decl.",
        "dec": "Write objects.decl.",
        "rastd": "Write objects.raErr.",
        "decstd": "Write objects.decErr.",
        "ncand": "Write objects.nDiaSources.",
        "ncandgp": "Write objects.nSourcesGood.",
        "jdmin": "Write objects.firstDiaSourceMjdTai, an MJD: JD - 2400000.5.",
        "jdmax": "Write objects.lastDiaSourceMjdTai, an MJD: JD - 2400000.5.",
        "jdgmax": "Write objects.g_latestMJD, an MJD: JD - 2400000.5.",
        "jdrmax": "Write objects.r_latestMJD, an MJD: JD - 2400000.5.",
        "jdnow": "Write mjdnow(): times are MJD, JD - 2400000.5.",
        "glatmean": "Write objects.glat.",
        "g_minus_r": "Write objects.latestPairColourMag, whose bands are latestPairColourBands.",
        "g_r": "Write objects.latestPairColourMag, whose bands are latestPairColourBands.",
        "jd_g_minus_r": "Write objects.latestPairMJD, an MJD: JD - 2400000.5.",
        "dmdt_g": "Write objects.g_psfFluxMaxSlope, in nJy per day.",
        "dmdt_r": "Write objects.r_psfFluxMaxSlope, in nJy per day.",
        **{
            name.format(band): _OLD_PHOTOMETRY.format(band=band)
            for band in "gr"
            for name in (
                "{}mag", "latest_{}mag", "mag{}min", "mag{}max", "mag{}mean", "mag{}median",
                "mag_{}02", "mag_{}08", "mag_{}28",
            )
        },
        "magpsf": "Write flux2mag(objects.latest_psfFlux).",
        "sgscore1": "The nearest catalogue object is in sherlock_classifications.",
        "distpsnr1": "The nearest catalogue object is in sherlock_classifications: separationArcsec.",
        "sgmag1": "The nearest catalogue object is in sherlock_classifications.",
        "srmag1": "The nearest catalogue object is in sherlock_classifications.",
        "ssnamenr": "Alerts of known solar system objects are in the table sssources.",
        "candidates": "Detections are not a table of filters; objects has the features of the light curve.",
        "watchmap_hits": "Write area_hits.",
    }
)  # fmt: skip
"""Names of Lasair's schema for ZTF, and of other dialects, that users still write."""

_WORDS: Final = (
    "SELECT", "DISTINCT", "FROM", "WHERE", "GROUP", "ORDER", "HAVING", "JOIN", "LEFT", "INNER", "BETWEEN", "LIKE",
    "REGEXP", "AND", "NOT", "NULL", "CASE", "WHEN", "THEN", "ELSE", "UNION", "ALL", "LIMIT", "DESC",
)  # fmt: skip
_OTHER_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "XOR": "Write (a AND NOT b) OR (b AND NOT a).",
        "CONTAINS": "Write name LIKE '%text%'.",
        "STARTSWITH": "Write name LIKE 'text%'.",
        "MATCHES": "Write name REGEXP '^ZTF'.",
        "TOP": "Write no limit: limits are options of the run.",
        "FETCH": "Write no limit: limits are options of the run.",
    }
)
_SPLIT: Final[Mapping[tuple[str, str], str]] = MappingProxyType(
    {
        ("=", ">"): ">=",
        ("=", "<"): "<=",
        (">", "="): ">=",
        ("<", "="): "<=",
        ("<", ">"): "<>",
        (">=", "="): ">=",
        ("<=", "="): "<=",
        (">", ">"): ">",
        ("<", "<"): "<",
    }
)
_JOINING: Final = frozenset({"AND", "OR"})
_BEFORE_CONDITION: Final = _JOINING | {"WHERE", "HAVING", "ON", "NOT", "("}
_AFTER_CONDITION: Final = _JOINING | {"GROUP", "ORDER", "HAVING", ")", ";"}
_CLAUSES: Final = frozenset({"WHERE", "HAVING", "ON"})
_VALUES: Final = frozenset({"word", "number", "text", "quoted"})


def former(name: str) -> str:
    """What to write in place of a former name of a column, table or function; empty if it is not one.

    Examples
    --------
    >>> former("ncand")
    'Write objects.nDiaSources.'
    """
    return _FORMER.get(name.lower(), "")


def meant(found: Sequence[Token], at: int) -> str:
    """A sentence on what is wrong near the place where the parser stopped; empty if no rule applies.

    Parameters
    ----------
    found : sequence of Token
        The text.
    at : int
        Character at which the parser stopped, from 0.

    Examples
    --------
    >>> from broker_assets.filters.lexicon import tokens
    >>> meant(tokens("SELECT ra FROM objects WHERE ra => 3"), 32)
    'Write >= for =>.'
    """
    rules: tuple[Callable[[Sequence[Token], int], str], ...] = (
        _sign,
        _other_word,
        _between,
        _condition,
        _comma,
        _misspelt,
        _side_by_side,
    )
    near = max((number for number, token in enumerate(found) if token.start <= at), default=0)
    return next((said for rule in rules if (said := rule(found, near))), "")


def _sign(found: Sequence[Token], near: int) -> str:
    for first, second in pairwise(found):
        written = first.text + second.text
        if (first.text, second.text) in _SPLIT:
            return f"Write {_SPLIT[first.text, second.text]} for {written}."
        if written == "**" and first.end == second.start:
            return "Write power(x, 2) for x ** 2."
    return ""


def _other_word(found: Sequence[Token], near: int) -> str:
    window = found[max(near - 2, 0) : near + 2]
    return next((_OTHER_WORDS[token.upper] for token in window if token.upper in _OTHER_WORDS), "")


def unlisted(found: Sequence[Token]) -> Token | None:
    """The first value after IN that is not in parentheses: the parser would read a comma after it as a join.

    Examples
    --------
    >>> from broker_assets.filters.lexicon import tokens
    >>> unlisted(tokens("SELECT ra FROM objects WHERE tns_name IN 'a', 'b'")).text
    "'a'"
    """
    return next((after for token, after in pairwise(found) if token.upper == "IN" and after.text != "("), None)


def _between(found: Sequence[Token], near: int) -> str:
    for number, token in enumerate(found):
        if token.upper == "BETWEEN" and any(later.text == "," for later in found[number + 1 : number + 4]):
            return "Write BETWEEN low AND high, as in ra BETWEEN 3 AND 5."
    return ""


def _condition(found: Sequence[Token], near: int) -> str:
    for number, token in enumerate(found):
        before = found[number - 1].upper if number else ""
        after = found[number + 1].upper if number + 1 < len(found) else ";"
        if token.upper in _JOINING and before in _BEFORE_CONDITION:
            return f"A condition is missing before {token.upper}."
        if token.upper in _JOINING | _CLAUSES and after in _AFTER_CONDITION:
            return f"A condition is missing after {token.upper}."
    return ""


def _misspelt(found: Sequence[Token], near: int) -> str:
    for token in reversed(found[max(near - 1, 0) : near + 1]):
        if token.kind != "word" or token.upper in _WORDS or _published(token.text):
            continue
        similar = difflib.get_close_matches(token.upper, _WORDS, n=1, cutoff=0.7)
        same_letters = [word for word in _WORDS if sorted(word) == sorted(token.upper)]
        if same_letters or similar:
            return f"Did you mean {(same_letters or similar)[0]} for {token.text}?"
    return ""


def _published(name: str) -> bool:
    """Whether this is the name of a published table or column."""
    return any(name.lower() in (table.name, *table.columns) for table in TABLES.values())


def _comma(found: Sequence[Token], near: int) -> str:
    clause = next((token.upper for token in reversed(found[: near + 1]) if token.upper in (*_CLAUSES, "BY")), "")
    if clause in _CLAUSES and any(
        token.text == "," and not token.depth for token in found[max(near - 2, 0) : near + 1]
    ):
        return "Write AND between conditions, and a point in decimal numbers: 3.5."
    return ""


def _side_by_side(found: Sequence[Token], near: int) -> str:
    if near and found[near - 1].upper == "AS":
        return f"{found[near].text} is a word of SQL; write another name, or `{found[near].text}` in backquotes."
    if near and found[near].kind in _VALUES and found[near - 1].kind in _VALUES:
        first, second = found[near - 1].text, found[near].text
        return f"Between {first} and {second} a comma, a sign, AND or OR is missing, or a name is a word of SQL."
    return ""

"""Keywords in the headers of FITS files from outside.

Any value may be missing, undefined, of another type, or be written so that it cannot be read.
"""

from __future__ import annotations

import math
import sys
from typing import Any

from astropy.io import fits

_EQUATORIAL = frozenset({"", "C", "Q", "ICRS", "EQUATORIAL", "CELESTIAL", "FK5", "J2000"})
"""Words for equatorial coordinates in COORDSYS: of the HEALPix libraries, of the IVOA, and others seen in files."""


def _value(header: fits.Header, keyword: str) -> Any:
    """Value of a keyword; if it cannot be parsed, the text of the card, or a question mark."""
    try:
        return header.get(keyword)
    except (fits.VerifyError, ValueError):
        card = header.cards[keyword]
    try:
        card.verify("silentfix")
        return card.value
    except (fits.VerifyError, ValueError):
        return "?"


def text_value(header: fits.Header, keyword: str) -> str:
    """Value of a keyword as text; empty if it is missing or undefined.

    For a card that violates the FITS standard it is the text of the card, so that a word that matters does not count as
    missing.

    Examples
    --------
    >>> header = fits.Header([("OBJECT", fits.card.Undefined())])
    >>> text_value(header, "OBJECT"), text_value(header, "ORIGIN")
    ('', '')
    """
    value = _value(header, keyword)
    return "" if value is None or isinstance(value, fits.card.Undefined) else str(value).strip()


def number_value(header: fits.Header, keyword: str) -> float:
    """Value of a keyword as a number; NaN if it is missing, undefined, not finite or not a number.

    Examples
    --------
    >>> number_value(fits.Header([("DISTMEAN", 40)]), "DISTMEAN"), number_value(fits.Header(), "DISTMEAN")
    (40.0, nan)
    """
    value = _value(header, keyword)
    if not isinstance(value, int | float) or isinstance(value, bool) or abs(value) > sys.float_info.max:
        return math.nan
    return float(value)


def coordinate_system(header: fits.Header) -> str | None:
    """The coordinate system of a HEALPix table (COORDSYS, else RADESYS) if it is not equatorial, else None.

    Examples
    --------
    >>> coordinate_system(fits.Header([("COORDSYS", "ICRS")])), coordinate_system(fits.Header([("COORDSYS", "G")]))
    (None, "'G'")
    """
    written = text_value(header, "COORDSYS") or text_value(header, "RADESYS")
    return None if written.upper() in _EQUATORIAL else repr(written)

"""Keywords in the headers of FITS files from outside, where any value may be missing, undefined or of another type."""

from __future__ import annotations

import math

from astropy.io import fits

_EQUATORIAL = frozenset({"", "C", "Q", "ICRS", "EQUATORIAL", "CELESTIAL", "FK5", "J2000"})
"""Words for equatorial coordinates in COORDSYS: of the HEALPix libraries, of IVOA, and those that files have."""


def text_value(header: fits.Header, keyword: str) -> str:
    """Value of a keyword as text; empty if it is missing or undefined.

    Examples
    --------
    >>> header = fits.Header([("OBJECT", fits.card.Undefined())])
    >>> text_value(header, "OBJECT"), text_value(header, "ORIGIN")
    ('', '')
    """
    value = header.get(keyword)
    return "" if value is None or isinstance(value, fits.card.Undefined) else str(value).strip()


def number_value(header: fits.Header, keyword: str) -> float:
    """Value of a keyword as a number; NaN if it is missing, undefined or no number.

    Examples
    --------
    >>> number_value(fits.Header([("DISTMEAN", 40)]), "DISTMEAN"), number_value(fits.Header(), "DISTMEAN")
    (40.0, nan)
    """
    value = header.get(keyword)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def coordinate_system(header: fits.Header) -> str | None:
    """The coordinate system of a HEALPix table (COORDSYS) if it is another one than equatorial, else None.

    Examples
    --------
    >>> coordinate_system(fits.Header([("COORDSYS", "ICRS")])), coordinate_system(fits.Header([("COORDSYS", "G")]))
    (None, "'G'")
    """
    written = text_value(header, "COORDSYS")
    return None if written.upper() in _EQUATORIAL else repr(written)

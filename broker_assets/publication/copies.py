"""The delivered copy of a file: our file with a new primary header; everything else is identical byte for byte."""

from __future__ import annotations

import datetime
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from broker_assets.publication.content import DamagedFile, hdus
from broker_assets.publication.names import ProductName

Card = tuple[str, Any, str]
"""Keyword, value, comment."""

Refresh = Callable[[fits.Header], Sequence[Card]]
"""Ephemeris cards for a header, from the latest kernels; empty if they do not cover it."""

Reason = Callable[[int], str]
"""Why data were requested, by request id; empty if unknown."""

REFRESHED: Final = frozenset({"L1", "L2", "ANC"})
"""Levels whose growing files get updated ephemeris cards."""


@dataclass(frozen=True)
class Copy:
    """Information that a delivered copy adds to our file."""

    delivered: ProductName
    archive: str
    """Name of the target."""
    stamp: datetime.datetime
    """Time recorded in the history."""
    comment: str = ""
    """Comment on the request."""
    base: str = ""
    """For a supplement: the file it adds to."""
    refresh: Refresh | None = None


def request_comment(name: ProductName, reason: Reason | None) -> str:
    """Comment of an answer to a request; empty for other files.

    Examples
    --------
    >>> name = ProductName.parse("solo_L0_stix-sci-xray-cpd_0659330400-0659330424_V02_0093579328-52.fits")
    >>> request_comment(name, {93579328: "calibration"}.get)
    "BSD request id: '93579328' reason: 'calibration'"
    """
    if name.request is None:
        return ""
    request = int(name.request)
    return f"BSD request id: '{request}' reason: '{(reason(request) if reason else '') or ''}'"


def instant_text(time: datetime.datetime) -> str:
    """UTC with milliseconds, as in headers."""
    return time.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]


def make(data: bytes, original: ProductName, copy: Copy) -> bytes:
    """Make the delivered copy.

    The same arguments give the same bytes, so an interrupted delivery can be recognised.

    Parameters
    ----------
    data : bytes
        Our file.
    original : ProductName
        Its name.
    copy : Copy

    Returns
    -------
    bytes
        A FITS file with FILENAME, comments, history and valid checksums of its primary HDU; other files unchanged.

    Raises
    ------
    DamagedFile
        If the file is not a FITS file with an empty primary HDU.
    """
    if original.suffix != "fits":
        return data
    with warnings.catch_warnings():
        # Long comments are truncated at the end of the card.
        warnings.simplefilter("ignore", VerifyWarning)
        return _made(data, original, copy)


def _made(data: bytes, original: ProductName, copy: Copy) -> bytes:
    start, body, end = next(hdus(data))
    if end != body:
        raise DamagedFile("the primary HDU has data; product files keep them in tables")
    header = fits.Header.fromstring(data[start:body].decode("ascii", "replace"))
    stamp = instant_text(copy.stamp)
    header.set("FILENAME", str(copy.delivered))
    if original.incomplete and original.level in REFRESHED and copy.refresh is not None:
        cards = copy.refresh(header)
        for keyword, value, remark in cards:
            header.set(keyword, value, remark)
        if cards:
            header.add_history(f"updated ephemeris header with latest kernel at {stamp}")
    if copy.comment:
        header.add_comment(_ascii(copy.comment))
    if copy.base:
        header.add_comment(
            f"supplement data product combine with: {copy.base}. Orig filename of this supplement was "
            f"{original.complete}."
        )
    header.add_history(_ascii(f"published to {copy.archive} as '{copy.delivered}' on {stamp}"))
    primary = fits.PrimaryHDU(header=header)
    primary.add_checksum(when="HDU checksum")
    text: str = primary.header.tostring()
    return text.encode("ascii") + data[end:]


def _ascii(text: str) -> str:
    """Restrict a text to what a header can contain; request tables contain free text."""
    printable = "".join(letter if " " <= letter <= "~" else " " if letter.isspace() else "?" for letter in text)
    return " ".join(printable.split())

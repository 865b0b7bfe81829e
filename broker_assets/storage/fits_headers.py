"""Checks of the header of a FITS file before a reader trusts it.

Astropy makes a list as long as NAXIS or TFIELDS says: a few wrong digits can keep a process busy for hours or exhaust
its memory.
"""

from __future__ import annotations

import mmap
import re
from typing import BinaryIO, Final

MOST: Final = 999
"""Largest NAXIS and TFIELDS (FITS standard 4.0, sections 4.4.1.1 and 7.3.1)."""

CARD: Final = 80
"""Bytes of a card; headers and data fill whole blocks of 36 of them."""

_CLAIM: Final = re.compile(rb"(?:HIERARCH +)?(Z?NAXIS|TFIELDS) *= *'? *[+-]?([0-9]{4,70})", re.IGNORECASE)
_SIZE: Final = re.compile(
    rb"(Z?NAXIS[0-9]{0,3}|PCOUNT|GCOUNT|TFIELDS) *= *(-[0-9]{1,70}|\+?[0-9]{19,70})", re.IGNORECASE
)
"""A size that is negative, or larger than any file."""


class ImpossibleHeader(ValueError):
    """A header claims what FITS does not allow, or what no file can contain."""


def refuse_impossible(content: bytes | bytearray | memoryview | mmap.mmap) -> None:
    """Refuse a FITS file whose headers claim more than 999 axes or columns, or sizes below 0 or beyond 10¹⁸.

    Parameters
    ----------
    content : bytes-like
        The whole file.

    Raises
    ------
    ImpossibleHeader
        If a card claims that; the message names it.

    Examples
    --------
    >>> refuse_impossible(b"NAXIS   =                    2".ljust(80))
    >>> refuse_impossible(b"NAXIS   =           1000000000".ljust(80))
    Traceback (most recent call last):
    ...
    broker_assets.storage.fits_headers.ImpossibleHeader: NAXIS is 1000000000; FITS allows 999 at most
    """
    for found in _CLAIM.finditer(content):
        if found.start() % CARD == 0 and int(found[2]) > MOST:
            raise ImpossibleHeader(f"{found[1].decode().upper()} is {int(found[2])}; FITS allows {MOST} at most")
    for found in _SIZE.finditer(content):
        if found.start() % CARD == 0 and not 0 <= int(found[2]) < 10**18:
            raise ImpossibleHeader(
                f"{found[1].decode().upper()} is {found[2].decode()}, which is not the size of anything in a file"
            )


def refuse_impossible_in(stream: BinaryIO) -> None:
    """`refuse_impossible` for an open file, whose position does not change.

    Raises
    ------
    ImpossibleHeader
        As `refuse_impossible`.
    """
    try:
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # not a file of the operating system, or empty
        place = stream.tell()
        stream.seek(0)
        refuse_impossible(stream.read())
        stream.seek(place)
        return
    with content:
        refuse_impossible(content)

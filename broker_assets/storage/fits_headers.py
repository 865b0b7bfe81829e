"""What the header of a FITS file may claim, before a reader believes it.

Astropy makes a list as long as NAXIS or TFIELDS says: a few wrong digits keep a process busy for hours, or take its
memory.
"""

from __future__ import annotations

import mmap
import re
from typing import BinaryIO, Final

MOST: Final = 999
"""Largest NAXIS and TFIELDS (FITS standard 4.0, sections 4.4.1.1 and 7.3.1)."""

CARD: Final = 80
"""Bytes of a card; headers and data fill whole blocks of 36 of them."""

_CLAIM: Final = re.compile(rb"(?:HIERARCH +)?(Z?NAXIS|TFIELDS) *= *'? *[+-]?([0-9]{4,})", re.IGNORECASE)


class ImpossibleHeader(ValueError):
    """A header claims more axes or columns than FITS allows."""


def refuse_impossible(content: bytes | bytearray | memoryview | mmap.mmap) -> None:
    """Refuse a FITS file whose headers claim more than 999 axes or columns.

    Parameters
    ----------
    content : bytes-like
        The whole file.

    Raises
    ------
    ImpossibleHeader
        If a card does; the message names it.

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


def refuse_impossible_in(stream: BinaryIO) -> None:
    """The same for an open file, which is left at its present position.

    Raises
    ------
    ImpossibleHeader
        As `refuse_impossible`.
    """
    try:
        content = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError):  # not a file of the system, or empty
        place = stream.tell()
        stream.seek(0)
        refuse_impossible(stream.read())
        stream.seek(place)
        return
    with content:
        refuse_impossible(content)

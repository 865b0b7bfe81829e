"""Checks of the claims of a VOTable before a reader trusts them.

Astropy follows URLs in a VOTable, to other files of this machine and to other machines, allocates as many rows as the
file says it has, and takes a truncated file for a complete one. One pass of a parser that keeps nothing finds all this.
"""

from __future__ import annotations

import gzip
import math
import re
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

MOST_COLUMNS: Final = 10_000
"""Columns of a catalogue, at most."""
_MOST_DEPTH: Final = 64
"""Depth of nested elements, at most; VOTables have about eight."""
_MOST_VALUES: Final = 1_000_000
"""Values in one cell, at most."""
_PIECE: Final = 1 << 20


class HostileVotable(ValueError):
    """A VOTable claims more than it can contain, or refers to other files; the message says what."""


class _Claims:
    """Counts what one file claims, and refuses at once what is certainly wrong."""

    def __init__(self) -> None:
        self.depth = 0
        self.columns = 0
        self.rows = 0

    def entity(self, name: str, *_: Any) -> None:
        raise HostileVotable(f"it defines the entity {name[:40]!r}, with which it could expand without end")

    def start(self, name: str, given: dict[str, str]) -> None:
        self.depth += 1
        if self.depth > _MOST_DEPTH:
            raise HostileVotable(f"its elements are nested more than {_MOST_DEPTH} deep")
        element = name.rpartition(":")[2].upper()
        if element == "STREAM" and given.get("href", "").strip():
            raise HostileVotable("its data are elsewhere (STREAM with href); get a VOTable that holds them")
        if element == "TABLE" and re.fullmatch(r"\s*\d{1,18}\s*", given.get("nrows", ""), re.ASCII):
            self.rows = max(self.rows, int(given["nrows"]))
        if element == "FIELD":
            self.columns += 1
            if self.columns > MOST_COLUMNS:
                raise HostileVotable(f"it has more than {MOST_COLUMNS:,} columns")
        if element in ("FIELD", "PARAM"):
            sizes = [int(part[:18]) for part in re.findall(r"\d{1,40}", given.get("arraysize", ""), re.ASCII)]
            if math.prod(sizes) > _MOST_VALUES:
                raise HostileVotable(f"a cell of {given.get('name', 'a column')[:40]!r} has more than a million values")

    def end(self, _: str) -> None:
        self.depth -= 1


def refuse_hostile(path: Path) -> None:
    """Refuse a VOTable that no reader should open.

    Parameters
    ----------
    path : Path
        The file, plain or compressed with gzip.

    Raises
    ------
    HostileVotable
        If it is truncated, defines entities, refers to other files or URLs, is deeply nested, has too many columns, or
        claims more rows than it has bytes.
    OSError, EOFError
        If it cannot be read.
    """
    claims = _Claims()
    parser = expat.ParserCreate()
    parser.EntityDeclHandler = claims.entity
    parser.StartElementHandler = claims.start
    parser.EndElementHandler = claims.end
    size = 0
    with gzip.open(path) if path.name.lower().endswith(".gz") else path.open("rb") as stream:
        try:
            while piece := stream.read(_PIECE):
                size += len(piece)
                parser.Parse(piece, False)
            parser.Parse(b"", True)
        except expat.ExpatError as error:
            raise HostileVotable(f"it is damaged or truncated: {error}") from error
    if claims.rows > size:
        raise HostileVotable(f"it claims {claims.rows:,} rows in {size:,} bytes")

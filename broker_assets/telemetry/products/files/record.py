"""What is known about a product file: the row that provenance, assets and publication use."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath


@dataclass(frozen=True)
class ProductFile:
    """A file of the archive."""

    path: PurePosixPath
    """Relative to the archive."""
    level: str
    """Level as in the name: LB, L0, L1, LL03, CAL, ANC."""
    family: str
    """Family of products that are made and seen together."""
    kind: str
    """File stem: ql-lightcurve."""
    version: int
    """Processing version."""
    day: datetime.date
    """Observation day: on-board date at LB and L0 and of requests, else UTC."""
    request: tuple[int, int] | None
    """Telecommand sequence control and request id."""
    rows: int
    """Number of rows of the table of data."""
    start: str
    """Start of the data: ISO UTC from L1 on, else on-board time as ``coarse:fine``."""
    end: str
    parents: tuple[str, ...] = ()
    """Names of the files that it was made from."""
    raw_files: tuple[str, ...] = ()
    """Names of the telemetry files that contained its packets."""
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Further inputs: version as in headers, by name of the input."""
    incomplete: bool = False
    """It may grow as more packets of its day arrive (U in the name)."""
    digest: str = ""
    """SHA-256 of the content without DATE."""
    size: int = 0
    """Bytes."""

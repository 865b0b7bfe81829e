"""History of an object before a packet, already encoded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

EncodedHistory = Mapping[str, bytes | None]
"""Avro arrays by kind of record."""


@dataclass
class History:
    """Encoded history of one object, ordered by time."""

    times: dict[str, list[float]] = field(default_factory=lambda: {"source": [], "forced": [], "limit": []})
    """MJD TAI by kind: detections, forced photometry, limits of visits without a detection."""
    records: dict[str, list[bytes]] = field(default_factory=lambda: {"source": [], "forced": [], "limit": []})

    def add(self, kind: str, mjd: float, record: bytes) -> None:
        """Append a record that is later than all others."""
        self.times[kind].append(mjd)
        self.records[kind].append(record)

    def forget(self, before: float) -> None:
        """Remove records older than MJD `before`."""
        for kind, times in self.times.items():
            if times and times[0] < before:
                old = next((index for index, mjd in enumerate(times) if mjd >= before), len(times))
                del times[:old], self.records[kind][:old]

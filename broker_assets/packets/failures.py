"""The failure of one packet of a batch, which does not affect the others."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PacketFailure:
    """Why one packet of a batch could not be used."""

    packet: int
    """Position in the batch."""
    reason: str
    """One readable line: what is wrong, at which byte or in which field."""
    traceback: str = ""
    """Python traceback, if code raised."""

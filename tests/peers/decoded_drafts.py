"""Simulated packets, encoded and decoded again."""

from __future__ import annotations

from collections.abc import Iterable

from broker_assets.telemetry import DecodedBatch, InstrumentDatabase, decode
from broker_assets.telemetry.simulation.drafts import Draft, Packer
from broker_assets.telemetry.simulation.sun import SECONDS_PER_DAY


def decoded(drafts: Iterable[Draft], database: InstrumentDatabase) -> DecodedBatch:
    """Encode and decode the drafts; none of them may fail."""
    packer = Packer(database)
    batch = decode([packer.pack(draft) for draft in drafts], database)
    assert batch.failures == ()
    return batch


def within(drafts: Iterable[Draft], day: int, *, late: int = 0) -> bool:
    """Whether packets leave on their day, or at most some seconds later."""
    begin, end = day * SECONDS_PER_DAY, (day + 1) * SECONDS_PER_DAY + late
    return all(begin <= draft.coarse < end for draft in drafts)

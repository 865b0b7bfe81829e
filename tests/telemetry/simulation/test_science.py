"""Answers to science requests."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from decoded_drafts import decoded, within

from broker_assets.telemetry import InstrumentDatabase
from broker_assets.telemetry.simulation import science
from broker_assets.telemetry.simulation.sun import SECONDS_PER_DAY, Sun

DAY = 8900


@pytest.fixture(scope="module")
def sun() -> Sun:
    return Sun.of_days(3, [DAY, DAY + 1])


def test_every_request_of_a_day_is_answered(sun: Sun, open_database: InstrumentDatabase) -> None:
    requests = science.requests_of_day(sun, DAY)
    drafts = list(science.of_day(sun, DAY))
    batch = decoded(drafts, open_database)
    answered = Counter(structure.key[2] for structure in batch.structures)
    assert set(answered) == {request.structure_id for request in requests}
    for structure in batch.structures:
        if structure.request is not None:
            wanted = {request.identifier for request in requests if request.structure_id == structure.key[2]}
            assert set(structure.request[:, 1].tolist()) <= wanted
    assert within(drafts, DAY, late=2 * science.REQUEST_SECONDS * len(requests))


def test_requests_surround_the_largest_flare(sun: Sun) -> None:
    requests = science.requests_of_day(sun, DAY)
    assert len({request.identifier for request in requests}) == len(requests)
    for request in requests:
        assert request.duration > 0
        assert DAY * SECONDS_PER_DAY - 60 <= request.start < (DAY + 1) * SECONDS_PER_DAY
    assert [request.scaling_factor for request in requests if request.scaling_factor] == [science.SCALING_FACTOR]


def test_answers_are_in_one_sequence_each(sun: Sun) -> None:
    """Flags say first, continuation and last, or that a packet stands alone."""
    flags: dict[tuple[int, int, int | None], list[int]] = {}
    for draft in science.of_day(sun, DAY):
        flags.setdefault(draft.key, []).append(draft.flag)
    for found in flags.values():
        assert found[0] in (1, 3)
        assert found[-1] in (2, 3)
        assert set(found[1:-1]) <= {0, 1, 2, 3}
        assert np.count_nonzero(np.array(found) == 1) == np.count_nonzero(np.array(found) == 2)

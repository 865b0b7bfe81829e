"""What is read from a file, what is compared, and the copy that is delivered."""

from __future__ import annotations

import datetime
import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.publication.content import DamagedFile, Facts, covered_seconds, digest, hdus, joined, read


def test_the_digest_is_of_the_content_only(products: Any) -> None:
    first = products.product()
    later = products.product(made=products.MADE + datetime.timedelta(days=1))
    other = products.product(value=2)
    assert first != later
    assert digest(first, "fits") == digest(later, "fits") != digest(other, "fits")
    assert read(first, "fits").facts == read(later, "fits").facts
    renamed = products.product("solo_L1_stix-ql-lightcurve_20210116_V03U.fits")
    assert digest(renamed, "fits") != digest(first, "fits")
    assert read(renamed, "fits").facts.data_digest == read(first, "fits").facts.data_digest


def test_facts(products: Any) -> None:
    found = read(products.product(rows=40, nan=10), "fits")
    assert found.facts.rows == 40
    assert found.facts.nan == {"time": 0.0, "timedel": 0.0, "counts": 0.0, "temperature": 0.25}
    assert covered_seconds(found.facts.covered) == pytest.approx(40)
    assert found.start == datetime.datetime(2021, 1, 16, 12, tzinfo=datetime.UTC)
    assert found.made_at == products.MADE
    assert found.sums_wrong == ()
    assert Facts.model_validate(found.facts.model_dump()) == found.facts


def test_damage_is_found(products: Any) -> None:
    data = bytearray(products.product())
    for cut in (100, 2880, len(data) - 1):
        with pytest.raises(DamagedFile):
            read(bytes(data[:cut]), "fits")
    _, (_, body, _) = hdus(bytes(data))
    data[body + 5] ^= 1
    assert read(bytes(data), "fits").sums_wrong == ("HDU 1",)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(1, 5)), min_size=1, max_size=15), st.integers(1, 500))
def test_joined_intervals_cover_everything(parts: list[tuple[int, int]], most: int) -> None:
    begins = np.array([float(begin) for begin, _ in parts])
    ends = begins + [float(length) for _, length in parts]
    found = joined(begins, ends, most)
    assert len(found) <= max(most, 1)
    assert all(before[1] < after[0] for before, after in itertools.pairwise(found))
    for begin, end in zip(begins, ends, strict=True):
        assert any(left <= begin and end <= right for left, right in found)
    if most == 500:
        seconds = {s for begin, length in parts for s in range(begin, begin + length)}
        assert covered_seconds(found) == pytest.approx(len(seconds))

"""The encoded past of an object."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker_assets.simulation.history import History

TIMES = st.lists(st.floats(60_000, 61_000), max_size=20).map(sorted)


@given(TIMES, TIMES, st.floats(59_999, 61_001))
def test_what_is_older_is_forgotten(sources: list[float], forced: list[float], before: float) -> None:
    history = History()
    for kind, times in (("source", sources), ("forced", forced)):
        for number, mjd in enumerate(times):
            history.add(kind, mjd, f"{kind} {number}".encode())
    history.forget(before)
    for kind, times in (("source", sources), ("forced", forced), ("limit", [])):
        kept = [(mjd, f"{kind} {number}".encode()) for number, mjd in enumerate(times) if mjd >= before]
        assert list(zip(history.times[kind], history.records[kind], strict=True)) == kept

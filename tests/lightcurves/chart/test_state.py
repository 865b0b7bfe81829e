"""The address of a chart says everything about it."""

from __future__ import annotations

from urllib.parse import parse_qsl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.lightcurves.chart.state import KINDS, X_AXES, Y_AXES, ChartState
from broker_assets.lightcurves.photometry import BANDS


@given(
    st.sets(st.sampled_from(BANDS)),
    st.sets(st.sampled_from(sorted(KINDS))),
    st.sampled_from(sorted(Y_AXES)),
    st.sampled_from(sorted(X_AXES)),
    st.tuples(st.integers(50_000, 60_000), st.integers(60_001, 70_000)) | st.none(),
)
@settings(max_examples=50)
def test_a_copied_address_gives_the_same_state(bands: set[str], kinds: set[str], y: str, x: str, t: object) -> None:
    since, until = t if isinstance(t, tuple) else (None, None)
    state = ChartState(
        bands="".join(band for band in BANDS if band in bands),
        kinds="".join(kind for kind in KINDS if kind in kinds),
        y=y,  # type: ignore[arg-type]
        x=x,  # type: ignore[arg-type]
        since=since,
        until=until,
    )
    assert ChartState.read(dict(parse_qsl(state.query()[1:], keep_blank_values=True))) == state


@pytest.mark.parametrize(
    "given_values",
    [{"t": "5:3"}, {"t": "nan:3"}, {"t": "x"}, {"y": "<b>"}, {"x": ""}, {"as_of": "inf"}, {"as_of": "1e300"}],
)
def test_what_cannot_be_read_is_left_out(given_values: dict[str, str]) -> None:
    assert ChartState.read(given_values) == ChartState()


def test_letters_in_any_case_and_order() -> None:
    assert ChartState.read({"b": "ZZg!", "k": "LD"}) == ChartState(bands="gz", kinds="dl")
    assert ChartState.read({"as_of": "61000.5"}).as_of == 61000.5

"""Messages as sentences."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker_assets.sentences import sentence


def test_names_keep_their_case() -> None:
    assert sentence(ValueError("filter 'SNe Ia' belongs to Ann")) == "Filter 'SNe Ia' belongs to Ann."


@given(st.text(min_size=1))
def test_all_but_the_beginning_stays(text: str) -> None:
    assert sentence(text).endswith(f"{text[1:]}.")

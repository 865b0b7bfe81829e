"""What is quoted in messages is short and can be printed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from broker_assets.sky.quoting import quoted


@given(st.text(max_size=200), st.integers(0, 50))
def test_any_text_can_be_shown(text: str, longest: int) -> None:
    shown = quoted(text, longest)
    assert shown.isprintable()
    assert len(shown) <= 10 * longest + 3


def test_what_can_be_printed_is_as_it_was() -> None:
    assert quoted("circle(1,2) é°") == '"circle(1,2) é°"'
    assert quoted("a\x1b\n\u2028\ud800") == '"a\\x1b\\n\\u2028\\ud800"'
    assert quoted("abcdef", 3) == '"abc…"'

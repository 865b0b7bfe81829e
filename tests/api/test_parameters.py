"""Parameters as clients write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from broker_assets.api.parameters import BadParametersError, Flag, checked


class _Asked(BaseModel):
    number: float
    lite: Flag = False


@pytest.mark.parametrize(
    ("word", "value"),
    [("True", True), ("False", False), ("true", True), ("0", False), (" on ", True), (True, True), (0, False)],
)
def test_booleans_are_words_of_any_language(word: object, value: bool) -> None:
    assert checked(_Asked, {"number": "1", "lite": word, "other": "x"}).lite is value


@given(
    st.dictionaries(
        st.sampled_from(["number", "lite"]), st.one_of(st.none(), st.text(), st.integers(), st.lists(st.text()))
    )
)
def test_any_value_is_taken_or_named(values: dict[str, object]) -> None:
    wrong: dict[str, list[str]] = {}
    try:
        assert isinstance(checked(_Asked, values).number, float)
    except BadParametersError as error:
        wrong = error.fields
    assert set(wrong) <= {"number", "lite"}
    assert all(texts for texts in wrong.values())

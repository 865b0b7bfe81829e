"""What a target can be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.tom.targets.fields import ELEMENTS, POSITION, SCHEMES, BadTarget, checked, is_reserved

PLACE = {"name": "x", "ra": 10, "dec": -5}
MINOR = dict.fromkeys(SCHEMES["MPC_MINOR_PLANET"], 1.0) | {"name": "c", "scheme": "mpc_minor_planet"}


def test_a_target_that_moves_needs_its_elements() -> None:
    found = checked(MINOR)
    assert (found.type, found.scheme) == ("NON_SIDEREAL", "MPC_MINOR_PLANET")
    assert set(found.elements) == set(SCHEMES["MPC_MINOR_PLANET"])
    assert checked(PLACE | {"type": "sidereal", "ra": 360}).position["ra"] == 0


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"name": " "}, "name: a target needs one"),
        ({"ra": None}, "ra: a sidereal target"),
        ({"ra": "10h"}, "ra: '10h' is not a number"),
        ({"ra": "nan"}, "ra: 'nan' is not a number"),
        ({"dec": float("inf")}, "dec: inf is not from -90 to 90"),
        ({"ra": True}, "ra: 'True' is not a number"),
        ({"type": "comet"}, "type: 'COMET'"),
        ({"scheme": "x"}, "scheme: 'X' is not known"),
        ({"type": "NON_SIDEREAL"}, "scheme: a target that moves"),
        ({"type": "NON_SIDEREAL", "scheme": "MPC_COMET"}, "epoch_of_elements: MPC_COMET needs it"),
        ({"diaobjectid": "-7"}, "diaobjectid"),
        ({"aliases": ["a" * 300]}, "aliases: 'aaa"),
        ({"tags": list(range(300))}, "tags: 300 are too many"),
        ({"extras": {"Name of host": "x"}}, "Name of host: a further field"),
        ({"extras": {"a": "\0"}}, "a: the text"),
    ],
)
def test_what_cannot_be_is_named(change: dict[str, Any], why: str) -> None:
    with pytest.raises(BadTarget) as raised:
        checked(PLACE | change)
    assert str(raised.value).startswith(why)


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.lists(st.text(max_size=5))
)


@given(
    st.dictionaries(
        st.sampled_from(["name", "type", "scheme", "diaobjectid", *POSITION, *ELEMENTS]), VALUES, max_size=12
    ),
    st.lists(st.text(max_size=8), max_size=4),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4),
)
def test_whatever_is_given_is_checked_or_refused(fields: Any, texts: list[str], extras: dict[str, str]) -> None:
    try:
        found = checked(fields | {"aliases": texts, "tags": texts, "extras": extras})
    except BadTarget:
        return
    assert found.name == " ".join(found.name.split()) != ""
    assert all(POSITION[name][0] <= value <= POSITION[name][1] for name, value in found.position.items())
    assert not any(map(is_reserved, found.extras))
    again: dict[str, Any] = {"name": found.name, "type": found.type, "scheme": found.scheme, "aliases": found.aliases}
    again |= {"tags": found.tags, "extras": found.extras, "diaobjectid": found.diaobjectid}
    assert checked(dict(found.position) | dict(found.elements) | again) == found

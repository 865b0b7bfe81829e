"""The plain decoder: fields at any bit, groups in groups, and nothing beyond the packet."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.telemetry.decoding.reference import ReadError, read
from broker_assets.telemetry.idb.layouts import HEADER_BITS, Parameter, variable_layout

FIELDS = st.lists(st.tuples(st.integers(1, 70), st.booleans()), min_size=1, max_size=8)


def parameter(name: str, width: int, signed: bool = False) -> Parameter:
    return Parameter(name, name, width, signed, "N", None, None)


@given(FIELDS, st.data())
def test_fields_one_after_another(fields: list[tuple[int, bool]], data: st.DataObject) -> None:
    layout = variable_layout([(parameter(f"P{n}", width, signed), 0, 0) for n, (width, signed) in enumerate(fields)])
    values, bits = [], ""
    for width, signed in fields:
        low, high = (-(1 << width - 1), (1 << width - 1) - 1) if signed else (0, (1 << width) - 1)
        values.append(data.draw(st.integers(low, high)))
        bits += f"{values[-1] & ((1 << width) - 1):0{width}b}"
    content = int(bits, 2) << (-len(bits) % 8)
    packet = bytes(HEADER_BITS // 8) + content.to_bytes((len(bits) + 7) // 8, "big")
    reading = read(layout, packet)
    assert [value for _, value in reading.values] == values
    assert reading.bits == HEADER_BITS + len(bits)
    if len(bits) % 8 == 0 or len(packet) > HEADER_BITS // 8 + 1:
        with pytest.raises(ReadError, match=r"it ends before P\d"):
            read(layout, packet[:-1])


@given(st.lists(st.lists(st.integers(0, 255), max_size=4), max_size=4))
def test_groups_in_groups(groups: list[list[int]]) -> None:
    """A counter of groups, each with a counter of bytes."""
    layout = variable_layout(
        [(parameter("OUTER", 8), 2, 0), (parameter("INNER", 8), 1, 0), (parameter("BYTE", 8), 0, 0)]
    )
    body = bytes([len(groups)]) + b"".join(bytes([len(group), *group]) for group in groups)
    reading = read(layout, bytes(HEADER_BITS // 8) + body)
    assert [value for field, value in reading.values if field.parameter.name == "BYTE"] == [*itertools.chain(*groups)]
    assert [repeat.count for repeat in reading.repeats] == [len(groups), *map(len, groups)]


def test_a_field_may_overlap_those_before_it_but_not_the_beginning() -> None:
    word, piece = parameter("WORD", 16), parameter("PIECE", 4)
    layout = variable_layout([(word, 0, 0), (piece, 0, -12)])
    assert [value for _, value in read(layout, bytes(16) + b"\xab\xcd").values] == [0xABCD, 0xB]
    early = variable_layout([(word, 0, 0), (piece, 0, -300)])
    with pytest.raises(ReadError, match="PIECE lies before its first byte"):
        read(early, bytes(16) + b"\xab\xcd")

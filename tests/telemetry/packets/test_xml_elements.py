"""Elements in an XML stream, also in a damaged one, whatever the size of the pieces that are read."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.telemetry.packets.xml_elements import LONGEST_ELEMENT, find_elements

PIECES = st.sampled_from(
    [
        b"<a:P n='1'>one</a:P>", b"<P>two</P>", b"<P/>", b"<PP>no</PP>", b"text P <b>", b"</P>", b"<P", b"\xff\x00",
        b"<P \n x=\"1\">three</P >", b"<!-- P -->", b"<x.y:P>four</x.y:P>",
    ]
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(PIECES, max_size=12), st.integers(1, 40))
def test_the_size_of_pieces_changes_nothing(pieces: list[bytes], chunk: int) -> None:
    text = b"".join(pieces)
    at_once = [(e.position, e.text, e.content, e.closed) for e in find_elements(io.BytesIO(text), "P")]
    in_pieces = [(e.position, e.text, e.content, e.closed) for e in find_elements(io.BytesIO(text), "P", chunk=chunk)]
    assert in_pieces == at_once
    assert all(text[position : position + len(whole)] == whole for position, whole, _, _ in at_once)


@given(
    st.lists(st.tuples(st.sampled_from([b"P", b"ns:P"]), st.from_regex(rb"[a-z ]{0,9}", fullmatch=True)), max_size=8)
)
def test_whole_elements_are_those_of_a_regular_expression(elements: list[tuple[bytes, bytes]]) -> None:
    text = b"<r>" + b"\n".join(b"<%s>%s</%s>" % (name, content, name) for name, content in elements) + b"</r>"
    wanted = [match[2] for match in re.finditer(rb"<((?:ns:)?P)>([^<]*)</\1>", text)]
    found = list(find_elements(io.BytesIO(text), "P"))
    assert [element.content for element in found] == wanted
    assert all(element.closed for element in found)


def test_an_element_that_is_not_closed_ends_at_the_next() -> None:
    found = list(find_elements(io.BytesIO(b"<P n='1'>lost<P>kept</P>"), "P"))
    assert [(element.opening, element.content, element.closed) for element in found] == [
        (b"<P n='1'>", b"lost", False),
        (b"<P>", b"kept", True),
    ]


@pytest.mark.parametrize("chunk", [1000, 1 << 20])
def test_an_endless_element_is_cut(chunk: int) -> None:
    """So that a lost end tag costs bounded memory."""
    text = b"<P>" + b"x" * (2 * LONGEST_ELEMENT) + b"</P><P>next</P>"
    first, last = find_elements(io.BytesIO(text), "P", chunk=chunk)
    assert (first.closed, len(first.text) <= LONGEST_ELEMENT) == (False, True)
    assert (last.content, last.closed) == (b"next", True)

"""Designations: the examples of the Minor Planet Center, and round trips of all others."""

from __future__ import annotations

import string

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from broker_assets.packets.designations import (
    FIRST_EXTENDED,
    LARGEST_CYCLE,
    LARGEST_NUMBER,
    NotADesignation,
    designation,
    of_identifier,
)

LETTERS = "ABCDEFGHJKLMNOPQRSTUVWXYZ"


@pytest.mark.parametrize(
    ("unpacked", "packed"),
    [
        ("1995 XA", "J95X00A"), ("1995 XL1", "J95X01L"), ("1995 FB13", "J95F13B"), ("1998 SQ108", "J98SA8Q"),
        ("1998 SV127", "J98SC7V"), ("1998 SS162", "J98SG2S"), ("2099 AZ193", "K99AJ3Z"), ("2008 AA360", "K08Aa0A"),
        ("2007 TA418", "K07Tf8A"), ("2026 CA620", "_QC0000"), ("2026 CZ6190", "_QC0aEM"), ("2026 CL591673", "_QCzzzz"),
        ("2040 P-L", "PLS2040"), ("3138 T-1", "T1S3138"), ("1010 T-2", "T2S1010"), ("4101 T-3", "T3S4101"),
        ("1995 A1", "J95A010"), ("1994 P1-B", "J94P01b"), ("1994 P1", "J94P010"), ("2048 X13", "K48X130"),
        ("2033 L89-C", "K33L89c"), ("2088 A103", "K88AA30"), ("C/2023 A3", "CK23A030"), ("C/2014 UN271", "CK14UR1N"),
        ("3202", "03202"), ("50000", "50000"), ("100345", "A0345"), ("360017", "a0017"), ("203289", "K3289"),
        ("620000", "~0000"), ("620061", "~000z"), ("3140113", "~AZaz"), ("15396335", "~zzzz"),
        ("1P", "0001P"), ("1I", "0001I"), ("A904 OA", "J04O00A"),
    ],
)  # fmt: skip
def test_examples_of_the_minor_planet_center(unpacked: str, packed: str) -> None:
    for text in (unpacked, packed, f" {unpacked.lower()} ", unpacked.replace(" ", "")):
        found = designation(text)
        assert (found.unpacked, found.packed) == (unpacked, packed)


@pytest.mark.parametrize(
    ("text", "unpacked"),
    [
        ("(433) Eros", "433"), ("433 Eros", "433"), ("(1)", "1"), ("00001", "1"), ("J91V00016P", "1991 VP16"),
        ("1P/Halley", "1P"), ("C/2023 A3 (Tsuchinshan-ATLAS)", "C/2023 A3"), ("2004  JQ12", "2004 JQ12"),
    ],
)  # fmt: skip
def test_other_ways_to_write_them(text: str, unpacked: str) -> None:
    assert designation(text).unpacked == unpacked


@pytest.mark.parametrize(("identifier", "packed"), [(21163624394469969, "K04J12Q"), (21165806389311562, "K20S88J")])
def test_identifiers_are_those_of_rubin(identifier: int, packed: str) -> None:
    """As real packets have them (`ssSource.ssObjectId` and the orbit's packed designation)."""
    assert designation(packed).identifier == identifier
    assert of_identifier(identifier).packed == packed


provisional = st.builds(
    lambda year, half, letter, cycle: f"{year} {half}{letter}{cycle or ''}",
    st.integers(1925, 2099), st.sampled_from(LETTERS[:-1]), st.sampled_from(LETTERS), st.integers(0, 619),
)  # fmt: skip
extended = st.builds(
    lambda year, half, letter, cycle: f"{year} {half}{letter}{cycle}",
    st.integers(2000, 2061), st.sampled_from(LETTERS[:-1]), st.sampled_from(LETTERS[:10]),
    st.integers(FIRST_EXTENDED, LARGEST_CYCLE),
)  # fmt: skip
comet = st.builds(
    lambda kind, year, half, order, fragment: f"{kind}/{year} {half}{order}{fragment}",
    st.sampled_from("CPDXAI"), st.integers(1800, 2199), st.sampled_from(LETTERS[:-1]), st.integers(1, 619),
    st.sampled_from(["", "-A", "-Z"]),
)  # fmt: skip
survey = st.builds(
    lambda number, name: f"{number} {name}", st.integers(1, 9999), st.sampled_from(["P-L", "T-1", "T-2", "T-3"])
)
number = st.integers(1, LARGEST_NUMBER).map(str)
comet_number = st.builds(lambda place, kind: f"{place}{kind}", st.integers(1, 9999), st.sampled_from("PDI"))


@given(st.one_of(provisional, extended, comet, survey, number, comet_number))
@example("2061 YZ619")
@example(f"2061 YL{LARGEST_CYCLE}")
def test_round_trip(text: str) -> None:
    found = designation(text)
    assert found.unpacked == text
    assert designation(found.packed) == found
    assert found.packed.isascii()
    assert len(found.packed) in (5, 7, 8)
    assert 0 < found.identifier < 2**63
    assert of_identifier(found.identifier) == found


@given(st.text(string.printable, max_size=12))
@example("2004 IQ12")
@example("0")
@example("~")
@example("_QZ0000")
def test_other_text_is_refused_or_read_consistently(text: str) -> None:
    try:
        found = designation(text)
    except NotADesignation:
        return
    assert designation(found.unpacked) == designation(found.packed) == found


@pytest.mark.parametrize(
    "text",
    ["", "Eros", "2004 IQ12", "2004 ZA", "0", "99999999", "1999 AA620", "2070 AA700", "0P", "1700 AA", "C/2023 A620",
     "null", "-999", "٣"],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    with pytest.raises(NotADesignation):
        designation(text)


@pytest.mark.parametrize("identifier", [0, 1, -5, 2**63 - 1, 20_000_000_000_000_000, 1152921504606846977])
def test_identifiers_of_other_makes(identifier: int) -> None:
    with pytest.raises(NotADesignation):
        of_identifier(identifier)

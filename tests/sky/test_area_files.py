"""Files of areas: every form that is taken, and the reason for every one that is not."""

from __future__ import annotations

import gzip
import json

import numpy as np
import pytest
from hostile_input import damaged, memory_below, refused_with_reason
from hypothesis import given
from hypothesis import strategies as st
from mocpy import MOC

from broker_assets.settings import InputLimits
from broker_assets.sky.area_files import read_area
from broker_assets.sky.areas import NotAnArea, moc_bytes
from broker_assets.sky.regions import cone_area

cells = st.integers(0, 9).flatmap(lambda order: st.tuples(st.just(order), st.integers(0, 12 * 4**order - 1)))


def moc_of(parts: list[tuple[int, int]]) -> MOC:
    depth = max(order for order, _ in parts)
    one = [
        MOC.from_healpix_cells(np.array([cell], np.uint64), np.array([order], np.uint8), depth) for order, cell in parts
    ]
    return MOC.new_empty(depth).union(*one)


@given(st.lists(cells, min_size=1, max_size=30))
def test_every_form_of_a_moc_gives_the_same_area(parts: list[tuple[int, int]]) -> None:
    expected = moc_of(parts)
    by_order: dict[str, list[int]] = {}
    for order, cell in parts:
        by_order.setdefault(str(order), []).append(cell)
    plain = " ".join(f"{order}/{','.join(map(str, found))}" for order, found in by_order.items())
    forms = [
        moc_bytes(expected),
        json.dumps(by_order).encode(),
        plain.encode(),
        expected.to_string("json").encode(),
        expected.to_string("ascii").encode(),
        b"\xef\xbb\xbf" + expected.to_string("ascii").encode(),
    ]
    for form in forms:
        assert read_area(form, region_order=5) == expected


@pytest.mark.parametrize(
    "text", ["CIRCLE ICRS 10 20 1", "icrs; circle(10d, 20d, 1d)", "\n# DS9\nicrs\ncircle(10d,20d,1d)\n"]
)
def test_regions_become_mocs_of_the_order_asked_for(text: str) -> None:
    assert read_area(text.encode(), region_order=9) == cone_area(10.0, 20.0, 1.0, order=9)


def test_an_order_without_cells_says_how_deep_the_moc_is() -> None:
    assert read_area(b"3/1 5/", region_order=9).max_order == 5


def test_an_order_that_occurs_twice_loses_nothing() -> None:
    assert read_area(b'{"3": [1], "4": [77], "3": [5]}', region_order=9) == MOC.from_str("3/1 5 4/77")
    assert read_area(b"3/1 4/77 3/5", region_order=9) == MOC.from_str("3/1 5 4/77")


@pytest.mark.parametrize(
    ("limits", "content", "reason"),
    [
        (InputLimits(area_bytes=7), b"3/1-4 5/", "BROKER_LIMITS__AREA_BYTES"),
        (InputLimits(area_bytes=7), gzip.compress(b"3/1-4 5/", mtime=0), "BROKER_LIMITS__AREA_BYTES"),
        (InputLimits(area_cells=2), b"3/1-4 5/3 5/9", "BROKER_LIMITS__AREA_CELLS"),
        (InputLimits(area_cells=2), b'{"3": [1, 2, 5]}', "BROKER_LIMITS__AREA_CELLS"),
        (InputLimits(area_cells=2), moc_bytes(MOC.from_str("3/1 5 9")), "BROKER_LIMITS__AREA_CELLS"),
    ],
)
def test_limits(limits: InputLimits, content: bytes, reason: str) -> None:
    assert not read_area(content, region_order=9).empty()
    with pytest.raises(NotAnArea, match=reason):
        read_area(content, region_order=9, limits=limits)


SEEDS = [b"3/1-4 5/97,99", b'{"3": [1, 2], "5": [97]}', gzip.compress(b"3/1", mtime=0),
         b"UNION ICRS (CIRCLE 1 2 3 BOX 4 5 6 7)",
         b"icrs; circle(10d,20d,1d)\n-box(1,2,3,4,5)"]  # fmt: skip


@given(damaged(SEEDS))
def test_damaged_files_are_areas_or_say_why(content: bytes) -> None:
    with memory_below(64 * 1024**2), refused_with_reason(NotAnArea):
        assert not read_area(content, region_order=6).empty()


def test_many_cells_as_text_take_little_more_than_their_bytes() -> None:
    with memory_below(3 << 20):
        assert read_area(b"3/" + b"1," * 30_000, region_order=9) == MOC.from_str("3/1")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b" \n", "the file is empty"),
        (b"SIMPLE  = nonsense", "damaged"),
        (b"\xff\xfe\x00", "neither FITS nor UTF-8 text"),
        (b"3/", "the MOC is empty"),
        (b"3/768", "no cell 768 of order 3; its cells are 0 to 767"),
        (b"3/5-2", "no range 5-2"),
        (b"3/1 x", "'x' is neither an order"),
        (b"3/" + b"x" * 100_000, "'x{40}' is neither"),
        (b'{"' + b"x" * 100_000 + b'": []}', "'x{40}' is not an order"),
        (b'{"3": ["' + b"x" * 100_000 + b'"]}', "has the cell 'x{39}, which"),
        (b"3/1/2", "'/1/' is ambiguous; put a blank before each order"),
        (b"15/1", "order 15, more than 14"),
        (b"30/1", "no order 30"),
        (b'{"3": [1', "not JSON"),
        (b'{"3": ' + b"[" * 100_000, "not JSON"),
        (b'{"3": [' + b"9" * 5000 + b"]}", "not JSON"),
        (b'{"3": {"1": 2}}', "not a whole number"),
        ('{"٣": [1]}'.encode(), "is not an order"),
        (b"3/" + b"9" * 5000, "neither an order"),
        ("3/١".encode(), "neither an order"),
        (gzip.compress(b"3/1", mtime=0)[:-4], "gzip file is damaged"),
        (b'{"x": [1]}', "'x' is not an order"),
        (b'{"3": 1}', "no list of cells"),
        (b'{"3": [1, 1.5]}', "cell 1.5"),
        (b'{"3": [1, true]}', "cell True"),
        (b'{"3": [-1]}', "no cell -1"),
        (b"10.5, -3.25, NGC 1", "not understood as STC-S or DS9"),
    ],
)
def test_refuses(content: bytes, reason: str) -> None:
    with pytest.raises(NotAnArea, match=reason):
        read_area(content, region_order=9)


@given(st.binary(max_size=80) | st.text(max_size=80).map(str.encode))
def test_anything_is_an_area_or_refused(content: bytes) -> None:
    try:
        area = read_area(content, region_order=5)
    except NotAnArea:
        return
    assert not area.empty()

"""Areas: what is taken and refused, and the index against each MOC alone."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.io import fits
from hostile_input import damaged, memory_below, refused_with_reason
from hypothesis import given, settings
from hypothesis import strategies as st
from mocpy import MOC, TimeMOC

from broker_assets.sky.areas import (
    NotAnArea,
    build_area_index,
    match_areas,
    moc_bytes,
    moc_version,
    read_moc,
    update_area_index,
)


def random_moc(random: np.random.Generator) -> MOC:
    order = int(random.integers(0, 11))
    pixels = random.integers(0, 12 * 4**order, int(random.integers(1, 40)))
    return MOC.from_healpix_cells(pixels.astype(np.uint64), np.full(len(pixels), order, np.uint8), max_depth=10)


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_index_equals_each_moc(seed: int) -> None:
    random = np.random.default_rng(seed)
    areas = {int(random.integers(1, 10**12)): random_moc(random) for _ in range(8)}
    ra = random.uniform(0, 360, 2000)
    dec = np.degrees(np.arcsin(random.uniform(-1, 1, 2000)))
    hits = match_areas(build_area_index(areas), ra, dec)
    for area, moc in areas.items():
        assert np.array_equal(
            hits.position[hits.area == area], np.flatnonzero(moc.contains_lonlat(ra * u.deg, dec * u.deg))
        )
    assert np.array_equal(np.lexsort((hits.area, hits.position)), np.arange(len(hits)))


@given(seed=st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_update_equals_a_new_build(seed: int) -> None:
    random = np.random.default_rng(seed)
    areas = {number: random_moc(random) for number in range(10)}
    changed = {number: random_moc(random) for number in (3, 12)}
    updated = update_area_index(build_area_index(areas), removed={1, 5}, added=changed)
    wanted = {number: moc for number, moc in areas.items() if number not in {1, 5}} | changed
    rebuilt = build_area_index(wanted)
    assert updated.version == rebuilt.version
    ra, dec = random.uniform(0, 360, 500), np.degrees(np.arcsin(random.uniform(-1, 1, 500)))
    assert np.array_equal(match_areas(updated, ra, dec).area, match_areas(rebuilt, ra, dec).area)


def test_an_object_may_lie_in_any_number_of_areas() -> None:
    everywhere = MOC.from_str("0/0-11")
    hits = match_areas(build_area_index(dict.fromkeys(range(100), everywhere)), [1.0, 2.0], [3.0, 90.0])
    assert len(hits) == 200


def test_no_areas() -> None:
    assert len(match_areas(build_area_index({}), [1.0], [2.0])) == 0


@pytest.mark.shared
@pytest.mark.parametrize(
    ("path", "outcome"),
    [
        ("unit/pipeline/filter/sample_areas/ar_1.fits", (11, 53.346)),
        ("system/sample_area.fits", (11, 10.1)),
        ("unit/common/src/bad_fits_test_files/orion.fits", (9, 0.7606)),
        ("unit/pipeline/filter/sample_areas/ar_2.fits", "not a FITS file"),
        ("unit/pipeline/filter/sample_areas/not_a_moc.txt", "not a FITS file"),
        ("unit/common/src/bad_fits_test_files/orion29.fits", "order 29"),
        ("unit/common/src/skymapdata/map.fits", "5 columns"),
        ("unit/common/src/sample_cutout.fits", "not a binary table"),
    ],
)
def test_files_of_lasair(shared_folder: Path, path: str, outcome: Any) -> None:
    content = (shared_folder / "data/lasair/tests" / path).read_bytes()
    if isinstance(outcome, str):
        with pytest.raises(NotAnArea, match=outcome):
            read_moc(content)
    else:
        moc = read_moc(content)
        assert moc.max_order == outcome[0]
        assert moc.sky_fraction * 41252.96 == pytest.approx(outcome[1], rel=1e-2)


def test_refuses_what_is_no_area() -> None:
    with pytest.raises(NotAnArea, match="empty"):
        read_moc(moc_bytes(MOC.new_empty(5)))
    with pytest.raises(NotAnArea, match="order 15"):
        read_moc(moc_bytes(MOC.from_str("15/7")))
    whole = moc_bytes(MOC.from_str("8/" + " ".join(str(cell) for cell in range(0, 4000, 10))))
    with pytest.raises(NotAnArea, match=r"damaged|cannot be read"):
        read_moc(whole[:5800])
    buffer = io.BytesIO()
    TimeMOC.from_str("20/1").serialize(format="fits").writeto(buffer)
    with pytest.raises(NotAnArea, match=r"MOCDIM|ORDERING"):
        read_moc(buffer.getvalue())
    galactic = fits.open(io.BytesIO(whole))
    galactic[1].header["COORDSYS"] = "G"
    buffer = io.BytesIO()
    galactic.writeto(buffer)
    with pytest.raises(NotAnArea, match="COORDSYS"):
        read_moc(buffer.getvalue())


@given(damaged([moc_bytes(MOC.from_str("8/100-120 9/77")), gzip.compress(moc_bytes(MOC.from_str("3/5")), mtime=0)]))
def test_damaged_bytes_are_refused_or_read_but_never_crash(content: bytes) -> None:
    with memory_below(8 * 1024**2), refused_with_reason(NotAnArea):
        assert not read_moc(content).empty()


def moc_file(values: list[int], ordering: str, *, form: str = "K", cards: dict[str, Any] | None = None) -> bytes:
    """A file with these numbers, as written by hand."""
    kind = {"K": ">i8", "J": ">i4", "I": ">i2"}[form[-1]]
    each = int(form[:-1] or 1)
    data = np.array(values, kind).tobytes()
    header = fits.Header(
        [("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", each * np.dtype(kind).itemsize),
         ("NAXIS2", len(values) // each), ("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", 1), ("TFORM1", form),
         ("ORDERING", ordering), ("COORDSYS", "C")]
    )  # fmt: skip
    header.update(cards or {})
    primary = fits.PrimaryHDU().header.tostring()
    return (primary + header.tostring()).encode() + data.ljust(-len(data) % 2880 + len(data), b"\0")


ORDER = 4
cells = st.integers(0, ORDER).flatmap(lambda order: st.tuples(st.just(order), st.integers(0, 12 * 4**order - 1)))


def deep_cells(moc: MOC) -> set[int]:
    """The cells of order 4 that a MOC of at most this order consists of."""
    shift = 2 * (29 - ORDER)
    return {cell for first, end in moc.to_depth29_ranges.tolist() for cell in range(first >> shift, end >> shift)}


@given(st.lists(cells, min_size=1, max_size=30), st.integers(0, 6), st.sampled_from(["K", "J"]), st.booleans())
def test_any_list_of_cells_gives_their_union(
    listed: list[tuple[int, int]], stated: int, form: str, named: bool
) -> None:
    """Nested, repeated, in any order, of an order that is stated too small or too large, without a column name."""
    cards: dict[str, Any] = {"MOCORDER": stated} | ({"TTYPE1": "UNIQ"} if named else {})
    uniq = [4 * 4**order + cell for order, cell in listed]
    moc = read_moc(moc_file(uniq, "NUNIQ", form=form, cards=cards))
    width = {order: 4 ** (ORDER - order) for order in range(ORDER + 1)}
    truth = {part for order, cell in listed for part in range(cell * width[order], (cell + 1) * width[order])}
    assert deep_cells(moc) == truth
    assert moc.max_order == max(stated, *(order for order, _ in listed))


pieces = st.integers(0, 12 * 4**ORDER - 1).flatmap(
    lambda first: st.tuples(st.just(first), st.integers(first + 1, min(first + 300, 12 * 4**ORDER)))
)


@given(st.lists(pieces, min_size=1, max_size=20), st.integers(0, 6), st.sampled_from(["K", "2K"]))
def test_any_list_of_ranges_gives_their_union(listed: list[tuple[int, int]], stated: int, form: str) -> None:
    shift = 2 * (29 - ORDER)
    limits = [limit << shift for piece in listed for limit in piece]
    moc = read_moc(moc_file(limits, "RANGE", form=form, cards={"MOCORD_S": stated, "MOCDIM": "SPACE"}))
    assert deep_cells(moc) == {cell for first, end in listed for cell in range(first, end)}


DEEP = 2 * 15


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (moc_file([1 << DEEP, 2 << DEEP, 5 << DEEP], "RANGE"), "3 limits of ranges; the last range has no end"),
        (moc_file([5 << DEEP, 2 << DEEP], "RANGE"), "range 1 of the MOC"),
        (moc_file([5 << DEEP, 5 << DEEP], "RANGE"), "range 1 of the MOC"),
        (moc_file([-4 << DEEP, 5 << DEEP], "RANGE"), "range 1 of the MOC"),
        (moc_file([0, 13 << 58], "RANGE"), "range 1 of the MOC"),
        (moc_file([0, 1], "RANGE", cards={"MOCORD_S": 5}), "has order 29, more than 14"),
        (moc_file([4, 3], "NUNIQ"), "row 2 of the MOC has 3, which is not a cell"),
        (moc_file([4, -1], "NUNIQ"), "row 2 of the MOC has -1"),
        (moc_file([2**62], "NUNIQ"), "which is not a cell"),
        (moc_file([2**63 - 1], "NUNIQ"), "which is not a cell"),
        (moc_file([], "NUNIQ"), "empty"),
        (moc_file([4], "NUNIQ", cards={"TZERO1": 3}), "scaled"),
        (moc_file([4], "NUNIQ", cards={"TFORM1": "D"}), "whole numbers"),
        (moc_file([4], "NUNIQ", cards={"TFORM1": "2K"}), "do not hold its column"),
        (moc_file([4], "NUNIQ", cards={"NAXIS2": 2**40}), "BROKER_LIMITS__AREA_CELLS"),
        (moc_file([4], "NUNIQ", cards={"NAXIS2": 5000}), "truncated"),
        (moc_file([4], "NUNIQ", cards={"NAXIS2": -1}), "damaged|empty|hold"),
        (moc_file([4], "NUNIQ", cards={"COORDSYS": "GALACTIC"}), "COORDSYS is 'GALACTIC'"),
        (moc_file([4], "NESTED"), "ORDERING of the table is NESTED"),
        (moc_file([4, 5], "RANGE", cards={"MOCDIM": "TIME.SPACE"}), "MOCDIM is 'TIME.SPACE'; use its space part"),
    ],
)
def test_what_no_union_can_be_made_of_is_refused(content: bytes, reason: str) -> None:
    with memory_below(8 * 1024**2), pytest.raises(NotAnArea, match=reason):
        read_moc(content)


@pytest.mark.shared
def test_files_of_the_field(shared_folder: Path) -> None:
    folder = shared_folder / "data/sky/field/moc"
    positions = np.genfromtxt(folder / "pos.csv", delimiter=",", names=True, encoding="utf-8")
    nested = read_moc((folder / "nuniq_nested_parent_child.fits").read_bytes())
    assert len(match_areas(build_area_index({1: nested}), positions["ra"], positions["dec"])) == len(positions) == 21
    for name in ("v1_no_ttype1", "v2_no_ttype1", "coordsys_icrs"):
        assert read_moc((folder / f"{name}.fits").read_bytes()).max_order == 8
    for name, reason in (("stmoc", "use its space part"), ("tmoc", "not a MOC of the sky alone: MOCDIM is 'TIME'$")):
        with pytest.raises(NotAnArea, match=reason):
            read_moc((folder / f"{name}.fits").read_bytes())


def test_version_is_that_of_the_cells() -> None:
    moc = MOC.from_str("3/5 4/100-103")
    assert moc_version(moc) == moc_version(read_moc(moc_bytes(moc)))
    assert moc_version(moc) != moc_version(MOC.from_str("3/5"))

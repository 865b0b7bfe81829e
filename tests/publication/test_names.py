"""Names: nothing is lost in reading one, and what the archive sees of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.publication.names import NotAProductName, ProductName

numbers = st.text("0123456789", min_size=1, max_size=10)
words = st.from_regex(r"[a-z][a-z0-9]{0,8}", fullmatch=True).filter(lambda word: not word.startswith("sup"))
spans = st.one_of(
    st.from_regex(r"20[0-9]{6}", fullmatch=True),
    st.from_regex(r"[0-9]{10}-[0-9]{10}", fullmatch=True),
    st.from_regex(r"20[0-9]{6}T[0-9]{6}-20[0-9]{6}T[0-9]{6}", fullmatch=True),
)
requests = st.one_of(st.tuples(st.none(), st.none()), st.tuples(numbers, st.none() | numbers))


@st.composite
def product_names(draw: st.DrawFn) -> ProductName:
    request, control = draw(requests)
    return ProductName(
        level=draw(st.sampled_from(["LB", "L0", "L1", "L2", "ANC", "CAL", "LL01", "LL03"])),
        family=draw(st.sampled_from(["ql", "hk", "sci", "cal", "asp"])),
        product="-".join(draw(st.lists(words, min_size=1, max_size=3))),
        span=draw(spans),
        version=draw(st.integers(0, 99)),
        mark=draw(st.sampled_from(["", "U", "C"])),
        request=request,
        control=control,
        supplement=draw(st.integers(0, 12)),
        suffix=draw(st.sampled_from(["fits", "svg"])),
    )


@given(product_names())
def test_reading_what_was_written_gives_the_same_name(name: ProductName) -> None:
    assert ProductName.parse(str(name)) == name


@given(product_names(), st.integers(1, 12))
def test_the_archive_sees_neither_request_nor_mark(name: ProductName, number: int) -> None:
    complete = name.complete
    assert complete.complete == complete
    assert not complete.incomplete
    assert str(complete) == str(name).replace(f"_V{name.version:02d}U", f"_V{name.version:02d}")
    assert name.archive_name == complete.archive_name
    assert ProductName.parse(name.archive_name).archive_name == name.archive_name
    assert name.archive_name.rpartition(".")[0] == "_".join(str(complete).rpartition(".")[0].split("_")[:5])
    supplement = name.with_supplement(number)
    assert supplement.archive_name != complete.archive_name or name.supplement == number
    assert (supplement.request, supplement.span, supplement.subject) == (name.request, name.span, name.subject)


@given(product_names(), product_names())
def test_different_names_stay_different(one: ProductName, other: ProductName) -> None:
    assert (str(one) == str(other)) == (one == other)


@given(st.text(max_size=60))
def test_other_texts_are_refused_by_name(text: str) -> None:
    with pytest.raises(NotAProductName, match=re.escape(repr(text))):
        ProductName.parse(text)


@pytest.mark.shared
def test_every_golden_name_is_read(shared_folder: Path) -> None:
    folder = shared_folder / "golden" / "stix" / "products"
    names = {path.name for pattern in ("*.fits", "*.svg") for path in folder.rglob(pattern)}
    assert len(names) > 100
    for name in names:
        assert str(ProductName.parse(name)) == name

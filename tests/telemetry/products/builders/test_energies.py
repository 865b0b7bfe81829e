"""ENERGIES of any packets: one row per plane of counts, with the limits that the packet says, or a problem."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from single_packets import (
    START,
    lightcurve_values,
    pixel_values,
    spectra_values,
    spectrogram_values,
    visibility_values,
)

from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
from broker_assets.telemetry.products.builders.energies import PARTED, REVERSED
from broker_assets.telemetry.products.files.headers import marked
from broker_assets.telemetry.products.levels.level0 import Inputs
from broker_assets.telemetry.products.product import WARNING, Product, of_one_day

Maker = Callable[..., Product]
MakerOfAll = Callable[..., tuple[list[Product], list[str]]]
PER_CHANNEL = 4
"""keV between the channels of the open configuration."""
CHANNEL = st.integers(0, 31)
GROUPS = st.lists(st.tuples(CHANNEL, CHANNEL), min_size=1, max_size=5)
ANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def planes(product: Product, counts: str = "counts") -> list[tuple[int, int]]:
    """Channels of the planes as ENERGIES says them."""
    assert product.energies is not None
    low, high = product.energies["e_low"].values, product.energies["e_high"].values
    axis = -1 if counts == "counts" else 1
    assert len(low) == product.data[counts].values.shape[axis]
    assert product.energies["channel"].values.tolist() == list(range(len(low)))
    last = np.where(np.isnan(high), 32 * PER_CHANNEL, high)
    return list(zip((low / PER_CHANNEL).tolist(), (last / PER_CHANNEL - 1).tolist(), strict=True))


def ordered(groups: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return sorted((min(group), max(group)) for group in groups)


@ANY
@given(st.lists(GROUPS, min_size=1, max_size=3))
def test_pixels(make_all: MakerOfAll, bins: list[list[tuple[int, int]]]) -> None:
    """Groups with gaps, overlapping, decreasing and inverted, other ones in other time bins."""
    groups = [group for of_bin in bins for group in of_bin]
    values = pixel_values(len(bins), NIX00258=[len(of_bin) for of_bin in bins])
    values |= {"NIXD0016": [group[0] for group in groups], "NIXD0017": [group[1] for group in groups]}
    counts = [[number % 16] * 6 for number in range(len(groups))]
    values |= {"NIX00259": [6] * len(groups), "NIX00260": [one for of_group in counts for one in of_group]}
    products, problems = make_all((21, 6, 21), values)
    if problems:
        distinct = [set(ordered(of_bin)) for of_bin in bins]
        twice = any(len(set(ordered(of_bin))) < len(of_bin) for of_bin in bins)
        lacking = any(one < other for one in distinct for other in distinct)
        seconds = "same seconds" in problems[0]
        assert twice or lacking or seconds, problems
        return
    first = 0
    for number, of_bin in enumerate(bins):
        time = (START << 16) + (20 * number + 10) * 65536 // 10
        (product,) = [product for product in products if np.abs(product.time - time).min() < 10]
        row = int(np.abs(product.time - time).argmin())
        assert planes(product) == ordered(of_bin)
        found = dict(zip(ordered(of_bin), product.data["counts"].values[row, 0, 0].tolist(), strict=True))
        assert found == {(min(g), max(g)): (first + i) % 16 for i, g in enumerate(of_bin)}
        first += len(of_bin)
        assert (REVERSED in product.comments) == any(low > high for low, high in groups)
        follow = all(one[1] + 1 == other[0] for one, other in zip(planes(product), planes(product)[1:], strict=False))
        assert (PARTED in product.comments) == (not follow)
        assert (WARNING in product.cards) == bool(product.comments)


@ANY
@given(st.lists(st.tuples(CHANNEL, CHANNEL, st.integers(0, 5), st.booleans()), min_size=1, max_size=4))
def test_spectrogram(make_all: MakerOfAll, blocks: list[tuple[int, int, int, bool]]) -> None:
    """Blocks that cover other energies, in other steps: every row has those of its block, or the file says which."""
    spans = [(min(low, high), max(low, high), step + 1) for low, high, step, _ in blocks]
    counts = [
        -(-(last - first + 1) // step) if part else (last - first + 1) // step
        for (first, last, step), (*_, part) in zip(spans, blocks, strict=True)
    ]
    starts = [[20 * number, 20 * number + 10] for number in range(len(blocks))]
    values: dict[str, Any] = spectrogram_values(starts, [10] * len(blocks))
    values |= {"NIXD0442": [block[0] for block in blocks], "NIXD0443": [block[1] for block in blocks]}
    values |= {"NIXD0019": [block[2] for block in blocks], "NIX00270": [n for n in counts for _ in range(2)]}
    values |= {"NIX00268": [1] * (2 * sum(counts))}
    products, problems = make_all((21, 6, 24), values)
    if any("same seconds" in text for text in problems):
        return
    assert problems == []
    for (first, last, step), number, begin in zip(spans, counts, starts, strict=True):
        expected = [(first + i * step, min(first + (i + 1) * step - 1, last)) for i in range(number)]
        time = (START << 16) + (begin[0] + 5) * 65536 // 10
        (product,) = [product for product in products if np.abs(product.time - time).min() < 10]
        if product.row_energies is None:
            assert planes(product) == expected
        else:
            table = product.row_energies.tables[product.row_energies.of_row[np.abs(product.time - time).argmin()]]
            assert (table["e_low"].values / PER_CHANNEL).tolist() == [low for low, _ in expected]
            assert WARNING in marked(product).cards
            assert "ENERGIES holds for" in " ".join(marked(product).comments)


@ANY
@given(st.lists(st.lists(st.tuples(CHANNEL, CHANNEL), min_size=2, max_size=2), min_size=2, max_size=2))
def test_visibilities(make_all: MakerOfAll, bins: list[list[tuple[int, int]]]) -> None:
    groups = [group for of_bin in bins for group in of_bin]
    values = visibility_values(NIXD0016=[group[0] for group in groups], NIXD0017=[group[1] for group in groups])
    products, problems = make_all((21, 6, 23), values)
    if problems:
        assert any(len(set(ordered(of_bin))) < 2 for of_bin in bins)
        return
    for product in products:
        assert planes(product, "flux") in [ordered(of_bin) for of_bin in bins]


@ANY
@given(st.lists(st.sets(st.integers(0, 32), min_size=2, max_size=6), min_size=1, max_size=5))
def test_light_curves(make_all: MakerOfAll, edges: list[set[int]]) -> None:
    """Edges that change in a day: rows of another number are a file of their own, others of the same number marked."""
    given_edges = [sorted(of_packet) for of_packet in edges]
    packets = [lightcurve_values(START + 100 * n, of_packet) for n, of_packet in enumerate(given_edges)]
    found, problems = make_all((21, 6, 30), *packets)
    assert problems == []
    products = of_one_day(found)
    sizes = [len(of_packet) for of_packet in given_edges]
    ordered_sizes = sorted(set(sizes), key=lambda size: (-sizes.count(size), sizes.index(size)))
    assert [(len(product.time), product.apart) for product in products] == [
        (2 * sizes.count(size), number > 0) for number, size in enumerate(ordered_sizes)
    ]
    for size, product in zip(ordered_sizes, products, strict=True):
        kept = [of_packet for of_packet in given_edges if len(of_packet) == size]
        common = max(kept, key=lambda of_packet: (kept.count(of_packet), -kept.index(of_packet)))
        assert [low for low, _ in planes(product)] == common[:-1]
        same = all(of_packet == common for of_packet in kept)
        assert (WARNING in marked(product).cards) == bool(len(products) > 1 or not same)
        text = f"ENERGIES holds for {2 * kept.count(common)} of {2 * len(kept)} rows of DATA, not for these:"
        assert (text in marked(product).comments) != same
        starts = [START + 100 * n for n, of_packet in enumerate(given_edges) if len(of_packet) == size]
        assert product.control["scet_coarse"].values[product.data["control_index"].values].tolist() == [
            start for start in starts for _ in range(2)
        ]


def test_edges_and_the_number_of_energies_disagree(make: Maker) -> None:
    values = lightcurve_values(START, [2, 4, 6, 8], NIX00270=2, NIX00271=[2, 2], NIX00272=[1] * 4)
    assert make((21, 6, 30), values, problem="a packet has 2 energies and edges of 3") is None


def test_days_of_level_1_have_the_energies_of_their_rows(make_all: MakerOfAll) -> None:
    """Rows that are taken out have their own table, and no mark."""
    packets = [lightcurve_values(START, [2, 4, 6]), lightcurve_values(START + 100, [2, 5, 6])]
    (product,), _ = make_all((21, 6, 30), *packets)
    late = product.with_rows(np.array([2, 3]))
    assert planes(product) == [(2, 3), (4, 5)]
    assert planes(late) == [(2, 4), (5, 5)]
    assert (product.row_energies is not None, late.row_energies) == (True, None)


@pytest.mark.parametrize("step", [1, 3])
def test_too_many_tables_are_refused(make_all: MakerOfAll, step: int) -> None:
    """A hostile packet cannot make a file for each of its time bins."""
    count = 70
    lows = [n % 30 for n in range(count)]
    highs = [min(n % 30 + n // 30 * step, 31) for n in range(count)]
    values = pixel_values(count, step=1, NIX00258=[1] * count, NIXD0016=lows, NIXD0017=highs)
    values |= {"NIX00259": [6] * count, "NIX00260": [1] * (6 * count)}
    products, (problem,) = make_all((21, 6, 21), values)
    assert products == []
    assert problem.endswith("ways; 64 are possible")


@pytest.mark.parametrize("key", [(21, 6, 30), (21, 6, 32), (21, 6, 21), (21, 6, 24)])
def test_a_table_of_the_configuration_that_begins_within_a_file(
    make_all: MakerOfAll, open_inputs: Inputs, tmp_path: Path, key: tuple[int, int, int]
) -> None:
    """Rows before and after it have other energies: marked, with those of the fewer; parts have their own."""
    folder = tmp_path / "configuration"
    shutil.copytree(open_inputs.configuration.folder, folder)
    table = folder / "detector/channels.csv"
    (folder / "detector/later.csv").write_text(
        table.read_text().replace("1,1,4,4,8,", "1,1,4,4,8.5,").replace(",8,8,", ",8.5,8.5,")
    )
    begins = np.datetime64("2000-01-01T00:00:00") + np.timedelta64(START + 55, "s")
    (folder / "detector/science_echan_index.csv").write_text(
        "index, start_date, end_date, sci_chan_file\n"
        f"0, 2000-01-01T00:00:00, {begins}, channels.csv\n1, {begins}, none, later.csv\n"
    )
    given: list[dict[str, Any]]
    if key[2] == 30:
        given = [lightcurve_values(START + shift, [0, 2, 4], samples) for shift, samples in ((0, 3), (100, 2))]
    elif key[2] == 32:
        given = [spectra_values(START - 100, [9, 8, 7]), spectra_values(START + 1000, [6, 5])]
    elif key[2] == 21:
        given = [pixel_values(5, step=200, NIXD0016=[0, 2] * 5, NIXD0017=[1, 3] * 5)]
    else:
        given = [spectrogram_values([[0, 100, 200], [600, 700]], [100, 100], NIXD0442=[0, 0], NIXD0443=[5, 5])]
    products, problems = make_all(key, *given, configuration=InstrumentConfiguration(folder))
    assert problems == []
    (product,) = products
    assert product.row_energies is not None
    comments = " ".join(marked(product).comments)
    assert "ENERGIES holds for 3 of 5 rows of DATA" in comments
    assert "rows 4-5: " in comments
    assert "8.5" in comments
    assert product.energies is not None
    assert 8.5 not in product.energies["e_low"].values
    assert 8.5 in product.with_rows(np.array([3, 4])).energies["e_low"].values  # type: ignore[index]

"""Products: times, rows and the places of their files."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.telemetry.packets import clock
from broker_assets.telemetry.products.files.tables import Column
from broker_assets.telemetry.products.kinds import KINDS, kind_of
from broker_assets.telemetry.products.product import (
    Product,
    complete,
    level0_day_path,
    level0_path,
    level1_day_path,
    level1_path,
    levelb_path,
    request_suffix,
)

DAY = 9000 * clock.SECONDS_PER_DAY
LIGHT_CURVE, PIXELS, ASPECT = KINDS[21, 6, 30], KINDS[21, 6, 21], KINDS[21, 6, 42]


def product(
    lengths: list[int], owners: list[int] | None = None, *, kind: object = LIGHT_CURVE, start: int = DAY << 16,
    request: tuple[int, int] | None = None,
) -> Product:  # fmt: skip
    """Bins one after another, ticks; each with its control row."""
    ends = np.cumsum(lengths)
    owners = owners or [0] * len(lengths)
    control = {"index": Column(np.arange(5)), "number": Column(np.arange(5) * 10)}
    data = {
        "time": Column(start + ends - np.array(lengths) + np.array(lengths) // 2),
        "timedel": Column(np.array(lengths)),
        "control_index": Column(np.array(owners)),
    }
    return Product(kind, "L0", control, data, None, (), (), (), request)  # type: ignore[arg-type]


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=10), st.integers(0, 2**47))
def test_begin_and_end_are_those_of_the_bins(lengths: list[int], start: int) -> None:
    found = product(lengths, start=start)
    assert found.start == start
    assert found.end == start + sum(lengths)
    assert found.start <= found.average <= found.end


@given(st.data())
def test_some_rows_keep_their_control_rows_only(data: st.DataObject) -> None:
    owners = sorted(data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=8)))
    rows = sorted(data.draw(st.sets(st.integers(0, len(owners) - 1), min_size=1)))
    part = product([65536] * len(owners), owners).with_rows(np.array(rows))
    numbers = part.control["number"].values[part.data["control_index"].values]
    assert numbers.tolist() == [10 * owners[row] for row in rows]
    assert part.control["index"].values.tolist() == list(range(len({owners[row] for row in rows})))


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=10))
def test_published_times_are_whole_centiseconds_after_the_start(lengths: list[int]) -> None:
    found = product(lengths)
    published = found.published()
    exact = clock.seconds(published.time - found.start) * 100
    assert np.abs(exact - np.rint(exact)).max() < 0.002
    assert np.abs(published.time - found.time).max() <= clock.TICKS_PER_SECOND / 200 + 1


def test_places_of_daily_files() -> None:
    found = product([65536, 65536])
    assert str(level0_path(found)) == f"L0/21/6/30/solo_L0_stix-ql-lightcurve_{DAY:010d}_V02U.fits"
    assert level0_path(found) == level0_day_path(LIGHT_CURVE, DAY)
    utc = [np.datetime64(f"2024-08-{day:02d}T12:00:00") for day in (21, 22, 22)]
    assert str(level1_path(found, *utc)) == "L1/2024/08/22/QL/solo_L1_stix-ql-lightcurve_20240822_V02U.fits"
    assert level1_path(found, *utc) == level1_day_path(LIGHT_CURVE, np.datetime64("2024-08-22"))


def test_places_of_answers() -> None:
    found = product([65536 * 5], kind=PIXELS, request=(50001, 7))
    span = f"{DAY:010d}-{DAY + 5:010d}"
    assert level0_path(found).name == f"solo_L0_stix-sci-xray-cpd_{span}_V02_0000000007-50001.fits"
    utc = [np.datetime64(f"2024-08-22T12:00:0{second}") for second in (0, 5, 3)]
    assert level1_path(found, *utc).name == (
        "solo_L1_stix-sci-xray-cpd_20240822T120000-20240822T120005_V02_0000000007-50001.fits"
    )
    assert str(levelb_path(PIXELS, None, (50001, 7))).startswith("LB/21/6/21/solo_LB_stix-21-6-21_0000000000-")
    assert request_suffix(ASPECT, (50001, 7)) == "_0000000007"
    assert request_suffix(LIGHT_CURVE, None) == ""


@pytest.mark.parametrize("key", [(21, 6, 30), (5, 1, 33), (1, 1, None)])
def test_raw_packets_of_a_day_are_named_by_their_kind(key: tuple[int, int, int | None]) -> None:
    path = levelb_path(kind_of(key), DAY, None)
    numbers = [str(part) for part in key if part is not None]
    assert path.parts[:-1] == ("LB", *numbers)
    assert path.name == f"solo_LB_stix-{'-'.join(numbers)}_{DAY:010d}_V02.fits"


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("solo_L1_stix-ql-lightcurve_20240822_V02U.fits", "solo_L1_stix-ql-lightcurve_20240822_V02.fits"),
        ("solo_L1_stix-ql-lightcurve_20240822_V02.fits", "solo_L1_stix-ql-lightcurve_20240822_V02.fits"),
        ("a_VU.fits", "a_VU.fits"),
        ("no product", "no product"),
    ],
)
def test_names_without_their_mark(name: str, whole: str) -> None:
    assert complete(name) == whole

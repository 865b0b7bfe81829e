"""Watchlist files and their MOCs."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates import Angle
from astropy.coordinates.angles import offset_by
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.sky.cones import build_cone_index
from broker_assets.sky.watchlists import (
    BadWatchlist,
    Cones,
    parse_angle,
    parse_watchlist,
    watchlist_lines,
    watchlist_mocs,
)


def test_lines_of_every_form() -> None:
    cones = parse_watchlist(
        [
            "# comment",
            "",
            "10.5, -3.25",
            "10.5, -3.25, plain",
            "10.5, -3.25, radius too, 20",
            "10.5, -3.25, none, None",
            "00:42:44.3 | +41:16:09 | M 31 | 300",
            "00 42 44.3, -41 16 09, spaces",
            '10.5, -3.25, "name, with comma"',
            "-0.5, -0.0, negative",
        ]
    )
    assert cones.ra.round(6).tolist() == [10.5] * 4 + [10.684583, 10.684583, 10.5, 359.5]
    assert cones.dec[4] == pytest.approx(41 + 16 / 60 + 9 / 3600)
    assert cones.dec[5] == pytest.approx(-cones.dec[4])
    assert np.isnan(cones.radius[[0, 1, 3]]).all()
    assert cones.radius[[2, 4]].tolist() == [20.0, 300.0]
    assert cones.name.to_pylist() == [
        None,
        "plain",
        "radius too",
        "none",
        "M 31",
        "spaces",
        "name, with comma",
        "negative",
    ]
    assert cones.line.tolist() == [3, 4, 5, 6, 7, 8, 9, 10]
    assert not cones.bad


def test_column_names_in_any_order() -> None:
    cones = parse_watchlist(["name,dec,flux,ra,radius", "a,1,99,2,3", "b,4,98,5,"])
    assert cones.ra.tolist() == [2.0, 5.0]
    assert cones.dec.tolist() == [1.0, 4.0]
    assert cones.name.to_pylist() == ["a", "b"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("10", "1 column"),
        ("1, 2, 3, 4, 5", "5 columns"),
        ("ten, 5", "right ascension 'ten'"),
        ("10, five", "declination 'five'"),
        ("10, 91", "declination 91.0 is outside"),
        ("400, 1", "right ascension 400.0 is outside"),
        ("nan, 1", "right ascension nan"),
        ("1, inf", "declination inf"),
        ("10, 10, x, 361", "radius 361.0"),
        ("10, 10, x, 0", "radius 0.0"),
        ("10, 10, x, wide", "radius 'wide'"),
        ("24:00:00, 10", "hours of 24"),
        ("10:60:00, 10", "60 or more"),
        ("10, 10, " + "n" * 33, "33 characters"),
    ],
)
def test_bad_lines_are_named(line: str, reason: str) -> None:
    cones = parse_watchlist(["1, 1, good", line])
    assert len(cones) == 1
    assert cones.bad[0].line == 2
    assert cones.bad[0].text == line
    assert reason in cones.bad[0].reason
    with pytest.raises(BadWatchlist, match="line 2"):
        parse_watchlist(["1, 1, good", line], refuse=True)


@pytest.mark.parametrize(("lines", "reason"), [([], "no cone"), (["# nothing"], "no cone"), (["bad, line"], "line 1")])
def test_a_file_without_cones_is_refused(lines: list[str], reason: str) -> None:
    with pytest.raises(BadWatchlist, match=reason):
        parse_watchlist(lines)


@given(st.floats(0, 359.999), st.floats(-90, 90))
def test_sexagesimal_round_trip(ra: float, dec: float) -> None:
    hours = Angle(ra, u.deg).to_string(unit=u.hourangle, sep=":", precision=7)
    degrees = Angle(dec, u.deg).to_string(unit=u.deg, sep=":", precision=7, alwayssign=True)
    assert parse_angle(hours, hours=True) == pytest.approx(ra, abs=1e-9)
    assert parse_angle(degrees, hours=False) == pytest.approx(dec, abs=1e-9)


@given(st.text(max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    stripped = [line.lstrip("\ufeff").strip() for line in text.splitlines()]
    lines = [line for line in stripped if line and not line.startswith("#")]
    cones = parse_watchlist(["1, 1", *text.splitlines()])
    assert len(cones) + len(cones.bad) == 1 + len(lines)


names = st.text(st.characters(exclude_categories=["C", "Z"], include_characters=' ,|"#'), max_size=32).map(str.strip)


@given(st.lists(st.tuples(st.floats(0, 359.999), st.floats(-90, 90), names, st.none() | st.floats(0.001, 360))))
def test_written_lines_are_read_as_the_same_cones(rows: list[tuple[float, float, str, float | None]]) -> None:
    rows = [(1.0, 1.0, "", None), *rows]
    ra, dec, name, radius = zip(*rows, strict=True)
    cones = Cones(
        np.array(ra),
        np.array(dec),
        np.array([np.nan if value is None else value for value in radius]),
        pa.array([text or None for text in name], pa.string()),
        np.arange(len(rows)),
        (),
    )
    found = parse_watchlist(watchlist_lines(cones), refuse=True)
    assert found.ra.tolist() == cones.ra.tolist()
    assert found.dec.tolist() == cones.dec.tolist()
    assert np.array_equal(found.radius, cones.radius, equal_nan=True)
    assert found.name.equals(cones.name)


@pytest.mark.shared
def test_real_lists(shared_folder: Path) -> None:
    folder = shared_folder / "data/lasair"
    assert len(parse_watchlist((folder / "tests/system/sample_watchlist.csv").read_text().splitlines())) == 5
    blazars = parse_watchlist((folder / "webserver/static/files/BLLac.txt").read_text().splitlines(), refuse=True)
    assert len(blazars) == 42
    assert blazars.name[3].as_py() == "RGB J0152+017"


def test_mocs_cover_their_cones() -> None:
    random = np.random.default_rng(3)
    ra, dec = random.uniform(0, 360, 250), np.degrees(np.arcsin(random.uniform(-1, 1, 250)))
    index = build_cone_index(ra, dec, 10.0 ** random.uniform(-1, 4, 250))
    mocs = watchlist_mocs(index, order=13, chunk=100)
    assert len(mocs) == 3
    chosen = random.integers(0, 250, 50_000)
    distance = index.radius[chosen] * random.uniform(0, 1, 50_000) ** 0.2
    longitude, latitude = offset_by(
        ra[chosen] * u.deg, dec[chosen] * u.deg, random.uniform(0, 360, 50_000) * u.deg, distance * u.arcsec
    )
    for number, moc in enumerate(mocs):
        mine = chosen // 100 == number
        assert moc.contains_lonlat(longitude[mine], latitude[mine]).all()
        assert moc.max_order == 13

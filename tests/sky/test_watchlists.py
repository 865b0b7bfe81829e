"""Watchlist files and their MOCs."""

from __future__ import annotations

import gzip
import re
import time
from pathlib import Path

import astropy.units as u
import numpy as np
import pyarrow as pa
import pytest
from astropy.coordinates import Angle
from astropy.coordinates.angles import offset_by
from hostile_input import damaged, memory_below, refused_with_reason
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.settings import InputLimits
from broker_assets.sky.angles import parse_angle
from broker_assets.sky.cones import build_cone_index
from broker_assets.sky.watchlists import (
    BadWatchlist,
    Cones,
    parse_watchlist,
    read_watchlist,
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


@pytest.mark.parametrize(
    "lines",
    [
        ["10.5\t-3.25\tA, the first\t20", "11.5\t3.25\tB; b"],  # copied from a spreadsheet
        ["Name\tRA\tDec\tradius", "A, the first\t10.5\t-3.25\t20", "B; b\t11.5\t3.25\t"],
        ["10.5; -3.25; A, the first; 20", '11.5;3.25;"B; b"'],  # of European spreadsheets
        ["_RAJ2000;_DEJ2000;Name;radius", "10.5;-3.25;A, the first;20", '11.5;3.25;"B; b";'],
        ["10.5\t,\t-3.25, 'A, the first', 20".replace("'", '"'), "11.5,\t3.25,\tB; b"],
        [
            "+-------+--------+---------+--------------+--------+",  # drawn by TOPCAT, psql, Markdown
            "| objID | raMean | decMean | name         | radius |",
            "|:------|-------:|---------|--------------|--------|",
            "| 1     | 10.5   | -3.25   | A, the first | 20     |",
            "| 2     | 11.5   | 3.25    | B; b         |        |",
            "+-------+--------+---------+--------------+--------+",
        ],
        ["| 10.5 | -3.25 | A, the first | 20 |", "| 11.5 | 3.25 | B; b |"],
    ],
)
def test_separators_of_other_programs(lines: list[str]) -> None:
    cones = parse_watchlist(lines, refuse=True)
    assert (cones.ra.tolist(), cones.dec.tolist()) == ([10.5, 11.5], [-3.25, 3.25])
    assert cones.name.to_pylist() == ["A, the first", "B; b"]
    np.testing.assert_array_equal(cones.radius, [20.0, np.nan])


def test_an_empty_first_column_is_no_frame() -> None:
    """Otherwise the columns would move, and declination 5 would be a radius."""
    cones = parse_watchlist(["id|ra|dec|radius|x|", "|10.5|3.25|5|7|"], refuse=True)
    assert (cones.ra[0], cones.dec[0], cones.radius[0]) == (10.5, 3.25, 5.0)
    (bad,) = parse_watchlist(["|ra|dec|", "|10.5|3.25|", "10.5|3.25"]).bad
    assert "does not begin and end with |" in bad.reason


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
        ("nan, 1", "right ascension 'nan'"),
        ("1, inf", "declination 'inf'"),
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
    lines = [line.strip() for line in re.split(r"\r\n|\n|\r", text.replace("\ud800", ""))]
    lines = [line for line in lines if line and not line.startswith("#")]
    cones = read_watchlist(b"1, 1\n" + text.encode("utf-8", "ignore"))
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


FIELD = "data/sky/field/wl"
M31 = (10.684708, 41.26875)


def field(shared_folder: Path, name: str) -> Cones:
    return read_watchlist((shared_folder / FIELD / f"{name}.csv").read_bytes())


@pytest.mark.shared
@pytest.mark.parametrize("name", ["deg_markers_ra", "deg_symbol_ra"])
def test_marks_of_degrees_of_the_field_are_degrees(shared_folder: Path, name: str) -> None:
    cones = field(shared_folder, name)
    assert cones.ra[0] == pytest.approx(10 + 41 / 60 + 4.95 / 3600, abs=1e-9)
    assert cones.dec[0] == pytest.approx(41 + 16 / 60 + 7.5 / 3600, abs=1e-9)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "reason"), [("dec_in_hours", "hours"), ("thousand_sep", "neither decimal")])
def test_lines_of_the_field_that_are_refused(shared_folder: Path, name: str, reason: str) -> None:
    with pytest.raises(BadWatchlist, match=f"line 1: .*{reason}"):
        field(shared_folder, name)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["ls_in_name", "nel_in_name", "unbalanced_quote", "quoted_comma_newline"])
def test_separators_and_open_quotes_of_the_field_make_no_other_cone(shared_folder: Path, name: str) -> None:
    cones = field(shared_folder, name)
    assert (cones.ra.tolist(), cones.dec.tolist(), cones.radius.tolist()) == ([150.0], [2.2], [3.0])
    assert cones.bad[0].line == 1


@pytest.mark.shared
def test_the_name_of_the_field_is_the_name(shared_folder: Path) -> None:
    assert field(shared_folder, "name_then_id_header").name.to_pylist() == ["Andromeda"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("start", [b"", b"\xef\xbb\xbf"])
def test_ends_of_lines(end: str, start: bytes) -> None:
    cones = read_watchlist(start + end.join(["# x", "1, 2, a", "", "3, 4, b, 5", "bad"]).encode())
    assert cones.ra.tolist() == [1.0, 3.0]
    assert (cones.line.tolist(), [line.line for line in cones.bad]) == ([2, 4], [5])


SEPARATORS = ["\v", "\f", "\x1c", "\x1d", "\x1e", "\x85", "\u2028", "\u2029"]
"""Signs at which Python's `str.splitlines` begins a line and no other program does."""


@pytest.mark.parametrize("separator", SEPARATORS)
def test_nothing_else_ends_a_line(separator: str) -> None:
    cones = read_watchlist(f"1,2,a{separator}31,30,b,9\n5,6\n".encode())
    assert (cones.ra.tolist(), [line.line for line in cones.bad]) == ([5.0], [1])


def test_a_commented_line_of_names_in_another_order_is_obeyed() -> None:
    assert parse_watchlist(["# dec, ra", "10, 20"]).ra.tolist() == [20.0]
    assert parse_watchlist(["# name | ra | dec", "1 | 20 | 10"]).ra.tolist() == [20.0]
    assert parse_watchlist(["# ra, dec", "10, 20, a, 3"]).radius.tolist() == [3.0]
    assert parse_watchlist(["# RA, Dec[, name[, radius]]", "10, 20, a, 3"]).ra.tolist() == [10.0]


@pytest.mark.parametrize(
    ("comment", "line", "expected"),
    [
        ("# RA_hours, Dec_deg, Name", "10.5, 20, a", (157.5, 20.0, "a", None)),
        ("# RA [h], Dec [deg]", "10.5, 20", (157.5, 20.0, None, None)),
        ("# RA, Dec, Radius", "10.5, 20, 30", (10.5, 20.0, None, 30.0)),
        ("# RA, Dec, Radius, Name", "10.5, 20, 30, a", (10.5, 20.0, "a", 30.0)),
        ("# RA, Dec, Name, Radius (arcmin)", "10.5, 20, a, 2", (10.5, 20.0, "a", 120.0)),
        ("# RA, Dec, z, Name", "10.5, 20, 0.3, a", (10.5, 20.0, "a", None)),
        ("# RA (deg), Dec (deg), Name", "10.5, 20, a, 3", (10.5, 20.0, "a", 3.0)),
        ("# A list of mine, ra and dec, with names", "10.5, 20, a, 3", (10.5, 20.0, "a", 3.0)),
    ],
)
def test_units_and_places_in_a_commented_line_of_names_are_obeyed(
    comment: str, line: str, expected: tuple[float, float, str | None, float | None]
) -> None:
    cones = parse_watchlist([comment, line])
    [radius] = cones.radius.tolist()
    assert (cones.ra[0], cones.dec[0], cones.name[0].as_py(), None if np.isnan(radius) else radius) == expected


def test_a_commented_line_of_names_with_an_unknown_unit_refuses_the_file() -> None:
    with pytest.raises(BadWatchlist, match=r"line 1: the units of 'RA .rad.'"):
        parse_watchlist(["# RA (rad), Dec (rad)", "1.5, 0.2"])


@pytest.mark.parametrize("line", ["10,20,a,3,,", '"10","20","a, b","3"', " 10 , 20 , a , 3 ", "10|20|a|3|"])
def test_fields_as_spreadsheets_write_them(line: str) -> None:
    cones = parse_watchlist([line])
    assert (cones.ra.tolist(), cones.dec.tolist(), cones.radius.tolist()) == ([10.0], [20.0], [3.0])


@pytest.mark.parametrize(
    ("content", "limits", "reason"),
    [
        (b"1,2\n" * 4, InputLimits(watchlist_rows=3), "BROKER_LIMITS__WATCHLIST_ROWS"),
        (b"1,2\n" * 4, InputLimits(watchlist_bytes=15), "BROKER_LIMITS__WATCHLIST_BYTES"),
        ("1,2,é".encode("latin-1"), InputLimits(), "not UTF-8 text at byte 4; save the list as UTF-8"),
        ("1,2".encode("utf-16"), InputLimits(), "not UTF-8 text at byte 0"),
        (b"", InputLimits(), "contains no cone"),
        (b"lon,lat\n1,2\n", InputLimits(), "call them ra and dec"),
        (
            b"1,2\n" + b"x\n" * 4,
            InputLimits(watchlist_bad_lines=3),
            "more than 3 bad lines; the first is line 2: 1 col",
        ),
        (gzip.compress(b"1,2\n", mtime=0), InputLimits(), "this is compressed with gzip; expand it first, with gunzip"),
        (b"PK\x03\x04[Content_Types].xml", InputLimits(), "a zip archive or a workbook; save the list as CSV"),
        (b"SIMPLE  =                    T", InputLimits(), "a FITS file; save its columns"),
        (b"\xef\xbb\xbf\n <?xml version='1.0'?><VOTABLE/>", InputLimits(), "XML or HTML"),
    ],
)
def test_files_that_are_refused_as_a_whole(content: bytes, limits: InputLimits, reason: str) -> None:
    with pytest.raises(BadWatchlist, match=reason):
        read_watchlist(content, limits=limits)


GOOD = (
    b"ra_deg,dec_deg,name,radius\n10.68,41.27,M31,30\n150,2.2,x,3\n",
    "10h41m04.9s, +41°16′07.5″, M31, 30\n# c\n00:42:44.3 | +41:16:09 | M 31".encode(),
    b'"10.5","-3.25","NGC 1, north",20\r\n1,2\r\n',
)


@given(damaged(GOOD))
def test_damaged_files_are_read_by_line_or_say_why(content: bytes) -> None:
    with memory_below(8 * 1024**2), refused_with_reason(BadWatchlist):
        cones = read_watchlist(content)
        assert ((cones.ra >= 0) & (cones.ra < 360) & (np.abs(cones.dec) <= 90)).all()
        assert all(line.reason for line in cones.bad)


def test_a_line_of_millions_of_columns_costs_no_more_than_its_bytes() -> None:
    content = b"10,20,good\n" + b"," * 3_000_000 + b"\n30,40,good\n"
    with memory_below(40 << 20):
        cones = read_watchlist(content)
    assert cones.ra.tolist() == [10.0, 30.0]
    assert "a line of 3,000,000 characters; at most 100,000" in cones.bad[0].reason


@pytest.mark.parametrize("line", ['"' * 100_000, "1," * 100_000, "1" * 200_000 + ",2", "1,2," + "x" * 200_000, "\0,1"])
def test_hostile_lines_are_bad_lines(line: str) -> None:
    [bad] = parse_watchlist([line, "1,2"]).bad
    assert len(bad.text) <= 1000
    assert len(bad.reason) < 1000


@given(
    st.floats(0, 359.99), st.floats(-89.99, 89.99),
    st.sampled_from(["{:.6f}", "{:.6f}d", "{:.6f}°", "{:.6f} deg"]),
    st.permutations([("RAJ2000", "ra"), ("DE_ICRS", "dec"), ("Name", "name"), ("radius (arcmin)", "radius"),
                     ("ra_error", "other")]),
    st.sampled_from([",", "|", " , "]),
)  # fmt: skip
def test_columns_in_any_order_and_form_give_the_position(
    ra: float, dec: float, form: str, order: list[tuple[str, str]], separator: str
) -> None:
    values = {"ra": form.format(ra), "dec": form.format(dec), "name": "x y", "radius": "1.5", "other": "3"}
    content = separator.join(name for name, _ in order) + "\n" + separator.join(values[kind] for _, kind in order)
    cones = read_watchlist(content.encode(), refuse=True)
    assert cones.ra[0] == pytest.approx(ra, abs=1e-6)
    assert cones.dec[0] == pytest.approx(dec, abs=1e-6)
    assert (cones.name.to_pylist(), cones.radius.tolist()) == (["x y"], [90.0])


def test_a_right_ascension_just_below_zero_is_zero() -> None:
    assert parse_watchlist(["-1e-20, 5"]).ra.tolist() == [0.0]


def test_a_moc_of_too_many_cells_is_refused() -> None:
    index = parse_watchlist(["1,2,,300"]).index(5.0)
    with pytest.raises(ValueError, match="choose a lower order"):
        watchlist_mocs(index, order=29, most_cells=1_000_000)
    assert len(watchlist_mocs(index, order=13, most_cells=1_000_000)) == 1


def test_wide_cones_are_as_fast_as_their_cells() -> None:
    index = parse_watchlist(["1,2,,360", "45,0,,100", "45,0.01,,1", "200,-90,,360"]).index(5.0)
    start = time.process_time()
    [moc] = watchlist_mocs(index, order=22)
    assert time.process_time() - start < 5.0  # 12 s, by the call for many small cones
    [coarse] = watchlist_mocs(index, order=13)
    assert moc.max_order == 22
    assert moc.difference(coarse).empty()
    expected = (2 * np.pi * (1 - np.cos(np.radians(np.array([360, 100, 360]) / 3600)))).sum() / (4 * np.pi)
    assert moc.sky_fraction == pytest.approx(expected, rel=1e-3)
    turn = np.linspace(0, 360, 1000) * u.deg
    for ra, dec, radius in ((1, 2, 360), (45, 0, 100), (45, 0.01, 1), (200, -90, 360)):
        lon, lat = offset_by(ra * u.deg, dec * u.deg, turn, radius * (1 - 1e-9) * u.arcsec)
        assert moc.contains_lonlat(lon, lat).all()


def test_a_unit_in_the_name_of_a_column_decides() -> None:
    assert parse_watchlist(["ra_deg,dec", "10:30:00,1"]).ra.tolist() == [10.5]
    assert parse_watchlist(["ra,dec", "10:30:00,1"]).ra.tolist() == [157.5]
    assert parse_watchlist(["ra_hours,dec", "10.5,1"]).ra.tolist() == [157.5]
    with pytest.raises(BadWatchlist, match="hours"):
        parse_watchlist(["ra_deg,dec", "10h30m,1"])

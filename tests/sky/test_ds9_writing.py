"""What is written as a region of DS9 is read as the same cones."""

from __future__ import annotations

from astropy import units as u
from regions import Regions

from broker_assets.sky.area_files import read_area
from broker_assets.sky.ds9_writing import ds9_lines
from broker_assets.sky.watchlists import parse_watchlist

LINES = ["10.5, -3.25, NGC 1 {north}, 20", '359.9, 89, "two; circle(1,1,1)", 300', "0.1, -89"]


def test_the_file_is_read_by_others_and_by_us() -> None:
    text = "\n".join(ds9_lines(parse_watchlist(LINES), 5.0)) + "\n"
    found = Regions.parse(text, format="ds9")
    assert [(one.center.ra.deg, one.center.dec.deg, one.radius.to_value(u.arcsec)) for one in found] == [
        (10.5, -3.25, 20.0), (359.9, 89.0, 300.0), (0.1, -89.0, 5.0),
    ]  # fmt: skip
    area = read_area(text.encode(), region_order=13)
    assert area.contains_lonlat([10.5, 359.9, 0.1, 50] * u.deg, [-3.25, 89, -89, 0] * u.deg).tolist() == [
        True, True, True, False,
    ]  # fmt: skip

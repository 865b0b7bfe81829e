"""Every form of the search box is read, in any case and with any minus sign."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from broker_assets.packets.identifiers import ztf_object_id
from broker_assets.search.reading import LARGEST, plain, read, trouble
from broker_assets.sky.angles import sexagesimal


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("168110947020308481", "object", 168110947020308481),
        ("id: 168110947020308481", "object", 168110947020308481),
        ("SRC:168110947020308481", "source", 168110947020308481),
        ("ZTF18abcdefg", "object", int(ztf_object_id(["ZTF18abcdefg"])[0])),
        ("ztf18ABCDEFG", "object", int(ztf_object_id(["ZTF18abcdefg"])[0])),
        ("2023ixf", "TNS name", "2023ixf"),
        ("SN 2023IXF", "TNS name", "2023ixf"),
        ("AT2023ixf", "TNS name", "2023ixf"),
        ("sn1987a", "TNS name", "1987A"),
        ("2004 JQ12", "solar system", "2004 JQ12"),
        ("2004jq12", "solar system", "2004 JQ12"),
        ("C/2023 A3", "solar system", "C/2023 A3"),
        ("sso:433", "solar system", "433"),
        ("Eros", "solar system", "Eros"),
        ("Ra-Shalom", "solar system", "Ra-Shalom"),
        ("solo_L1_stix-ql-lightcurve_20231101_V02.fits", "file", "solo_L1_stix-ql-lightcurve_20231101_V02.fits"),
        ("solo_L1_*.fits", "file", "solo_L1_*.fits"),
        ("file: 2023ixf", "file", "2023ixf"),
        ("2026-11-27", "night", "2026-11-27"),
        ("night:2026-11-27", "night", "2026-11-27"),
    ],
)
def test_names_and_identifiers(text: str, kind: str, value: int | str) -> None:
    found = [one for one in read(text) if one.kind == kind]
    assert [one.number if isinstance(value, int) else one.name for one in found] == [value]


@pytest.mark.parametrize(
    ("text", "ra", "dec", "radius"),
    [
        ("150.1 2.2", 150.1, 2.2, 5.0),
        ("150.1,-2.2", 150.1, -2.2, 5.0),
        ("150.1|−2.2", 150.1, -2.2, 5.0),
        ("150.1, 2.2, 0.1d", 150.1, 2.2, 360.0),
        ("150.1 2.2 5'", 150.1, 2.2, 300.0),
        ("150.1 2.2 10″", 150.1, 2.2, 10.0),
        ("150.1, +2.2 7", 150.1, 2.2, 7.0),
        ("10:00:24 +02:12:00", 150.1, 2.2, 5.0),
        ("10 00 24 +02 12 00", 150.1, 2.2, 5.0),
        ("10 00 24 -02 12 00 2'", 150.1, -2.2, 120.0),
        ("10h00m24s, 2d12m00s", 150.1, 2.2, 5.0),
        ("360 -90", 0.0, -90.0, 5.0),
        # Galactic poles and centre (Hipparcos, ESA SP-1200, volume 1, 1.5.3), and the origin of equatorial coordinates.
        ("galactic 0 90", 192.85948, 27.12825, 5.0),
        ("l=0 b=0 10'", 266.40499, -28.93617, 600.0),
        ("l 96.3373 b −60.1885, 1d", 0.0, 0.0, 3600.0),
        ("gal: 96.3373,-60.1885", 0.0, 0.0, 5.0),
        # The digits of a designation are truncated.
        ("J100024.00+021200.0", 150.1 + 0.005 / 240, 2.2 + 0.05 / 3600, 5.0),
        ("SDSS J100024.00−021200.0", 150.1 + 0.005 / 240, -2.2 - 0.05 / 3600, 5.0),
        ("WISEA j100024+021200", 150.1 + 0.5 / 240, 2.2 + 0.5 / 3600, 8.0),
        ("J1000.4+0212", 150.1 + 3 / 240, 2.2 + 30 / 3600, 55.0),
        ("PSR J1000+0212", 150.0 + 30 / 240, 2.2 + 30 / 3600, 451.0),
    ],
)
def test_positions(text: str, ra: float, dec: float, radius: float) -> None:
    (found,) = (one for one in read(text) if one.kind == "position")
    digits = 1e-4 if "l" in text else 1e-9
    assert (found.ra + 180) % 360 == pytest.approx((ra + 180) % 360, abs=digits)
    assert found.dec == pytest.approx(dec, abs=digits)
    assert found.radius == pytest.approx(radius)


@pytest.mark.parametrize(
    "text",
    [
        *("", "  ", "361 0", "10 91", "10 10 0", "10 10 11d", "10 10 x", "id:x", "night:2026-13-01", "src:", "a, b"),
        *("l=400 b=0", "J106000+021200", "J100060+021200", "J240000+021200", "J100024+906000", "J100024+900000"),
    ],
)
def test_what_cannot_be_read(text: str) -> None:
    assert read(text) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("361 0", "right ascension 361 is outside"),
        ("-0.5, 10", "right ascension -0.5 is outside"),
        ("10 91", "declination 91 is outside"),
        ("10:00:00 −90:00:01", "declination -90:00:01 is outside"),
        ("10 10 0", "radius 0 is 0″"),
        ("10 10 11d", "radius 11d is 39600″"),
        ("25:00:00 10:00:00", "hours of 24 or more"),
        ("10:61:00 20:00:00", "minutes or seconds of 60"),
        ("10 20 70 10 20 30", "minutes or seconds of 60"),
        ("10h 20d", ""),
        ("night:2026-13-01", "no such day"),
        ("2026-02-30", "no such day"),
        ("10 20", ""),
        ("12", ""),
        ("a b", ""),
        ("10 10 x", ""),
        ("", ""),
    ],
)
def test_what_is_wrong_with_a_position(text: str, says: str) -> None:
    found = trouble(text)
    assert says in found if says else found == ""


@given(st.floats(0, 359.999), st.floats(-89.99, 89.99))
@settings(max_examples=30, deadline=None)
@example(359.9999999, -0.001)
def test_what_pages_show_of_a_position_is_read_again(ra: float, dec: float) -> None:
    hours, degrees = sexagesimal(ra, dec)
    for text in (f"{ra:.6f} {dec:+.6f}", f"{hours} {degrees}"):
        (found,) = (one for one in read(text) if one.kind == "position")
        assert abs(found.dec - dec) < 1e-5
        assert min(abs(found.ra - ra), 360 - abs(found.ra - ra)) < 1e-5


@given(st.text(max_size=40))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read_or_not(text: str) -> None:
    assert not (read(text) and trouble(text))
    for one in read(text):
        assert one.said
        assert 0 <= one.radius <= LARGEST
    assert plain(plain(text)) == plain(text)

"""Keywords of hostile headers are read, or are missing."""

from __future__ import annotations

import math

import pytest
from astropy.io import fits

from broker_assets.sky.headers import coordinate_system, number_value, text_value


def header(card: str) -> fits.Header:
    return fits.Header([fits.Card.fromstring(card)])


@pytest.mark.parametrize(
    ("card", "text", "number"),
    [
        ("DISTMEAN=                   40", "40", 40.0),
        ("DISTMEAN=                 4D1", "40.0", 40.0),
        ("DISTMEAN= 'far'", "far", math.nan),
        ("DISTMEAN=", "", math.nan),
        ("DISTMEAN=                    T", "True", math.nan),
        ("DISTMEAN=           (1.0, 2.0)", "(1+2j)", math.nan),
        ("OTHER   = 1", "", math.nan),
    ],
)
def test_values(card: str, text: str, number: float) -> None:
    assert text_value(header(card), "DISTMEAN") == text
    assert number_value(header(card), "DISTMEAN") == pytest.approx(number, nan_ok=True)


@pytest.mark.parametrize("word", ["C", "c", "ICRS", "EQUATORIAL", "Celestial", "FK5", "J2000", "", "Q"])
def test_words_for_equatorial_coordinates(word: str) -> None:
    assert coordinate_system(fits.Header([("COORDSYS", word)])) is None
    assert coordinate_system(fits.Header()) is None


@pytest.mark.parametrize("word", ["G", "GALACTIC", "E", "ECLIPTIC", "CG", "EQ", "1"])
def test_other_words_are_named(word: str) -> None:
    assert coordinate_system(fits.Header([("COORDSYS", word)])) == repr(word)

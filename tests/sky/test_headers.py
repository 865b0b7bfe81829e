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
        ("DISTMEAN= 39.8.1", "39.8.1", math.nan),
        ("DISTMEAN= 'far", "'far", math.nan),
        ("DISTMEAN= G A", "G A", math.nan),
        ("DISTMEAN= 1E999", "inf", math.nan),
        ("DISTMEAN= \x01", "?", math.nan),
        ("DISTMEAN= 1" + 65 * "0", "1" + 65 * "0", 1e65),
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


@pytest.mark.parametrize("card", ["COORDSYS= 'G", "COORDSYS= G A", "COORDSYS= C"])
def test_a_word_that_cannot_be_read_is_not_taken_for_missing(card: str) -> None:
    """A value without quotes is none in FITS; what would be equatorial is taken as such all the same."""
    assert (coordinate_system(header(card)) is None) == (card == "COORDSYS= C")

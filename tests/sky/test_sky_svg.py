"""The map of the sky: equal areas, east to the left, texts escaped."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.sky.sky_svg import CLASSES, class_key, mollweide, shape, sky_svg


@given(st.floats(0, 360), st.floats(-90, 90))
@settings(max_examples=100)
def test_every_position_is_within_the_ellipse(ra: float, dec: float) -> None:
    x, y = mollweide([ra], [dec])
    assert x[0] ** 2 / 4 + y[0] ** 2 <= 1 + 1e-9
    assert np.sign(y[0]) == np.sign(dec) or abs(dec) < 1e-9


def test_areas_are_equal() -> None:
    # The share of the sky south of a declination is that of the ellipse below its line.
    dec = np.array([-60.0, -20.0, 35.0, 80.0])
    _, y = mollweide(np.zeros(4), dec)
    theta = np.arcsin(y)
    assert np.allclose((2 * theta + np.sin(2 * theta)) / np.pi, np.sin(np.radians(dec)), atol=1e-6)


def test_east_is_to_the_left() -> None:
    x, _ = mollweide([10.0, 350.0], [0.0, 0.0])
    assert x[0] < 0 < x[1]


def test_a_drawing_is_well_formed_and_classes_have_their_own_shapes() -> None:
    text = sky_svg(
        [10.0, 20.0], [0.0, 5.0], ["SN", "<odd>"], titles=["<a>", "b"], links=["/x/?a&b", "/"], summary='"two"'
    )
    root = ElementTree.fromstring(text)  # noqa: S314 (our own)
    assert root.attrib["aria-label"] == '"two"'
    assert "class-sn" in text
    assert "class-unclear" in text
    assert "<odd>" not in text
    assert ElementTree.fromstring(sky_svg([1.0], [1.0], [None], titles=["<t>"])) is not None  # noqa: S314
    assert len({shape(name) for name in CLASSES}) == len(CLASSES)
    assert class_key("odd") == "UNCLEAR"
    assert sky_svg([], [], []).startswith("<svg")

"""FITS files: astropy reads back what was written and finds the checksums right."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits as astropy_fits
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from broker_assets.storage.atomic import replace_atomically
from broker_assets.telemetry.products.files import fits
from broker_assets.telemetry.products.files.fits import Card, Extension
from broker_assets.telemetry.products.files.tables import Column

TYPES = ("u1", "u2", "u4", "i2", "i4", "i8", "f4", "f8", "bool")
CARDS: list[Card] = [("DATE", "2020-01-01T00:00:00.000", "made")]


@settings(
    max_examples=15,
    report_multiple_bugs=False,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    data=st.data(),
    rows=st.integers(0, 4),
    text=st.text("abcXYZ019 ;:/&_-", max_size=200).map(str.rstrip),
    number=st.floats(allow_nan=False, allow_infinity=False),
)
def test_values_survive(data: st.DataObject, rows: int, text: str, number: float, tmp_path: Path) -> None:
    """Every type, scalars and arrays, in tables and cards."""
    table = {}
    for name in TYPES:
        shape = (rows, *data.draw(st.sampled_from([(), (3,), (2, 2)])))
        table[name] = Column(data.draw(arrays.arrays(name, shape)), "cs")
    table["text"] = Column(np.array([f"row {row}" for row in range(rows)], dtype="U8"))
    path = tmp_path / "x.fits"
    cards: list[Card] = [*CARDS, ("TEXT", text, "a text"), ("NUMBER", number, ""), ("HISTORY", "one " * 30, "")]
    replace_atomically(path, fits.file_bytes(cards, [Extension("DATA", table)]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with astropy_fits.open(path, checksum=True) as hdus:
            hdus.verify("exception")
            assert hdus[0].header["TEXT"].rstrip() == text
            assert hdus[0].header["NUMBER"] == number
            assert "".join(str(line) for line in hdus[0].header["HISTORY"]).replace(" ", "") == "one" * 30
            for name in TYPES:
                found = np.asarray(hdus["DATA"].data[name])
                assert found.astype(name).tobytes() == np.ascontiguousarray(table[name].values).tobytes(), name
                assert found.shape == table[name].values.shape
            assert hdus["DATA"].data["text"].tolist() == [f"row {row}" for row in range(rows)]


@pytest.mark.parametrize("keyword", ["TARGET", "HISTORY"])
def test_any_text_is_a_valid_card(keyword: str, tmp_path: Path) -> None:
    """Line breaks, letters outside ASCII and control characters of a plan do not damage a header."""
    texts = ["o'brien ü\nline", "“" * 40, "\x00\x1b[31m", "a\tb", "&", "x" * 66 + "'" * 9]
    cards: list[Card] = [*CARDS, *((keyword if text == "&" else "HISTORY", text, "ü\n") for text in texts)]
    cards += [(f"TEXT{number}", text, "Größe\n") for number, text in enumerate(texts)]
    cards += [("NAN", np.nan, "no number"), ("INFINITY", -np.inf, "")]
    path = tmp_path / "x.fits"
    replace_atomically(path, fits.file_bytes(cards, [Extension("DATA", {"größe\n": Column(np.arange(2), "µs", "\r")})]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with astropy_fits.open(path, checksum=True) as hdus:
            hdus.verify("exception")
            assert [hdus[0].header[f"TEXT{number}"] for number in range(len(texts))] == list(map(fits.printable, texts))
            assert hdus[0].header["TEXT0"] == "o'brien %C3%BC%0Aline"
            assert (hdus[0].header["NAN"], hdus[0].header["INFINITY"]) == ("", "")
            assert hdus["DATA"].columns.names == ["gr%C3%B6%C3%9Fe%0A"]


def test_same_content_is_not_written_again(tmp_path: Path) -> None:
    """A file that differs in DATE only stays; another value replaces it."""
    path = tmp_path / "x.fits"
    table: dict[str, Column] = {"a": Column(np.arange(3))}
    assert fits.write(path, CARDS, [Extension("DATA", table)]).changed
    before = path.read_bytes()
    later: list[Card] = [("DATE", "2021-01-01T00:00:00.000", "made")]
    assert not fits.write(path, later, [Extension("DATA", table)]).changed
    assert path.read_bytes() == before
    assert fits.write(path, later, [Extension("DATA", {"a": Column(np.arange(4))})]).changed


def test_failure_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Old content, no temporary file."""
    path = tmp_path / "x.fits"
    replace_atomically(path, b"old")

    def refused(*_: Any) -> None:
        raise PermissionError("no")

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(PermissionError):
        replace_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["x.fits"]

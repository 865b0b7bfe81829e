"""Delivered copies: new primary headers, everything else byte for byte the same."""

from __future__ import annotations

import datetime
import io
import warnings
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from broker_assets.publication.content import hdus, read
from broker_assets.publication.copies import Copy, make, request_comment
from broker_assets.publication.names import ProductName

STAMP = datetime.datetime(2021, 3, 1, 12, 0, 0, 5000, tzinfo=datetime.UTC)


def opened(data: bytes) -> fits.HDUList:
    """A file of which astropy believes every checksum."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = fits.open(io.BytesIO(data), checksum=True)
        found.verify("exception")
        for part in found:
            assert "CHECKSUM" in part.header
    return found


def test_the_copy_of_a_growing_file(products: Any) -> None:
    name = ProductName.parse(products.DAY)
    data = products.product()
    refresh = lambda header: [("SPICE_MK", "new " * 30, "SPICE meta kernel file"), ("RSUN_ARC", 1.5, "[arcsec]")]  # noqa: E731
    copy = Copy(name.complete, "ESA SOAR", STAMP, refresh=refresh)
    made = make(data, name, copy)
    assert make(data, name, copy) == made
    header = opened(made)[0].header
    assert header["FILENAME"] == str(name.complete)
    assert header["SPICE_MK"] == ("new " * 30).strip()
    assert header["RSUN_ARC"] == 1.5
    assert header["PARENT"] == "a;" * 60
    history = "".join(header["HISTORY"])
    assert "Processed by STIXCore L1" in history
    assert "updated ephemeris header with latest kernel at 2021-03-01T12:00:00.005" in history
    assert history.endswith(f"published to ESA SOAR as '{name.complete}'on 2021-03-01T12:00:00.005")
    # Everything after the primary header is the same, byte for byte.
    (_, _, ours), *_ = hdus(data)
    (_, _, theirs), *_ = hdus(made)
    assert made[theirs:] == data[ours:]


def test_the_copy_of_an_answer_to_a_request(products: Any) -> None:
    name = ProductName.parse(products.request(93579328))
    comment = request_comment(name, {93579328: "Ausbruch für Müller\n\x07"}.__getitem__)
    copy = Copy(
        name.with_supplement(1), "ESA SOAR", STAMP, comment, "first.fits", refresh=lambda _: [("SPICE_MK", "x", "")]
    )
    header = opened(make(products.product(str(name)), name, copy))[0].header
    text = "".join(f"{part:<72}" for part in header["COMMENT"])
    assert "BSD request id: '93579328' reason: 'Ausbruch f?r M?ller" in text
    assert f"combine with: first.fits. Orig filename of this supplement was {name}." in text
    assert header["FILENAME"] == str(name.with_supplement(1))
    # Not a growing file: its ephemeris is that of its making.
    assert header["SPICE_MK"] == "old"


def test_ephemeris_that_cannot_be_had_changes_nothing(products: Any) -> None:
    name = ProductName.parse(products.DAY)
    header = opened(make(products.product(), name, Copy(name.complete, "x", STAMP, refresh=lambda _: [])))[0].header
    assert header["SPICE_MK"] == "old"
    assert "updated ephemeris" not in "".join(header["HISTORY"])


def test_pictures_are_delivered_as_they_are() -> None:
    name = ProductName.parse("solo_LL03_stix-ql-lightcurve_20210116T000000-20210116T235959_V02C.svg")
    assert make(b"<svg/>", name, Copy(name, "x", STAMP)) == b"<svg/>"


def test_files_of_our_own_writer(products: Any) -> None:
    from broker_assets.telemetry.products.files.fits import Extension, file_bytes
    from broker_assets.telemetry.products.files.tables import Column

    data = {
        "time": Column(np.array([50, 150, 350], dtype=np.uint32), "cs"),
        "timedel": Column(np.array([100, 100, 100], dtype=np.uint32), "cs"),
        "counts": Column(np.arange(12, dtype=np.uint16).reshape(3, 4), "ct"),
        "live": Column(np.array([0.5, np.nan, np.nan])),
        "label": Column(np.array(["a", "bcd", ""])),
        "on": Column(np.array([True, False, True])),
    }
    cards = [
        ("FILENAME", "x", ""),
        ("DATE", "2021-02-01T00:00:00.000", ""),
        ("TIMESYS", "OBT", ""),
        ("OBT_BEG", 664070400.25, "Start acquisition time in OBT"),
        ("PARENT", "solo_LB_stix-21-6-30_0664070400_V02.fits;" * 20, "Source file current data product"),
        ("HISTORY", "made", ""),
    ]
    made = file_bytes(cards, [Extension("CONTROL", {"index": Column(np.arange(2))}), Extension("DATA", data)])
    found = read(made, "fits")
    assert found.sums_wrong == ()
    assert found.facts.rows == 3
    assert found.facts.nan["live"] == pytest.approx(2 / 3)
    assert found.facts.covered == [(664070400.25, 664070402.25), (664070403.25, 664070404.25)]
    name = ProductName.parse("solo_L0_stix-ql-lightcurve_0664070400_V02U.fits")
    parts = opened(make(made, name, Copy(name.complete, "x", STAMP)))
    assert parts[0].header["PARENT"] == cards[4][1]
    assert parts[0].header["OBT_BEG"] == 664070400.25
    assert parts[2].data["counts"].tolist() == data["counts"].values.tolist()
    assert read(make(made, name, Copy(name.complete, "x", STAMP)), "fits").facts == found.facts

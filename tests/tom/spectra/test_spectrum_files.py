"""Files of spectra: each is read as it is, or refused with the reason; no file is a fault of the reader."""

from __future__ import annotations

import gzip
import io
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.tom.spectra.spectrum_files import BadSpectrum, read_spectrum, time_of

WAVE, FLUX = np.linspace(4000.0, 9000.0, 50), np.sin(np.arange(50.0))


@pytest.mark.parametrize(
    ("cards", "taken"),
    [
        ({"MJD-OBS": 61000.5, "DATE-OBS": "2020-01-01T00:00:00"}, 61000.5),
        ({"DATE-OBS": "2026-11-27T03:14:07.50"}, 61371.13481),
        ({"DATE-OBS": "2026-11-27T03:14"}, 61371.13472),
        ({"DATE-OBS": "2026-11-27", "UT": "03:14:07.5"}, 61371.13481),
        ({"DATE-OBS": "2026-11-27", "TIME-OBS": "12:00:00"}, 61371.5),
        ({"DATE-OBS": "2026-11-27T12:00:37", "TIMESYS": "TAI"}, 61371.5),
        ({"MJD-OBS": 61371.5 + 37 / 86400, "TIMESYS": "IAT"}, 61371.5),
        ({"MJD-OBS": 61371.5, "TIMESYS": "UTC approximate"}, 61371.5),
        ({"DATE-OBS": "2026-11-27T12:00:00", "TIMESYS": "UT"}, 61371.5),
        ({"DATE-OBS": "2026-11-27T12:00:00", "TIMESYS": "UTC(NIST)"}, 61371.5),
        ({"MJD-OBS": "unknown", "DATE-OBS": "2026-11-27T12:00:00Z"}, 61371.5),
        # A day is no time; the other forms are not of the standard, or no date.
        ({"DATE-OBS": "2026-11-27"}, None),
        ({"DATE-OBS": "27/11/26", "UT": "03:14:07"}, None),
        ({"DATE-OBS": "2026-02-30T03:14:07"}, None),
        ({"DATE-OBS": "0001-01-01T00:00:00"}, None),
        ({"DATE-OBS": "2026-11-27T12:00:00", "TIMESYS": "LOCAL"}, None),
        ({"MJD-OBS": 0.0}, None),
        ({}, None),
    ],
)
def test_the_time_is_that_of_the_header(cards: dict[str, Any], taken: float | None) -> None:
    unit = table(WAVE, FLUX)
    unit.header.update(cards)
    text = "".join(f"# {name} = '{value}' / as FITS writes it\n" for name, value in cards.items()) + "400 1\n401 2\n"
    for content in (fits_bytes(unit), ("# wavelength[nm] flux\n" + text).encode()):
        found = time_of(read_spectrum(content).about)
        assert found == (None if taken is None else pytest.approx(taken, abs=1e-5)), content[:200]


def fits_bytes(*units: Any) -> bytes:
    out = io.BytesIO()
    fits.HDUList(
        [
            fits.PrimaryHDU() if not isinstance(units[0], fits.PrimaryHDU) else units[0],
            *units[isinstance(units[0], fits.PrimaryHDU) :],
        ]
    ).writeto(out)
    return out.getvalue()


def table(wave: Any, flux: Any, unit: str = "nm", **names: str) -> Any:
    columns = [
        fits.Column(names.get("wave", "WAVE"), "D", unit=unit, array=wave),
        fits.Column("FLUX", "D", unit="erg/s/cm2/Angstrom", array=flux),
        fits.Column("ERR", "D", array=np.abs(flux)),
    ]
    return fits.BinTableHDU.from_columns(columns)


def test_tables_and_images() -> None:
    unit = table(WAVE[::-1] / 10, FLUX[::-1])
    unit.header["OBJECT"], unit.header["MJD-OBS"] = "SN 2026x", 61000.5
    found = read_spectrum(fits_bytes(unit))
    assert found.format == "FITS table"
    np.testing.assert_allclose(found.wavelength, WAVE)
    np.testing.assert_allclose(found.flux, FLUX)
    assert found.uncertainty is not None
    assert (found.flux_unit, found.about) == ("erg/s/cm2/Angstrom", {"object": "SN 2026x", "mjd": "61000.5"})
    # One row with arrays.
    row = fits.BinTableHDU.from_columns(
        [fits.Column("WAVE", "50D", unit="Angstrom", array=[WAVE]), fits.Column("FLUX", "50E", array=[FLUX])]
    )
    np.testing.assert_allclose(read_spectrum(fits_bytes(row)).flux, FLUX, atol=1e-6)
    image = fits.PrimaryHDU(FLUX.astype(np.float32))
    image.header["CRVAL1"], image.header["CD1_1"], image.header["CRPIX1"] = 4000.0, 2.0, 1.0
    seen = read_spectrum(gzip.compress(fits_bytes(image)))
    assert (seen.format, seen.wavelength[1], len(seen.notes)) == ("FITS image", 4002.0, 1)
    bands = fits.PrimaryHDU(np.stack([FLUX, FLUX, FLUX, np.ones(50)])[:, None, :])
    bands.header["CRVAL1"], bands.header["CDELT1"], bands.header["CUNIT1"] = 4000.0, 2.0, "Angstrom"
    multispec = read_spectrum(fits_bytes(bands))
    assert multispec.uncertainty is not None
    assert set(multispec.uncertainty.tolist()) == {1.0}
    for cards, second in (
        # Programs that write CD leave 1 in CDELT.
        ({"CDELT1": 1.0, "CD1_1": 2.5}, 4002.5),
        ({"CDELT1": 1.0, "PC1_1": 2.5}, 4002.5),
        ({"CD1_1": 2.5, "CTYPE1": "AWAV-LOG", "CUNIT1": "Angstrom"}, 4000.0 * np.exp(2.5 / 4000.0)),
    ):
        image = fits.PrimaryHDU(FLUX)
        image.header.update({"CRVAL1": 4000.0} | cards)
        assert read_spectrum(fits_bytes(image)).wavelength[1] == pytest.approx(second, rel=1e-12)
    logarithm = fits.PrimaryHDU(FLUX)
    logarithm.header["CRVAL1"], logarithm.header["CDELT1"], logarithm.header["DC-FLAG"] = 3.6, 1e-4, 1
    assert abs(read_spectrum(fits_bytes(logarithm)).wavelength[0] - 10**3.6) < 1e-6


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4000 1\n4001 2\n", ([4000, 4001], [1, 2])),
        ("wavelength,flux,flux_err\n4001,2,.1\n4000,1,.2\n", ([4000, 4001], [1, 2])),
        ("# flux wavelength[um]\n1 0.4\n2 0.5\n", ([4000, 5000], [1, 2])),
        ("# MJD-OBS = 61000.25\n# OBJECT: SN 2026x\n! a comment of words, and more.\n4000\t1e-15\n4001\tnan\n", None),
        ("4.0D3 1.0D-15\n4.1d3 2\n", ([4000, 4100], [1e-15, 2])),
        # In the near infrared, numbers of nm could be of Å.
        ("# wavelength [nm] flux [Jy]\n1000 1\n1100 2\n", ([10000, 11000], [1, 2])),
        ("Wavelength (nm),Flux (erg/s/cm2/A)\r\n1000,1\r\n1100,2\r\n", ([10000, 11000], [1, 2])),
        ("# wavelength_nm flux_err flux\n1000 9 1\n1100 9 2\n", ([10000, 11000], [1, 2])),
        ("# wavelength[nm] flux\n# flux calibrated\n1000 1\n1100 2\n", ([10000, 11000], [1, 2])),
        ("wave\tflux\nnm\terg\n1000\t1\n1100\t2\n", ([10000, 11000], [1, 2])),
        ("# the columns wavelength flux error\n4000 1 3\n4001 2 3\n", ([4000, 4001], [1, 2])),
    ],
)
def test_texts(text: str, expected: Any) -> None:
    found = read_spectrum(text.encode())
    if expected is None:
        assert found.about == {"mjd": "61000.25", "object": "SN 2026x"}
        assert np.isnan(found.flux[1])
    else:
        np.testing.assert_allclose(found.wavelength, expected[0])
        np.testing.assert_allclose(found.flux, expected[1])


IMAGE = fits.PrimaryHDU(np.ones((20, 30)))
IMAGE.header["CRVAL1"], IMAGE.header["CDELT1"] = 4000.0, 2.0
WITHOUT_STEP = fits.PrimaryHDU(np.ones(30))
WITHOUT_STEP.header["CRVAL1"] = 4000.0


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b" \n", "the file is empty"),
        (b"4000 1\n", "the spectrum has 1 points"),
        (b"4000 1\n4001 2 3\n", "line 2 has 3 numbers, and those before it 2"),
        (b"4000 1\n4000 2\n", "4000 .* is there twice"),
        (b"4000 1\nhello\n", "line 2 is neither numbers nor a comment: 'hello'"),
        (b"0.4 1\n0.5 2\n", "the wavelengths have no unit"),
        (b"4000 1\n4_001 2\n", "line 2 is neither numbers nor a comment: '4_001 2'"),
        ("4000 1\n٤٠٠١ 2\n".encode(), "line 2 is neither numbers nor a comment"),
        (b"# WAVEUNIT = nm\n1000 1\n1100 2\n", "a comment names another one than Å, 'WAVEUNIT = nm'"),
        (b"lambda[nm];flux\n1000,5;1,5\n", "line 2 has commas within numbers"),
        (b"x,flux_err,flux\n4000,9,1\n", "the columns are called x, flux_err, flux: one must be called wavelength"),
        (b"# wavelength[furlong] flux\n4000 1\n4001 1\n", "'furlong', is not known"),
        (b"4000 nan\n4001 inf\n", "none of the fluxes is a number"),
        (b"-1 1\n# x\n4000 1\n", "have no unit"),
        (b"4000\n4001\n", "no lines of a wavelength and a flux"),
        (b"\x00\x01\x02", "neither FITS nor text"),
        (b"\x1f\x8bnothing", "damaged gzip"),
        (gzip.compress(b"4000 1\n4001 2\n", mtime=0)[:-9], "without its end"),
        (gzip.compress(b" " * (9 << 20), mtime=0), "when it is unpacked"),
        (b"x" * (9 << 20), "at most 8,388,608 are read"),
        (b"SIMPLE  =                    T", "the FITS file"),
        (fits_bytes(IMAGE), "the image has 2 axes"),
        (fits_bytes(WITHOUT_STEP), "no step"),
        (fits_bytes(fits.PrimaryHDU()), "has neither a table"),
        (fits_bytes(table(WAVE, FLUX))[:-2880], "the FITS file|points"),
    ],
    ids=range(25),
)  # fmt: skip
def test_what_is_wrong_is_said(content: bytes, why: str) -> None:
    with pytest.raises(BadSpectrum, match=why):
        read_spectrum(content)


@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.text("0123456789.eE+- \n#,wavefluxÅ[]nm=", max_size=200).map(str.encode)))
def test_no_content_is_a_fault(content: bytes) -> None:
    try:
        found = read_spectrum(content)
    except BadSpectrum:
        return
    assert (np.diff(found.wavelength) > 0).all()
    assert found.wavelength.size == found.flux.size >= 2


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_damaged_file_is_a_fault(data: st.DataObject) -> None:
    whole = bytearray(fits_bytes(table(WAVE, FLUX)))
    for _ in range(data.draw(st.integers(1, 8))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        found = read_spectrum(bytes(whole[: data.draw(st.integers(1, len(whole)))]))
    except BadSpectrum:
        return
    assert (np.diff(found.wavelength) > 0).all()


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(1000, 60000), st.floats(-1e6, 1e6)), min_size=2, max_size=30, unique_by=lambda one: one[0]
    )
)
def test_what_is_written_is_read(points: list[tuple[float, float]]) -> None:
    text = "# wavelength[Angstrom] flux[Jy]\n" + "".join(f"{wave!r} {flux!r}\n" for wave, flux in points)
    found = read_spectrum(text.encode())
    wave, flux = zip(*sorted(points), strict=True)
    assert (found.wavelength.tolist(), found.flux.tolist(), found.flux_unit) == (list(wave), list(flux), "Jy")

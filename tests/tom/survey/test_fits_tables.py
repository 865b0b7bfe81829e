import gzip

import numpy as np
import pytest
from astropy.io import fits
from snana_files import light_curve, write_simulation

from broker_assets.tom.survey.fits_tables import DamagedFile, FitsTable


@pytest.fixture
def head(tmp_path):
    return write_simulation(tmp_path / "ONE", {7: light_curve([60300.0]), 8: light_curve([60301.0])})


def test_columns_are_those_of_astropy(head):
    table = FitsTable(head)
    with fits.open(head) as file:
        for name, values in table.columns(["SNID", "RA", "MWEBV", "PTROBS_MAX"]).items():
            assert values.tolist() == [
                one.encode() if isinstance(one, str) else one for one in file[1].data[name].tolist()
            ]
    assert len(table) == 2
    assert "RA" in table
    assert table.columns(["RA"])["RA"].dtype == np.float64


def test_a_file_without_compression_is_the_same(head):
    plain = head.with_suffix("")
    plain.write_bytes(gzip.decompress(head.read_bytes()))
    assert FitsTable(plain).columns(["RA"])["RA"].tolist() == FitsTable(head).columns(["RA"])["RA"].tolist()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda raw: raw[:100], "cannot be unpacked"),
        (lambda raw: b"", "is not a FITS file"),
        (lambda raw: b"hello" * 1000, "is not a FITS file"),
        (lambda raw: gzip.compress(gzip.decompress(raw)[:-2880]), "is truncated: 0 of"),
        (lambda raw: gzip.compress(gzip.decompress(raw)[:2880]), "is not a FITS file with a binary table"),
        (lambda raw: gzip.compress(gzip.decompress(raw)[:9000]), "is not a FITS file with a binary table"),
    ],
)
def test_a_damaged_file_says_what_is_wrong(head, damage, message):
    head.write_bytes(damage(head.read_bytes()))
    with pytest.raises(DamagedFile, match=message) as error:
        FitsTable(head)
    assert str(head) in str(error.value)


def test_a_file_with_an_image_only_is_refused(tmp_path):
    path = tmp_path / "image.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.zeros((2, 2)))]).writeto(path)
    with pytest.raises(DamagedFile, match="has no binary table"):
        FitsTable(path)


def test_columns_that_are_missing_are_named(head):
    with pytest.raises(DamagedFile, match="has no column FLUX, NOISE"):
        FitsTable(head).columns(["RA", "FLUX", "NOISE"])


def test_a_scaled_column_is_refused(tmp_path):
    path = tmp_path / "scaled.fits"
    column = fits.Column(name="N", format="1I", array=np.array([1, 2]), bzero=32768, bscale=1)
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([column])]).writeto(path)
    with pytest.raises(DamagedFile, match="N is scaled"):
        FitsTable(path).columns(["N"])


def written(path, *columns):
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(path)
    return FitsTable(path)


def test_columns_of_other_formats_may_be_between(tmp_path):
    table = written(
        tmp_path / "all.fits",
        fits.Column(name="V", format="PJ()", array=np.array([[1], [2, 3]], dtype=object)),
        fits.Column(name="BITS", format="11X", array=np.ones((2, 11), bool)),
        fits.Column(name="Z", format="C", array=np.array([1j, 2j], np.complex64)),
        fits.Column(name="SIX", format="3D", array=np.ones((2, 3))),
        fits.Column(name="N", format="J", array=np.array([5, 6], np.int32)),
    )
    assert table.integers("N").tolist() == [5, 6]
    with pytest.raises(DamagedFile, match="has no column V, SIX"):
        table.columns(["V", "N", "SIX"])


def test_names_are_found_in_another_case_unless_two_are_alike(tmp_path):
    table = written(
        tmp_path / "names.fits",
        *(fits.Column(name=name, format="J", array=np.array([at])) for at, name in enumerate(["mjd", "A_y", "A_Y"])),
    )
    assert [table.integers(name).tolist() for name in ("MJD", "A_Y", "A_y")] == [[0], [2], [1]]
    assert "a_Y" not in table


@pytest.mark.parametrize(
    ("form", "values", "integers", "floats"),
    [
        ("I", [3, 4], [3, 4], [3.0, 4.0]),
        ("E", [3.0, 4.0], [3, 4], [3.0, 4.0]),
        ("8A", [" 3", "-4"], [3, -4], [3.0, -4.0]),
        ("E", [3.5, 4.0], "N of row 1 is 3.5, not a whole number", [3.5, 4.0]),
        ("E", [3.0, np.nan], "N of row 2 is nan, not a whole number", [3.0, np.nan]),
        ("E", [3.0, 1e19], "N of row 2 is .*, not a whole number", [3.0, float(np.float32(1e19))]),
        ("8A", ["3.5", ".5e1"], "N of row 1 is '3.5', not a whole number", [3.5, 5.0]),
        ("8A", ["1_0", "4"], "N of row 1 is '1_0', not a whole number", "N of row 1 is '1_0', not a number"),
        ("8A", ["", "4"], "N of row 1 is '', not a whole number", "N of row 1 is '', not a number"),
        ("20A", ["9" * 20, "4"], "N has a value of more than 64 bits", [1e20, 4.0]),
    ],
)
def test_numbers_are_read_from_whatever_stores_them(tmp_path, form, values, integers, floats):
    table = written(tmp_path / "n.fits", fits.Column(name="N", format=form, array=np.array(values)))
    for read, expected in ((table.integers, integers), (table.floats, floats)):
        if isinstance(expected, str):
            with pytest.raises(DamagedFile, match=expected):
                read("N")
        else:
            np.testing.assert_array_equal(read("N"), expected)


def test_values_that_are_missing_are_not_read_as_numbers(tmp_path):
    table = written(tmp_path / "n.fits", fits.Column(name="N", format="J", null=-99, array=np.array([7, -99], "i4")))
    np.testing.assert_array_equal(table.floats("N"), [7.0, np.nan])
    with pytest.raises(DamagedFile, match="row 2 has no N"):
        table.integers("N")
    with pytest.raises(DamagedFile, match="N is not a text"):
        table.texts("N")


def test_two_columns_with_one_name_are_refused_when_asked_for(tmp_path):
    path = tmp_path / "twice.fits"
    written(path, *(fits.Column(name=f"N{at}", format="J", array=np.array([at])) for at in range(3)))
    path.write_bytes(path.read_bytes().replace(b"'N1      '", b"'N0      '"))
    assert FitsTable(path).integers("N2").tolist() == [2]
    with pytest.raises(DamagedFile, match="has two columns N0"):
        FitsTable(path).integers("N0")

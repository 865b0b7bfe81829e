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


def test_a_format_that_is_not_supported_is_named(tmp_path):
    path = tmp_path / "variable.fits"
    column = fits.Column(name="V", format="PJ()", array=np.array([[1], [2, 3]], dtype=object))
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([column])]).writeto(path)
    with pytest.raises(DamagedFile, match="column V has the format PJ"):
        FitsTable(path)

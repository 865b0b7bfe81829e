"""Every product file that was ever delivered can be read: real ones of version 01, and widths of other versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits as astropy_fits

from broker_assets.telemetry.products.files import fits
from broker_assets.telemetry.products.files.reading import ProductName, UnreadableFile, column_of, read
from broker_assets.telemetry.products.files.tables import Column

REAL_KINDS = {
    "cal-energy", "hk-maxi", "ql-background", "ql-flareflag", "ql-lightcurve", "ql-spectra", "ql-tmstatusflarelist",
    "ql-variance", "sci-xray-cpd", "sci-xray-rpd", "sci-xray-scpd", "sci-xray-spec",
}  # fmt: skip
MEASURED = {
    "cal-energy": ("counts", (2, 32, 12, 1024)), "ql-background": ("counts", (10758, 5)),
    "ql-lightcurve": ("counts", (21516, 5)), "ql-spectra": ("spectra", (12, 32, 32)),
    "ql-variance": ("variance", (21516, 1)), "sci-xray-rpd": ("counts", (5, 32, 12, 32)),
    "sci-xray-spec": ("counts", (5, 32)), "ql-flareflag": ("loc_y", (85,)),
}  # fmt: skip


@pytest.mark.shared
def test_real_files_of_all_kinds(shared_folder: Path) -> None:
    """Level L1 of May 2020, version 01, twelve kinds: tables, units, shapes and times."""
    found = {}
    for path in sorted((shared_folder / "data/stix/fits_ref/stixpy").glob("*.fits")):
        product = read(path)
        name = product.parsed_name
        assert name is not None
        assert (name.level, name.version) == ("L1", 1)
        assert product.header["DATE-BEG"] == product.header["DATE_BEG"]
        assert product.header["LEVEL"] == "L1"
        assert product.control["index"].values.tolist() == list(range(len(product.control["index"].values)))
        assert "version" in product.tables["IDB_VERSIONS"]
        rows = {len(column.values) for column in product.data.values()}
        assert len(rows) == 1
        if name.stem in MEASURED:
            column, shape = MEASURED[name.stem]
            assert product.data[column].values.shape == shape
        if "time" in product.data:
            assert product.data["time"].unit == "cs"
            assert (np.diff(product.data["time"].values.astype(np.int64)) >= 0).all()
        if product.energies is not None:
            assert product.energies["e_low"].unit == "keV"
            assert product.energies["e_low"].values.dtype.kind == "f"
        if "counts" in product.data:
            assert product.data["counts"].unit == "count"
        if "counts_err" in product.data:
            error = column_of(product.data, "counts_comp_err")
            assert error is not None
            assert error.values.shape == product.data["counts"].values.shape
            assert column_of(product.data, "count") is product.data["counts"]
            assert column_of(product.data, "spectra") is None
        found[name.stem] = product
    assert set(found) == REAL_KINDS


@pytest.mark.shared
def test_older_and_golden_files(shared_folder: Path) -> None:
    """Files of 2021, without IDB_VERSIONS, and those of the present original pipeline."""
    folder = shared_folder / "data/stix/fits_ref"
    old = read(folder / "solo_L1_stix-ql-LightCurve_20210117_V01.fits")
    assert old.parsed_name is not None
    assert old.parsed_name.stem == "ql-lightcurve"
    assert "IDB_VERSIONS" not in old.tables
    assert old.data["time"].unit == "s"
    assert old.data["counts"].values.shape == (12, 5)
    packets = read(folder / "solo_LB_stix-21-6-30_0664156800_V01.fits")
    assert len(packets.data["data"].values) == 36
    golden = sorted((shared_folder / "golden/stix/products").rglob("*.fits"))
    assert golden
    for path in golden:
        product = read(path)
        assert product.data, path
        assert product.parsed_name is not None, path


@pytest.mark.shared
def test_values_are_those_of_astropy(shared_folder: Path) -> None:
    """Offsets and byte order applied; nothing changed."""
    folder = shared_folder / "data/stix/fits_ref/stixpy"
    paths = list(folder.glob("*sci-xray-*.fits"))
    assert paths
    for path in paths:
        product = read(path)
        with astropy_fits.open(path) as hdus:
            for name, column in product.data.items():
                assert (column.values == np.asarray(hdus["DATA"].data[name])).all(), (path.name, name)


@pytest.mark.parametrize("code", ["B", "I", "J", "K", "D"])
@pytest.mark.parametrize("unsigned", [False, True])
def test_any_width_of_integers(code: str, unsigned: bool, tmp_path: Path) -> None:
    """Versions 01 to 06 wrote counts as B, I, J, K or, after a merge, D."""
    offset = {"I": 1 << 15, "J": 1 << 31, "K": 1 << 63}.get(code) if unsigned else None
    counts = np.arange(10).reshape(2, 5)
    kind: Any = np.dtype({"B": "u1", "I": "u2", "J": "u4", "K": "u8", "D": "f8"}[code] if offset else
                         {"B": "u1", "I": "i2", "J": "i4", "K": "i8", "D": "f8"}[code])  # fmt: skip
    column = astropy_fits.Column("counts", f"5{code}", unit="ct", dim="(5)", array=counts.astype(kind), bzero=offset)
    path = tmp_path / "solo_L1_stix-ql-lightcurve_20220101_V06U.fits"
    data = astropy_fits.BinTableHDU.from_columns([column], name="data")
    astropy_fits.HDUList([astropy_fits.PrimaryHDU(), data]).writeto(path)
    product = read(path)
    assert product.data["counts"].values.tolist() == counts.tolist()
    assert product.data["counts"].values.dtype.isnative
    assert product.data["counts"].unit == "count"
    assert product.energies is None


def test_own_file_comes_back(tmp_path: Path) -> None:
    """What our writer writes: values, units, descriptions, parameters, cards."""
    table = {
        "time": Column(np.arange(3, dtype=np.uint32), "cs"),
        "name": Column(np.array(["a", "bcd", ""])),
        "counts": Column(np.full((3, 2), 70000, dtype=np.uint32), "count", "summed", "NIX00272", "CIXP1"),
        "ok": Column(np.array([True, False, True])),
    }
    path = tmp_path / "solo_L1_stix-ql-lightcurve_20220101_V02.fits"
    fits.write(path, [("DATE", "2022-01-01", ""), ("LEVEL", "L1", "level")], [fits.Extension("DATA", table)])
    found = read(path).data
    for name, column in table.items():
        assert found[name].values.tolist() == column.values.tolist()
        assert (found[name].unit, found[name].parameter) == (column.unit, column.parameter)
    assert found["counts"].description == "summed"
    with path.open("rb") as stream:
        assert read(stream, name=path.name).header["LEVEL"] == "L1"


@pytest.mark.parametrize("kept", [0, 100, 2880, 5000])
def test_damaged_files_are_told(kept: int, tmp_path: Path) -> None:
    """Empty and cut files raise one error that names them."""
    path = tmp_path / "x.fits"
    table = {"a": Column(np.arange(4000))}
    fits.write(path, [("DATE", "2022-01-01", "")], [fits.Extension("DATA", table)])
    whole = path.read_bytes()
    for size in {kept, len(whole) - 2880} if kept else {0}:
        path.write_bytes(whole[:size])
        if size == 2880:  # a primary header alone is a whole file
            assert read(path).tables == {}
        else:
            with pytest.raises(UnreadableFile, match=r"x\.fits"):
                read(path)
    path.write_bytes(b"<html>" * 1000)
    with pytest.raises(UnreadableFile, match=r"x\.fits"):
        read(path)
    with pytest.raises(FileNotFoundError):
        read(tmp_path / "none.fits")


def test_names() -> None:
    """Marks of incompleteness, requests, and names that are none."""
    name = ProductName.parse("solo_L1_stix-sci-xray-cpd_20220101T003000-20220101T013000_V03U_2201010007-54548.fits")
    assert name is not None
    assert (name.version, name.incomplete, name.request) == (3, True, "2201010007-54548")
    assert ProductName.parse("solo_ANC_stix-asp-ephemeris_20220101_V02.fits") is not None
    assert ProductName.parse("notes.txt") is None

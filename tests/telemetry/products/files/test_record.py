"""The row of a product file: what provenance takes over from it."""

from __future__ import annotations

import dataclasses
import datetime
from pathlib import PurePosixPath

import pytest

from broker_assets.provenance.product_files import FileRecord
from broker_assets.telemetry.products.files.record import ProductFile

FILE = ProductFile(
    path=PurePosixPath("L1/2023/11/01/QL/solo_L1_stix-ql-lightcurve_20231101_V02.fits"),
    level="L1",
    family="quicklook",
    kind="ql-lightcurve",
    version=2,
    day=datetime.date(2023, 11, 1),
    request=(91, 50001),
    rows=21600,
    start="2023-11-01T00:00:00",
    end="2023-11-02T00:00:00",
    parents=("solo_L0_stix-ql-lightcurve_0752112000_V02U.fits",),
    raw_files=("TM_one.xml",),
    inputs={"spice_kernels": "V111"},
    incomplete=True,
    digest="abc",
    size=5760,
)


def test_provenance_takes_over_every_field() -> None:
    """Neither knows the other: the fields have the same names and meanings."""
    assert {field.name for field in dataclasses.fields(ProductFile)} == set(FileRecord.model_fields)
    taken = FileRecord.model_validate(FILE)
    assert taken.model_dump() == {field.name: getattr(FILE, field.name) for field in dataclasses.fields(FILE)}


def test_a_file_without_packets_of_its_own_is_a_record_too() -> None:
    """Daily products have no request; what was made without inputs has none, and no two files share the mapping."""
    names = ("parents", "raw_files", "inputs", "incomplete", "digest", "size")
    values = {
        field.name: getattr(FILE, field.name) for field in dataclasses.fields(FILE) if field.name not in names
    } | {"request": None}
    plain, other = ProductFile(**values), ProductFile(**values)
    assert FileRecord.model_validate(plain).inputs == {}
    assert plain == other
    assert plain.inputs is not other.inputs


def test_a_row_is_not_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        FILE.rows = 1  # type: ignore[misc]

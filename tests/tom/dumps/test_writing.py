"""A part of the survey is written, and can be read elsewhere."""

from __future__ import annotations

import io

import pytest

from broker_assets.database import engine
from broker_assets.tom.dumps.reading import import_dump
from broker_assets.tom.dumps.writing import export_dump

pytestmark = [pytest.mark.database, pytest.mark.shared]


def test_what_is_written_is_read_elsewhere(module_tom_snapshot_url: str, database_url: str) -> None:
    files = [io.BytesIO(), io.BytesIO()]
    with engine.connect(module_tom_snapshot_url, autocommit=True) as connection:
        for file in files:
            done = export_dump(connection, file.write, objects=20, only_sent=True, seed=0.5)
        everything = export_dump(connection, io.BytesIO().write, objects=1000)
    assert files[0].getvalue() == files[1].getvalue()
    assert done.rows["elasticc2_ppdbdiaobject"] == done.rows["elasticc2_diaobjecttruth"] == 20
    assert done.rows["elasticc2_ppdbalert"] == done.rows["elasticc2_ppdbdiasource"]
    assert everything.rows == {
        "elasticc2_ppdbdiaobject": 346, "elasticc2_ppdbdiasource": 1862, "elasticc2_ppdbdiaforcedsource": 52172,
        "elasticc2_ppdbalert": 1862, "elasticc2_diaobjecttruth": 346, "elasticc2_brokerclassifier": 3,
        "elasticc2_brokermessage": 1950,
    }  # fmt: skip
    with engine.connect(database_url, autocommit=True) as other:
        read = import_dump(other, files[0].getvalue().decode().splitlines(keepends=True))
        assert read.stored == read.rows == done.rows
        again = io.BytesIO()
        export_dump(other, again.write, objects=20)
    assert sorted(again.getvalue().splitlines()) == sorted(files[0].getvalue().splitlines())

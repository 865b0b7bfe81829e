"""Tables that are uploaded: read with care."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io.votable import from_table
from astropy.table import MaskedColumn, Table

from broker_assets.filters.tap_uploads import BadUpload, read_upload, table_name


def _votable(form: str = "tabledata") -> bytes:
    table = Table(
        {
            "Name": ["a", "bé"],
            "n": MaskedColumn(np.array([1, 2], np.int64), mask=[False, form != "binary"]),
            "ra": [1.5, np.nan],
            "flag": [True, False],
        }
    )
    found = io.BytesIO()
    from_table(table).to_xml(found, tabledata_format=form)
    return found.getvalue()


@pytest.mark.parametrize("form", ["tabledata", "binary", "binary2"])
def test_the_serialisations(form: str) -> None:
    found = read_upload(_votable(form))
    assert [(one.name, one.sql) for one in found.columns] == [
        ("name", "TEXT"), ("n", "BIGINT"), ("ra", "DOUBLE PRECISION"), ("flag", "BOOLEAN"),
    ]  # fmt: skip
    name, number, ra, flag = (one.values for one in found.columns)
    assert (name, number[0], ra[0], flag) == (["a", "bé"], 1, 1.5, [True, False])
    assert number[1] == (2 if form == "binary" else None)  # which cannot say that there is none
    assert set(found.numeric()) == {"n", "ra"}


HEAD = '<VOTABLE xmlns="http://www.ivoa.net/xml/VOTable/v1.3" version="1.4"><RESOURCE><TABLE>'
FIELD = '<FIELD name="a" datatype="int"/>'
TAIL = "</TABLE></RESOURCE></VOTABLE>"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("no xml", "not XML"),
        ('<!DOCTYPE a [<!ENTITY b "c">]>' + HEAD + FIELD + TAIL, "document type"),
        ('<!DOCTYPE a SYSTEM "file:///etc/passwd">' + HEAD + TAIL, "document type"),
        (HEAD + FIELD + '<DATA><BINARY><STREAM href="file:///etc/passwd"/></BINARY></DATA>' + TAIL, "document itself"),
        (HEAD + FIELD + '<DATA><BINARY2><STREAM HREF="http://127.0.0.1/"/></BINARY2></DATA>' + TAIL, "itself"),
        (HEAD + FIELD + '<DATA><FITS><STREAM encoding="base64"/></FITS></DATA>' + TAIL, "document itself"),
        (HEAD + FIELD + FIELD + "<DATA><TABLEDATA/></DATA>" + TAIL, "two columns"),
        (HEAD + '<FIELD name="a" datatype="int" arraysize="3"/><DATA><TABLEDATA/></DATA>' + TAIL, "single"),
        (HEAD + '<FIELD name="a" datatype="doubleComplex"/><DATA><TABLEDATA/></DATA>' + TAIL, "single"),
        (HEAD + FIELD + "<DATA><TABLEDATA>" + "<TR/>" * 100_001 + "</TABLEDATA></DATA>" + TAIL, "rows"),
        ("<a>" * 100 + "</a>" * 100, "nested"),
        ("<VOTABLE/>", "."),
        ("x" * (9 * 1024**2), "bytes"),
    ],
)
def test_what_is_refused(content: str, says: str) -> None:
    with pytest.raises(BadUpload, match=says):
        read_upload(content.encode())


def test_another_encoding_hides_nothing() -> None:
    text = HEAD + FIELD + '<DATA><BINARY><STREAM href="file:///etc/passwd"/></BINARY></DATA>' + TAIL
    with pytest.raises(BadUpload, match="document itself"):
        read_upload(('<?xml version="1.0" encoding="UTF-16"?>' + text).encode("utf-16"))


@pytest.mark.parametrize("name", ["", "a b", "1a", "a;b", "x" * 70, 'a"b'])
def test_names_that_are_refused(name: str) -> None:
    with pytest.raises(BadUpload, match="name"):
        table_name(name)

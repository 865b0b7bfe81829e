"""VOTables that no reader should open are refused before one does, with the reason."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from broker_assets.context.loading import CatalogueError, read_parts
from broker_assets.context.votables import HostileVotable, refuse_hostile

TABLE = (
    '<?xml version="1.0"?>{before}<VOTABLE xmlns="http://www.ivoa.net/xml/VOTable/v1.3" version="1.3"><RESOURCE>'
    '<TABLE{rows}><FIELD name="ra" datatype="double"{size}/>{fields}<DATA>{data}</DATA></TABLE></RESOURCE></VOTABLE>'
)
CELL = "<TABLEDATA><TR><TD>1</TD></TR></TABLEDATA>"


def votable(*, before: str = "", rows: str = "", size: str = "", fields: str = "", data: str = CELL) -> str:
    return TABLE.format(before=before, rows=rows, size=size, fields=fields, data=data)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (votable(data='<BINARY><STREAM href="file:///etc/hostname"/></BINARY>'), "its data are elsewhere"),
        (votable(data='<FITS><STREAM href=" http://127.0.0.1:9/x"/></FITS>'), "its data are elsewhere"),
        (votable(rows=' nrows="999999999999"'), "claims 999,999,999,999 rows in"),
        (votable(size=' arraysize="9999x9999"'), "more than a million values"),
        (votable(size=' arraysize="' + "9" * 40 + '"'), "more than a million values"),
        (votable(fields='<FIELD name="a" datatype="int"/>' * 10_001), "more than 10,000 columns"),
        (votable(before='<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;">]>'), "defines the entity 'b'"),
        (votable(before='<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]>'), "defines the entity 'b'"),
        ("<VOTABLE>" + "<RESOURCE>" * 100_000, "nested more than 64 deep"),
        (votable()[:-60], "damaged or truncated"),
        (votable() + "<VOTABLE/>", "damaged or truncated"),
    ],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_a_hostile_votable_is_refused_before_it_is_read(tmp_path: Path, content: str, says: str, zipped: bool) -> None:
    path = tmp_path / ("c.vot.gz" if zipped else "c.vot")
    path.write_bytes(gzip.compress(content.encode()) if zipped else content.encode())
    with pytest.raises(CatalogueError, match=says):
        list(read_parts(path))


def test_a_votable_with_its_document_type_is_read(tmp_path: Path) -> None:
    """Files of version 1.0 name it; nothing of it is fetched."""
    path = tmp_path / "c.vot"
    path.write_text(votable(before='<!DOCTYPE VOTABLE SYSTEM "http://127.0.0.1:9/VOTable.dtd">', rows=' nrows="1"'))
    assert [part.num_rows for part in read_parts(path)] == [1]


def test_the_refusal_is_one_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "c.vot"
    path.write_text(votable(rows=' nrows="999999999999"'))
    with pytest.raises(HostileVotable, match="rows in"):
        refuse_hostile(path)
    path.write_text(votable())
    refuse_hostile(path)

"""Reading of bulk files."""

from __future__ import annotations

import datetime
from types import ModuleType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from broker_assets.tns.bulk import BadBulkFile, parse_bulk_csv, unpack


def test_every_field_arrives_whole(tns: ModuleType) -> None:
    long = "X" * 300
    row = tns.tns_row(
        7, "2026abc", 359.9, -89.5, redshift="0.0123", type="SN Ia", internal_names=f"{long}, Åström-1",
        reporting_group="A group with a long name", name_prefix="SN",
    )  # fmt: skip
    [found] = parse_bulk_csv(unpack(tns.zipped(tns.bulk_csv([row])))).objects.to_pylist()
    assert found["disc_int_name"] == f"{long}, Åström-1"
    assert (found["sender"], found["tns_prefix"], found["type"]) == ("A group with a long name", "SN", "SN Ia")
    assert (found["objid"], found["ra"], found["decl"], found["z"]) == (7, 359.9, -89.5, 0.0123)
    assert found["disc_mag"] == 19.25
    assert found["reporters"] == 'A. Müller, B. O\'Neill ("Bo")'
    assert found["disc_date"] == datetime.datetime(2026, 11, 18, 5, 6, 7, 123000, tzinfo=datetime.UTC)


def test_empty_is_null(tns: ModuleType) -> None:
    row = tns.tns_row(7, "2026abc", 1.0, 2.0, redshift="", discoverymag="", type="", filter="", discoverydate="")
    [found] = parse_bulk_csv(unpack(tns.zipped(tns.bulk_csv([row])))).objects.to_pylist()
    assert [found[name] for name in ("z", "disc_mag", "type", "disc_mag_filter", "disc_date")] == [None] * 5


def test_order_additions_and_a_missing_banner_do_not_matter(tns: ModuleType) -> None:
    lines = tns.bulk_csv([tns.tns_row(7, "2026abc", 1.0, 2.0)], banner=None).decode().splitlines()
    turned = "\n".join(",".join([*reversed(line.split('","')), "more"]).replace('"', "") for line in lines)
    # the field of the reporters has commas; it is left out here
    turned = turned.replace("A. Müller, B. O'Neill (Bo)", "Ann")
    assert parse_bulk_csv(turned.encode()).objects["tns_name"].to_pylist() == ["2026abc"]


def test_odd_quoting(tns: ModuleType) -> None:
    content = tns.bulk_csv([tns.tns_row(7, "2026abc", 1.0, 2.0, reporters='a "quoted", name\nand a line break')])
    file = parse_bulk_csv(content.replace(b"\n", b"\r\n"))
    assert file.objects["reporters"].to_pylist() == ['a "quoted", name\r\nand a line break']
    assert file.banner == tns.BANNER


def test_bad_lines_are_told_and_the_others_kept(tns: ModuleType) -> None:
    rows = [
        tns.tns_row(1, "2026a", 1.0, 2.0),
        tns.tns_row(2, "2026b", "north", 2.0),
        tns.tns_row(3, "", 1.0, 2.0),
        tns.tns_row(4, "2026d", 1.0, 95.0),
        tns.tns_row(5, "2026e", 1.0, 2.0, redshift="high"),
        tns.tns_row(6, "2026f", 1.0, 2.0, lastmodified="yesterday"),
        tns.tns_row(7, "2026g", 1.0, ""),
        tns.tns_row(8, "2026a", 3.0, 2.0),
        tns.tns_row(8, "2026h", 3.0, 2.0),
    ]
    content = tns.bulk_csv(rows) + b'"9","AT","2026i"\n'
    file = parse_bulk_csv(content)
    assert file.objects["tns_name"].to_pylist() == ["2026h"]
    assert [row.line for row in file.bad] == [3, 4, 5, 6, 7, 8, 9, 10, 12]
    reasons = {row.line: row.reason for row in file.bad}
    assert "'north' is not a number" in reasons[4]
    assert "name is empty" in reasons[5]
    assert "not on the sky" in reasons[6]
    assert "'high'" in reasons[7]
    assert "'yesterday'" in reasons[8]
    assert "3 fields" in reasons[12]
    assert "2026b" in next(row.text for row in file.bad if row.line == 4)


def test_files_that_cannot_be_used(tns: ModuleType) -> None:
    whole = tns.zipped(tns.bulk_csv([tns.tns_row(n, f"2026{n}", 1.0, 2.0) for n in range(50)]))
    for content, reason in [
        (whole[: len(whole) // 2], "not a zip"),
        (whole[:40] + b"\x00" * 40 + whole[80:], "damaged"),
        (b"", "not a zip"),
        (tns.zipped(b"<html></html>"), "columns missing"),
        (tns.zipped(b""), "columns missing"),
        (tns.zipped("name,ra\n\xff".encode("latin-1")), "not UTF-8"),
        (tns.zipped(b"banner\nname,ra\n1,2\n"), "columns missing: declination"),
    ]:
        with pytest.raises(BadBulkFile, match=reason):
            parse_bulk_csv(unpack(content))


def test_a_file_without_objects(tns: ModuleType) -> None:
    assert len(parse_bulk_csv(unpack(tns.zipped(tns.bulk_csv([])))).objects) == 0


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=400))
def test_any_bytes_are_refused_with_a_reason(content: bytes) -> None:
    with pytest.raises(BadBulkFile) as refused:
        parse_bulk_csv(unpack(content))
    assert len(str(refused.value)) > 10


@settings(max_examples=60, deadline=None)
@given(
    texts=st.lists(
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).map(str.strip).filter(bool),
        min_size=1,
        max_size=5,
    ),
    z=st.floats(0, 10),
)
def test_any_text_comes_back(tns: ModuleType, texts: list[str], z: float) -> None:
    rows = [tns.tns_row(n, f"2026{n}", 1.0, 2.0, reporters=text, redshift=repr(z)) for n, text in enumerate(texts)]
    file = parse_bulk_csv(unpack(tns.zipped(tns.bulk_csv(rows))))
    assert file.objects["reporters"].to_pylist() == texts
    assert set(file.objects["z"].to_pylist()) == {z}

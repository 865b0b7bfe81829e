"""Reading of bulk files."""

from __future__ import annotations

import datetime
import io
import zipfile
from pathlib import Path
from types import ModuleType

import pytest
from hostile_input import damaged, memory_below, refused_with_reason
from hypothesis import given, settings
from hypothesis import strategies as st
from tns_peer import bulk_csv, tns_row, zipped

from broker_assets.settings import InputLimits
from broker_assets.tns.bulk import BadBulkFile, BulkFile, covered_interval, parse_bulk_csv, unpack


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


FIELD = "data/sky/field/tns"


def field(shared_folder: Path, name: str) -> BulkFile:
    return parse_bulk_csv(unpack((shared_folder / FIELD / f"{name}.zip").read_bytes()))


@pytest.mark.shared
def test_the_newer_row_of_the_field_wins_wherever_it_is(shared_folder: Path) -> None:
    file = field(shared_folder, "dup_rows_stale_last")
    [found] = file.objects.to_pylist()
    assert (found["tns_prefix"], found["z"]) == ("SN", 0.05)
    assert [row.line for row in file.bad] == [4]


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "kept", "reasons"),
    [
        ("huge_objid", ["2026c"], ["objid '99999999999999999999' is not the number of an object"]),
        ("mag_huge", ["2026c"], ["discoverymag '1e300' is not between -100 and 100"]),
        ("float_objid", [], ["objid '1.7' is not the number of an object"]),
        (
            "ra360",
            ["2026b", "2026d"],
            ["position (-1e-07, 1.0) is not on the sky", "position (40.0, 90.0001) is not on the sky"],
        ),
    ],
)
def test_values_of_the_field_out_of_range_are_quarantined(
    shared_folder: Path, name: str, kept: list[str], reasons: list[str]
) -> None:
    file = field(shared_folder, name)
    assert file.objects["tns_name"].to_pylist() == kept
    assert [row.reason for row in file.bad] == reasons
    assert all(0 <= ra < 360 for ra in file.objects["ra"].to_pylist())


@given(st.permutations(list(range(6))), st.permutations(list(range(6))))
def test_which_row_wins_does_not_depend_on_the_order(order: list[int], hours: list[int]) -> None:
    rows = [tns_row(7, "2026a", 1.0, 2.0, redshift=n, lastmodified=f"2026-11-19 {hours[n]:02d}:00:00") for n in order]
    file = parse_bulk_csv(bulk_csv(rows))
    assert file.objects["z"].to_pylist() == [float(hours.index(5))]
    assert len(file.bad) == 5


NUMBERS = st.one_of(
    st.sampled_from(["", "nan", "inf", "1e999", "1_0", "0x10", "١٢", "1,5", " 7 ", "-0", "+3", "1e3", "7.", ".5"]),
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(repr),
)


@given(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
def test_any_number_is_stored_exactly_or_quarantined(ra: str, dec: str, objid: str, mag: str, z: str) -> None:
    values = {"ra": ra, "declination": dec, "objid": objid, "discoverymag": mag, "redshift": z}
    file = parse_bulk_csv(bulk_csv([tns_row(0, "2026a", 0, 0) | values]))
    assert len(file.objects) + len(file.bad) == 1
    for found in file.objects.to_pylist():
        assert found["ra"] == float(ra) % 360
        assert found["decl"] == float(dec)
        assert found["objid"] == (int(objid) if objid.strip() else None)
        assert found["z"] == (float(z) if z.strip() else None)
        assert found["disc_mag"] == (pytest.approx(float(mag), rel=1e-6) if mag.strip() else None)


@pytest.mark.parametrize(
    ("line", "interval"),
    [
        ('"2026-11-19 00:00:00 - 23:59:59"', ("2026-11-19T00:00", "2026-11-20T00:00")),
        ("2026-11-19 07:00:00 - 07:59:59", ("2026-11-19T07:00", "2026-11-19T08:00")),
        ("2026-11-19 23:00:00 - 2026-11-20 00:00:00", ("2026-11-19T23:00", "2026-11-20T00:00")),
        ("2026-11-19 23:00:00 - 00:00:00", ("2026-11-19T23:00", "2026-11-20T00:00")),
        ("2026-11-19T10:00:00", ("2026-11-19T10:00", "2026-11-19T10:00")),
        ("\ufeff2026-11-19 00:00:00 - 23:59:59\r", ("2026-11-19T00:00", "2026-11-20T00:00")),
        ('"2026-11-19 00:00:00 – 23:59:59","",""', ("2026-11-19T00:00", "2026-11-20T00:00")),
        ("2026-11-19T07:00:00Z - 2026-11-19T08:00:00Z", ("2026-11-19T07:00", "2026-11-19T08:00")),
        ("objid,name", None),
        ("2026-31-19 00:00:00 - 23:59:59", None),
        ("2026-11-19 00:00:00 - 2026-11-18 00:00:00", None),
        ("9999-12-31 00:00:00 - 23:59:59", None),
        ("", None),
    ],
)
def test_what_the_first_line_says(line: str, interval: tuple[str, str] | None) -> None:
    found = covered_interval(line.encode() + b"\nobjid,name\n")
    shown = None if found is None else tuple(time.strftime("%Y-%m-%dT%H:%M") for time in found)
    assert shown == interval


@pytest.mark.parametrize("column", ["discoverydate", "lastmodified"])
@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("2026-11-19", "2026-11-19T00:00:00"),
        ("2026-11-19T02:03:04+02:00", "2026-11-19T00:03:04"),
        ("2026-11-19 02:03:04.123456789", "2026-11-19T02:03:04.123456"),
        ("2026-11-21 11:00:00", "2026-11-21T11:00:00"),  # a clock that is ahead
        ("2026-11-22 00:00:00", None),
        ("9999-12-31 00:00:00", None),
        ("0000-00-00 00:00:00", None),
        ("today", None),
        ("now", None),
        ("NaT", None),
        ("2026", None),
        ("2026-11-19 24:30:00", None),
    ],
)
def test_a_date_is_read_whole_or_its_line_is_rejected(column: str, text: str, time: str | None) -> None:
    rows = [tns_row(1, "2026a", 1, 2, **{column: text}), tns_row(2, "2026b", 1, 2)]
    now = datetime.datetime(2026, 11, 20, 12, tzinfo=datetime.UTC)
    file = parse_bulk_csv(bulk_csv(rows), now=now)
    ours = {"discoverydate": "disc_date", "lastmodified": "lastmodified_date"}[column]
    found = [row[ours].replace(tzinfo=None) for row in file.objects.to_pylist() if row["tns_name"] == "2026a"]
    assert found == ([] if time is None else [datetime.datetime.fromisoformat(time)])
    assert [(row.line, text in row.reason) for row in file.bad] == ([(3, True)] if time is None else [])
    assert "2026b" in file.objects["tns_name"].to_pylist()


@pytest.mark.parametrize("name", ["AT 2026a", "2026a\n2026b", "2026a\x1b[2J"])
def test_a_name_is_one_word(name: str) -> None:
    [bad] = parse_bulk_csv(bulk_csv([tns_row(1, name, 1, 2)])).bad
    assert "is not one word" in bad.reason


def test_letters_of_column_names_do_not_matter() -> None:
    content = bulk_csv([tns_row(1, "2026a", 1, 2)]).decode().splitlines()
    content[1] = content[1].upper()
    assert parse_bulk_csv("\n".join(content).encode()).objects["tns_name"].to_pylist() == ["2026a"]


def test_a_text_that_postgresql_cannot_store_is_quarantined() -> None:
    long = "2026" + "b" * 3000
    rows = [tns_row(1, "2026a", 1, 2, reporters="a\0b"), tns_row(2, long, 1, 2), tns_row(3, "2026c", 1, 2)]
    file = parse_bulk_csv(bulk_csv(rows))
    assert file.objects["tns_name"].to_pylist() == ["2026c"]
    assert "has a NUL" in file.bad[0].reason
    assert "more than 100 characters" in file.bad[1].reason


def test_limits() -> None:
    content = bulk_csv([tns_row(n, f"2026{n}", 1, 2) for n in range(5)])
    with pytest.raises(BadBulkFile, match="BROKER_LIMITS__TNS_ROWS"):
        parse_bulk_csv(content, limits=InputLimits(tns_rows=4))
    with pytest.raises(BadBulkFile, match="BROKER_LIMITS__TNS_BYTES"):
        unpack(zipped(content), limits=InputLimits(tns_bytes=len(content) - 1))
    assert unpack(zipped(content), limits=InputLimits(tns_bytes=len(content))) == content


def test_empty_lines_are_bounded_too() -> None:
    content = bulk_csv([tns_row(1, "2026a", 1, 2)])
    assert len(parse_bulk_csv(content + b"\n" * 50, limits=InputLimits(tns_rows=60)).objects) == 1
    with memory_below(40 << 20), pytest.raises(BadBulkFile, match="more than 1,000 rows"):
        parse_bulk_csv(content + b"\n" * (8 << 20), limits=InputLimits(tns_rows=1000))


def many_members() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(1000):
            archive.writestr(f"{number}", b"")
    return buffer.getvalue()


def test_bombs_are_not_unpacked() -> None:
    bomb = zipped(bytes(200 * 1024**2))
    understated = bomb.replace((200 * 1024**2).to_bytes(4, "little"), (1000).to_bytes(4, "little"))
    limits = InputLimits(tns_bytes=1024**2)
    for content, reason in ((bomb, "TNS_BYTES"), (understated, "damaged"), (many_members(), "many members")):
        with memory_below(16 * 1024**2), pytest.raises(BadBulkFile, match=reason):
            unpack(content, limits=limits)


GOOD = bulk_csv([tns_row(7, "2026abc", 1.0, 2.0, redshift="0.1"), tns_row(8, "2026abd", 3.0, 2.0)])


@given(damaged([zipped(GOOD)]), damaged([GOOD]))
def test_damaged_files_are_read_or_say_why(archive: bytes, text: bytes) -> None:
    with memory_below(16 * 1024**2), refused_with_reason(BadBulkFile):
        assert isinstance(unpack(archive), bytes)
    with memory_below(16 * 1024**2), refused_with_reason(BadBulkFile):
        file = parse_bulk_csv(text)
        assert all(row.reason for row in file.bad)

"""Rows of dumps: any values come back, however their statement is divided into lines, and what is cut is refused."""

from __future__ import annotations

import gzip
import io
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker_assets.storage.sql_dumps import BadRows, Cells, cells_of, copied, inserted, line_of, opened

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.sampled_from(
    ["", "'", "''", "\\", "\\'", "(a), ('b')", "NULL", "\\N", "a\nb;\r\n", "\t", "E'x'"]
)
ROWS = st.lists(st.lists(st.none() | TEXT, min_size=1, max_size=4), min_size=1, max_size=5)


def written(rows: list[Cells], form: str, between: str = ",") -> str:
    """The rows behind VALUES, as a program writes them."""

    def value(cell: str | None) -> str:
        if cell is None:
            return "NULL"
        if form == "PostgreSQL":
            return "'" + cell.replace("'", "''") + "'"
        escaped = cell.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
        return f"{'_binary ' if form == 'MySQL' else 'E'}'{escaped}'"

    return between.join(f"({','.join(map(value, row))})" for row in rows) + ";"


def read(text: str, *, mysql: bool = False) -> list[Cells]:
    """Rows of the statement whose values begin on line 7."""
    lines = iter(enumerate(io.StringIO(text), start=7))
    return list(inserted(lines, next(lines, (7, ""))[1], 7, mysql=mysql))


@given(ROWS, st.sampled_from(["PostgreSQL", "MySQL", "PostgreSQL with E"]))
def test_values_come_back(rows: list[Cells], form: str) -> None:
    mysql = form == "MySQL"
    assert read(written(rows, form), mysql=mysql) == rows
    assert read(written(rows, form, "\n ,\r\n\t"), mysql=mysql) == rows
    assert read(f"\n {written(rows, form)[:-1]}\nON DUPLICATE KEY UPDATE id = id;\n", mysql=mysql) == rows


@given(ROWS)
def test_lines_of_copy_come_back(rows: list[Cells]) -> None:
    lines = [line_of(row) for row in rows]
    assert [cells_of(line) for line in lines] == rows
    assert list(copied(iter(enumerate([*lines, "\\.\r\n", "next"])), 3)) == lines
    with pytest.raises(BadRows, match=r"line 3: .* truncated"):
        list(copied(iter(enumerate(lines)), 3))


@given(ROWS, st.data())
def test_what_is_cut_is_refused(rows: list[Cells], data: st.DataObject) -> None:
    text = written(rows, "PostgreSQL")
    with pytest.raises(BadRows, match=r"line 7: .* truncated"):
        read(text[: data.draw(st.integers(0, len(text) - 1))])


def test_numbers_and_words_are_text() -> None:
    assert read("( -1.5E-3 , true, NULL ,0x4A) ;") == [["-1.5E-3", "true", None, "0x4A"]]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("(1 + 1);", "value in a form"), ("(now());", "value in a form"), ("('a'::text);", "value in a form"),
        ("(DEFAULT);", "value in a form"), ("(X'61');", "value in a form"), ("();", "value in a form"),
        ("SELECT 1;", "rows in a form"), ("(1),2;", "rows in a form"),
    ],
)  # fmt: skip
def test_other_values_are_refused(text: str, says: str) -> None:
    with pytest.raises(BadRows, match=f"line 7: .*{says}"):
        read(text)


def test_a_statement_of_many_lines_takes_linear_time() -> None:
    def seconds(count: int) -> float:
        text = ",\n".join(["(1,'a')"] * count) + ";"
        begun = time.process_time()
        assert len(read(text)) == count
        return time.process_time() - begun

    seconds(1_000)
    assert seconds(40_000) < 20 * seconds(4_000)


SAID = "SET client_encoding = '{}';\nCOPY t (a) FROM stdin;\n{}\n\\.\n"


@pytest.mark.parametrize(
    ("said", "codec", "text"),
    [
        ("UTF8", "utf-8", "é–☄"),
        ("LATIN1", "latin-1", "é"),
        ("LATIN9", "iso8859-15", "é€"),
        ("WIN1252", "cp1252", "é–"),
        ("WIN1251", "cp1251", "ж"),
        ("KOI8R", "koi8-r", "ж"),
        ("EUC_JP", "euc_jp", "星"),
        ("SQL_ASCII", "utf-8", "é"),
        ("UTF8", "utf-8-sig", "é"),
        ("UTF8", "utf-16", "é"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_dumps_are_read_in_the_encoding_that_they_name(
    tmp_path: Path, said: str, codec: str, text: str, packed: bool
) -> None:
    content = SAID.format(said, text).encode(codec)
    path = tmp_path / "dump"
    path.write_bytes(gzip.compress(content) if packed else content)
    with opened(path) as lines:
        assert lines.read() == SAID.format(said, text)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"PGDMP\x01\x0e", "is a dump for pg_restore"),
        (b"toc.dat\0\0\0", "is a dump for pg_restore"),
        (SAID.format("UTF8", "é").encode("latin-1"), "cannot be read: 'utf-8' codec"),
        (SAID.format("MULE_INTERNAL", "e").encode(), "is in MULE_INTERNAL, which is not known here"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-10], "cannot be read: Compressed file ended"),
        (gzip.compress(b"x" * 1000, mtime=0)[:-8] + b"\0" * 8, "cannot be read: CRC check failed"),
    ],
)
def test_what_is_no_dump_in_text_is_refused(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "dump").write_bytes(content)
    with pytest.raises(BadRows, match=why), opened(tmp_path / "dump") as lines:
        lines.read()

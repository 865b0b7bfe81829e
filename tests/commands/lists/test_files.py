"""Files of lists as commands read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from list_documents import document

pytestmark = pytest.mark.database


BAD = "ra,dec,name\n10,10,one\nten,1,x\n20,-95,y\n30,30,three\n"


def test_standard_input_and_a_byte_order_mark(command: Any) -> None:
    done = command("watchlists", "add", "-", "--name", "piped", stdin=b"\xef\xbb\xbfra,dec\n1,2\n")
    assert done.exit_code == 0, done.output
    [cone] = document(command, "watchlists", "show", "piped")["first_cones"]
    assert (cone["ra"], cone["dec"]) == (1.0, 2.0)


def test_bad_lines_are_shown_and_nothing_is_loaded(command: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text(BAD)
    done = command("watchlists", "add", "bad.csv", "--name", "x")
    assert done.exit_code == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "bad.csv, line 3: right ascension 'ten' is neither decimal degrees nor sexagesimal"
    assert lines[1].startswith("bad.csv, line 4: declination -95.0 is outside")
    assert lines[2].startswith("Error: bad.csv: 2 lines cannot be read; nothing was loaded.")
    assert "--skip-bad" in lines[2]
    assert len(lines) == 3
    assert document(command, "watchlists", "list") == []

    done = command("watchlists", "add", "bad.csv", "--name", "x", "--skip-bad")
    assert done.exit_code == 0
    assert "bad.csv: 2 lines left out" in done.stderr
    assert "2 cones" in done.stdout
    left_out = document(command, "watchlists", "update", "x", "--file", "bad.csv", "--skip-bad")["left_out"]
    assert [(line["line"], line["text"]) for line in left_out] == [(3, "ten,1,x"), (4, "20,-95,y")]
    # a replacement with a bad line would silently lose the cones of that line
    assert command("watchlists", "update", "x", "--file", "bad.csv").exit_code == 1
    assert document(command, "watchlists", "show", "x")["cones"] == 2


def test_of_a_file_in_another_format_some_lines_are_shown(command: Any, tmp_path: Path) -> None:
    (tmp_path / "prose.txt").write_text("this is no list\n" * 500)
    done = command("watchlists", "add", "prose.txt", "--name", "x", "--skip-bad")
    assert done.exit_code == 1
    assert "… and 480 more" in done.stderr
    assert "500 lines cannot be read" in done.stderr
    assert len(done.stderr.splitlines()) == 22


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "list.csv: No such file"),
        (b"", "the file contains no cone"),
        (b"# only a comment\n", "the file contains no cone"),
        (b"10, 10, caf\xe9\n", "not UTF-8 text at byte 11"),
    ],
)
def test_files_that_cannot_be_read(command: Any, tmp_path: Path, content: bytes | None, reason: str) -> None:
    if content is not None:
        (tmp_path / "list.csv").write_bytes(content)
    done = command("watchlists", "add", "list.csv", "--name", "x")
    assert done.exit_code == 1
    assert reason in done.stderr
    assert len(done.stderr.splitlines()) == 1

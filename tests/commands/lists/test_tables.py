"""Lists as commands show them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from list_documents import document

pytestmark = pytest.mark.database


def test_what_show_writes_can_be_loaded_again(command: Any, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text('10.123456789, -10, "a, ""b""", 3\n0.1, 0.2\n1 | 2 | "bar | in it"\n')
    command("watchlists", "add", "list.csv", "--name", "x")
    first = document(command, "watchlists", "show", "x")["first_cones"]
    assert [cone["name"] for cone in first] == ['a, "b"', None, "bar | in it"]
    assert command("watchlists", "show", "x", "--out", "written.csv").exit_code == 0
    assert command("watchlists", "show", "x", "--out", "-").stdout == (tmp_path / "written.csv").read_text()
    done = command("watchlists", "update", "x", "--file", "written.csv")
    assert "0 cones removed, 0 added." in done.stdout
    assert document(command, "watchlists", "show", "x")["first_cones"] == first

"""The history of the original publisher is read, and never changed."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

import pytest

from broker_assets.commands.publish.earlier_history import NoHistory, delivered_names


def test_names_of_what_the_archive_has(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    assert delivered_names(path) == frozenset()
    assert not path.exists()
    rows = [
        (f"solo_L1_stix-ql-lightcurve_2021011{n}_V02U.fits", result) for n, result in enumerate((10, 11, 12, 13, 14))
    ]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE published (name TEXT UNIQUE, result INTEGER)")
        connection.executemany("INSERT INTO published VALUES (?, ?)", [*rows, ("undecided", None)])
        connection.commit()
    before = path.read_bytes()
    assert delivered_names(path) == {f"solo_L1_stix-ql-lightcurve_2021011{n}_V02.fits" for n in range(3)}
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"text", b""])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(NoHistory, match="other is not a history of the original publisher"):
        delivered_names(tmp_path / "other")

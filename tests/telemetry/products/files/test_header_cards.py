"""Headers as text, of damaged files too, and their difference."""

from __future__ import annotations

from pathlib import Path

import pytest
from counted_files import SCRIPT, counted

from broker_assets.telemetry.products.files.header_cards import HduHeader, HeaderCard, header_difference, headers_of
from broker_assets.telemetry.products.files.reading import UnreadableFile


def test_headers_are_read_as_they_are(tmp_path: Path) -> None:
    first, data, energies = headers_of(counted(tmp_path / "a.fits", observer=SCRIPT))
    assert (first.name, data.name, energies.name) == ("PRIMARY", "DATA", "ENERGIES")
    values = {card.keyword: card.value for card in first.cards}
    assert values["OBSERVER"] == SCRIPT
    assert values["SIMPLE"] == "T"
    assert values["HISTORY"] == f"{SCRIPT} was here"


def test_damaged_files_give_what_they_have(tmp_path: Path) -> None:
    path = counted(tmp_path / "a.fits")
    content = path.read_bytes()
    path.write_bytes(content[:3000])
    assert headers_of(path)[0].name == "PRIMARY"
    broken = content.replace(b"OBSERVER= 'nobody", b"OBSERVER= \x01\xff'no'y")
    path.write_bytes(broken)
    assert any("OBSERVER" in card.keyword for card in headers_of(path)[0].cards)
    for nothing in (b"", b"<html>", b"\0" * 9000):
        path.write_bytes(nothing)
        with pytest.raises(UnreadableFile, match=r"a\.fits"):
            headers_of(path)
    with pytest.raises(FileNotFoundError):
        headers_of(tmp_path / "none.fits")


def test_differences_are_by_keyword(tmp_path: Path) -> None:
    one = headers_of(counted(tmp_path / "1" / "a.fits", version="1"))
    other = headers_of(counted(tmp_path / "2" / "a.fits", version="2", rows=41))
    changes = {(change.hdu, change.keyword): (change.before, change.after) for change in header_difference(one, other)}
    assert changes == {("PRIMARY", "VERS_SW"): ("1", "2"), ("DATA", "NAXIS2"): ("40", "41")}
    assert header_difference(one, one) == []
    added = [*one, HduHeader("NEW", [HeaderCard("A", "x"), HeaderCard("A", "y"), HeaderCard("DATE", "z")])]
    (change,) = header_difference(one, added)
    assert (change.hdu, change.before, change.after) == ("NEW", None, "x\ny")

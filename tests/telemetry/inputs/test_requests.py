"""The table of science requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.telemetry.inputs.requests import RequestTable


def test_an_open_quote_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "rid.csv"
    path.write_text('_id,unique_id,comment\n1,7,"two\nlines"\n2,8,"open\n' + "3,9,x\n" * 30)
    assert sorted(RequestTable.read(path).rows) == [7, 8]
    assert "lines 4 to 34 are one row, as an open quote makes them" in caplog.text
    assert "left out" not in caplog.text


def test_request_table(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Empty cells mean 30; several factors and unknown requests are errors; the reason joins what there is."""
    path = tmp_path / "rid.csv"
    path.write_text(
        "_id,unique_id,subject,purpose,scaling_factor,comment\n"
        "1,7,a,,,b\n2,8,,,25.0,\n3,8,,,26,\n4,9,,,x,\n5,no number,,,,\n"
    )
    table = RequestTable.read(path)
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r"))
    assert RequestTable.read(path) == table, "lines end as old spreadsheets write them"
    assert table.scaling_factor(7) == 30
    assert table.reason(7) == "a, b"
    assert "1 rows have no number as request id and are left out; the first is line 6" in caplog.text
    for request, message in ((8, "several scaling factors"), (9, "has the scaling factor"), (10, "not in the table")):
        with pytest.raises(ValueError, match=message):
            table.scaling_factor(request)

"""The table of science requests."""

from __future__ import annotations

from pathlib import Path

import pytest

from broker_assets.telemetry.inputs.requests import RequestTable


def test_request_table(tmp_path: Path) -> None:
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
    for request, message in ((8, "several scaling factors"), (9, "has the scaling factor"), (10, "not in the table")):
        with pytest.raises(ValueError, match=message):
            table.scaling_factor(request)

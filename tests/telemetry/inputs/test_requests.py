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


@pytest.mark.parametrize(
    "text",
    [
        "scaling_factor,comment,unique_id\n27,c,5\n",
        "Unique_ID, Scaling_Factor ,comment\n5,27,c\n",
        "\ufeffunique_id,scaling_factor\n5.0,27.0\n",
        "unique_id,scaling_factor\n5,27\n5,27.0\n",
    ],
)
def test_the_factor_is_found_in_every_form_of_the_table(tmp_path: Path, text: str) -> None:
    path = tmp_path / "rid.csv"
    path.write_text(text)
    assert RequestTable.read(path).scaling_factor(5) == 27


@pytest.mark.parametrize("row", ["5,a", "5,a,b,27,c", "5,a,27,c,"])
def test_no_factor_comes_from_a_row_whose_fields_are_out_of_place(tmp_path: Path, row: str) -> None:
    path = tmp_path / "rid.csv"
    path.write_text(f"unique_id,subject,scaling_factor,comment\n4,a,27,c\n{row}\n")
    table = RequestTable.read(path)
    assert table.scaling_factor(4) == 27
    assert "a" in table.reason(5)
    with pytest.raises(ValueError, match=r"line 3 of rid\.csv, request 5, does not have one field for each column"):
        table.scaling_factor(5)

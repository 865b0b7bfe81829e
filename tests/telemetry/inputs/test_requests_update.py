"""The table of requests brought up to date from a web service, here a folder of answers."""

from __future__ import annotations

import csv
import os
import threading
import time
from datetime import date
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from http_peer import HttpPeer
from loopback import LoopbackServer

from broker_assets.telemetry.inputs.requests import RequestError, RequestTable
from broker_assets.telemetry.inputs.requests_update import update

HEADER = "_id,unique_id,start_utc,scaling_factor\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "requests.csv"
    path.write_text(HEADER + "1,7,2023-11-01T00:00:00,30\n")
    return path


@pytest.fixture
def answers(tmp_path: Path) -> Path:
    """Months of answers, as `<first>/<last>`; the first begins 60 days before the newest request."""
    folder = tmp_path / "answers"
    (folder / "20230902").mkdir(parents=True)
    (folder / "20230902/20231002").write_text(HEADER)
    return folder


def test_new_and_changed_rows_are_taken(table: Path, answers: Path) -> None:
    (answers / "20230902/20231002").write_text(HEADER + "1,7,2023-11-01T00:00:00,60\n2,8,2023-09-10T00:00:00,30\n")
    assert update(table, f"{answers.as_uri()}/", today=date(2023, 9, 15)) == 2
    found = RequestTable.read(table)
    assert (found.scaling_factor(7), found.scaling_factor(8)) == (60, 30)


def test_columns_of_later_answers_are_kept(table: Path, answers: Path) -> None:
    table.write_text("_id,unique_id,start_utc,description\n1,7,2023-11-01T00:00:00,flare\n")
    (answers / "20230902/20231002").write_text(HEADER + "2,8,2023-09-10T00:00:00,27\n")
    assert update(table, f"{answers.as_uri()}/", today=date(2023, 9, 15)) == 2
    found = RequestTable.read(table)
    assert (found.scaling_factor(7), found.scaling_factor(8)) == (30, 27)
    assert "flare" in table.read_text()


@pytest.mark.parametrize("answer", ["<html><body>Sign in</body></html>", "no data\n", HEADER + '"' + "x" * 200_000])
def test_a_page_is_no_table(table: Path, answers: Path, caplog: pytest.LogCaptureFixture, answer: str) -> None:
    before = table.read_bytes()
    (answers / "20230902/20231002").write_text(answer)
    assert update(table, f"{answers.as_uri()}/", today=date(2023, 9, 15)) == 1
    assert "not a table of requests" in caplog.text
    assert table.read_bytes() == before
    table.unlink()
    (answers / "20190101").mkdir()
    (answers / "20190101/20190131").write_text(answer)
    assert update(table, f"{answers.as_uri()}/", today=date(2019, 1, 15)) == 0
    assert not table.exists()


@pytest.mark.parametrize("damaged", ["2203-11-01T00:00:00", "soon", "0000-00-00", ""])
def test_a_damaged_date_does_not_end_the_updates(table: Path, answers: Path, damaged: str) -> None:
    table.write_text(table.read_text() + f"9,9,{damaged},30\n")
    (answers / "20230902/20231002").write_text(HEADER + "2,8,2023-11-10T00:00:00,27\n")
    update(table, f"{answers.as_uri()}/", today=date(2023, 11, 15))
    assert RequestTable.read(table).scaling_factor(8) == 27


def test_a_row_whose_fields_are_out_of_place_is_left_out(
    table: Path, answers: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (answers / "20230902/20231002").write_text(HEADER + "2,8,a,2023-09-10T00:00:00,27\n3,9,2023-09-10\n")
    assert update(table, f"{answers.as_uri()}/", today=date(2023, 9, 15)) == 1
    assert "request 8 is left out: line 2" in caplog.text
    assert "request 9 is left out: line 3" in caplog.text


def test_rows_of_the_table_whose_fields_are_out_of_place_stay(
    table: Path, answers: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """They are the operator's: nothing of them is lost, and they do not become rows that look right."""
    odd = '2,8,2023-09-10T00:00:00\n3,9,2023-09-10,"a, ""b""\r\nc",40\n4,10,2023-09-10\nnote\nnote\n'
    table.write_text(table.read_text() + odd)
    newer = "_id,unique_id,start_utc,scaling_factor,comment\n4,10,2023-09-10,27,\n5,11,2023-09-11,33,x\n"
    (answers / "20230902/20231002").write_text(newer)
    for _ in range(2):
        assert update(table, f"{answers.as_uri()}/", today=date(2023, 9, 15)) == 7
        assert "request 8 is left as it is: line 3" in caplog.text
        with table.open(newline="") as stream:
            rows = list(csv.reader(stream))
        assert rows[4:6] == [["2", "8", "2023-09-10T00:00:00"], ["3", "9", "2023-09-10", 'a, "b"\r\nc', "40", ""]]
        assert rows[6:] == [["note"], ["note"]]
        found = RequestTable.read(table)
        assert [found.scaling_factor(request) for request in (7, 10, 11)] == [30, 27, 33]
        for request in (8, 9):
            with pytest.raises(RequestError, match="does not have one field for each column"):
                found.scaling_factor(request)


def test_nothing_new_leaves_the_file_alone(table: Path, answers: Path) -> None:
    update(table, f"{answers.as_uri()}/", today=date(2023, 9, 15))
    os.utime(table, (1, 1))
    assert update(table, f"{answers.as_uri()}/", today=date(2023, 9, 15)) == 1
    assert table.stat().st_mtime == 1


def test_failure_keeps_what_there_is(table: Path, answers: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert update(table, f"{answers.as_uri()}/", today=date(2024, 1, 1)) == 1
    assert "cannot be fetched" in caplog.text


def test_a_web_service_is_asked_month_by_month(table: Path, caplog: pytest.LogCaptureFixture) -> None:
    with HttpPeer() as elsewhere, HttpPeer() as peer:
        elsewhere.answers = [(200, {}, (HEADER + "2,8,2023-09-10T00:00:00,30\n").encode())]
        peer.answers = [
            (302, {"Location": f"{elsewhere.url}/store"}, b""),
            (200, {}, (HEADER + "3,9,2023-10-10T00:00:00,30\n").encode()),
            (404, {}, b""),
        ]
        assert update(table, f"{peer.url}/", today=date(2023, 12, 15)) == 3
        assert [request.path for request in peer.requests] == [
            "/20230902/20231002", "/20231002/20231101", "/20231101/20231201"
        ]  # fmt: skip
    assert "HTTP 404" in caplog.text


def test_a_service_that_does_not_answer_costs_no_more_than_the_limit(
    table: Path, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()

    class Silent(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            release.wait(60)

    with LoopbackServer(Silent) as server:
        try:
            began = time.monotonic()
            assert update(table, f"{server.url}/", seconds=0.5) == 1
            assert time.monotonic() - began < 20
            assert update(table, f"{server.url}/", seconds=0) == 1
            assert "the time limit was reached" in caplog.text
        finally:
            release.set()

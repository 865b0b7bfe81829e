"""Logs by day: lines with any form of time, tracebacks with the line before them, large files from their end."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from broker_assets.monitoring import service_logs
from broker_assets.monitoring.service_logs import UnknownService, read_day, services

DAEMON = """\
\x1b[32m2026-11-29 23:59:59 +0000\x1b[0m - dagster.daemon - \x1b[34mINFO\x1b[0m - late
\x1b[32m2026-11-30 00:00:01 +0000\x1b[0m - dagster.daemon - \x1b[31mERROR\x1b[0m - early
Traceback (most recent call last):
  File "x.py"
[2026-11-30 01:30:00,123+02:00] INFO in the evening before
2026-11-30 12:00:00.5 UTC [12] LOG:  noon
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "daemon.log").write_text(DAEMON)
    (tmp_path / "daemon.log.1").write_text("2026-11-28 10:00:00 +0000 - older\n")
    (tmp_path / "api.log").write_text("INFO: started\nINFO: stopped\n")
    (tmp_path / "notes.txt").write_text("no log\n")
    return tmp_path


def test_days_and_their_lines(folder: Path) -> None:
    assert services(folder) == ["api", "daemon"]
    found = read_day(folder, "daemon")
    assert found.days == [datetime.date(2026, 11, day) for day in (30, 29, 28)]
    assert [line.text.rpartition("- ")[2] for line in found.lines] == [
        "early", "Traceback (most recent call last):", '  File "x.py"', "2026-11-30 12:00:00.5 UTC [12] LOG:  noon",
    ]  # fmt: skip
    before = read_day(folder, "daemon", datetime.date(2026, 11, 29))
    assert [line.text[-6:] for line in before.lines] == ["- late", "before"]
    assert read_day(folder, "daemon", datetime.date(2020, 1, 1)).lines == []
    assert "\x1b" not in "".join(line.text for line in found.lines)


def test_problems_and_the_last_lines(folder: Path) -> None:
    found = read_day(folder, "daemon", problems=True)
    assert [line.problem for line in found.lines] == [True, True]
    last = read_day(folder, "daemon", most=1)
    assert (len(last.lines), last.total) == (1, 4)
    assert last.lines[0].text.endswith("noon")


def test_lines_without_a_time_are_shown_where_there_is_no_other(folder: Path) -> None:
    found = read_day(folder, "api")
    assert (found.days, [line.text for line in found.lines]) == ([], ["INFO: started", "INFO: stopped"])


def test_of_a_large_file_the_end_is_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service_logs, "LARGEST", 80)
    found = read_day(folder, "daemon")
    assert not found.whole
    assert found.lines[-1].text.endswith("noon")
    assert all(not line.text.startswith("x.py") for line in found.lines)


@pytest.mark.parametrize("name", ["", "../daemon", "notes", "absent", "/etc/passwd"])
def test_other_files_are_not_read(folder: Path, name: str) -> None:
    with pytest.raises(UnknownService):
        read_day(folder, name)
    assert services(folder / "absent") == []

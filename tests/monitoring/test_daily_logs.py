"""Logs by day: every line once, whatever happens in between."""

from __future__ import annotations

import datetime
import errno
import os
from pathlib import Path
from typing import Any

import pytest

from broker_assets.monitoring import daily_logs
from broker_assets.monitoring.daily_logs import collect, days, prune
from broker_assets.monitoring.service_logs import read_day, services

NOW = datetime.datetime(2026, 11, 30, 12, tzinfo=datetime.UTC)


def line(day: int, text: str) -> str:
    return f"2026-11-{day} 23:59:59 +0000 - {text}\n"


def kept(folder: Path) -> str:
    return "".join(path.read_text() for path in sorted((folder / "daily").glob("????-??-??/*.log")))


def test_every_line_goes_to_its_day_once(tmp_path: Path) -> None:
    logs, daily = tmp_path / "logs", tmp_path / "daily"
    logs.mkdir()
    log = logs / "daemon.log"
    log.write_text("no time yet\n" + line(28, "one") + "Traceback\n" + line(29, "two") + "half a li")
    collect(logs, daily, NOW)
    assert days(daily) == [datetime.date(2026, 11, day) for day in (30, 29, 28)]
    assert (daily / "2026-11-28" / "daemon.log").read_text() == line(28, "one") + "Traceback\n"
    assert (daily / "2026-11-30" / "daemon.log").read_text() == "no time yet\n"
    with log.open("a") as file:
        file.write("ne\n" + line(29, "three"))
    collect(logs, daily, NOW)
    assert collect(logs, daily, NOW) == 0
    assert (daily / "2026-11-29" / "daemon.log").read_text() == line(29, "two") + "half a line\n" + line(29, "three")
    # Rotated and begun again between two collections.
    with log.open("a") as file:
        file.write(line(29, "four"))
    log.replace(logs / "daemon.log.1")
    log.write_text(line(30, "five"))
    collect(logs, daily, NOW)
    assert (daily / "2026-11-29" / "daemon.log").read_text().endswith(line(29, "four"))
    assert (daily / "2026-11-30" / "daemon.log").read_text().endswith(line(30, "five"))
    (logs / "daemon.log.1").unlink()
    log.write_text(line(30, "6"))  # truncated
    collect(logs, daily, NOW)
    assert (daily / "2026-11-30" / "daemon.log").read_text().endswith(line(30, "five") + line(30, "6"))
    # Copied and truncated by a process that bounds it, with a line that was not collected yet.
    (logs / "daemon.log.1").write_text(line(30, "6") + line(30, "seven") + line(30, "eight, in the copy only"))
    with log.open("a") as file:
        file.write(line(30, "seven"))
    collect(logs, daily, NOW)
    log.write_text(line(30, "9"))
    collect(logs, daily, NOW)
    text = (daily / "2026-11-30" / "daemon.log").read_text()
    assert text.endswith("".join(line(30, word) for word in ("6", "seven", "eight, in the copy only", "9")))
    assert prune(daily, before=datetime.date(2026, 11, 29)) == ["2026-11-28"]
    assert days(daily, "daemon") == [datetime.date(2026, 11, 30), datetime.date(2026, 11, 29)]
    assert days(daily, "api") == days(tmp_path / "absent") == []


@pytest.mark.parametrize("when", [1, 2])
def test_a_process_that_dies_doubles_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: int) -> None:
    """Before the lines are appended, and after it."""
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "api.log").write_text(line(28, "one"))
    collect(logs, tmp_path / "daily", NOW)
    with (logs / "api.log").open("a") as file:
        file.write(line(28, "two") + line(29, "three"))
    calls: list[Any] = []
    replace = os.replace

    def full(source: Any, target: Any) -> None:
        calls.append(target)
        if len(calls) == when:
            raise OSError(errno.ENOSPC, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        collect(logs, tmp_path / "daily", NOW)
    monkeypatch.undo()
    collect(logs, tmp_path / "daily", NOW)
    assert kept(tmp_path) == line(28, "one") + line(28, "two") + line(29, "three")


def test_large_logs_follow_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daily_logs, "MOST", 100)
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "api.log").write_text("".join(line(28, str(number)) for number in range(20)))
    while collect(logs, tmp_path / "daily", NOW):
        pass
    assert kept(tmp_path) == (logs / "api.log").read_text()


@pytest.mark.parametrize("in_place", [True, False])
def test_a_rotated_log_is_read_to_its_end_before_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_place: bool
) -> None:
    """However large it is; its last line may be continued in the next log, or by nothing."""
    monkeypatch.setattr(daily_logs, "MOST", 100)
    logs, daily = tmp_path / "logs", tmp_path / "daily"
    logs.mkdir()
    log, rotated = logs / "api.log", logs / "api.log.1"
    log.write_text(line(28, "one"))
    collect(logs, daily, NOW)
    with log.open("a") as file:
        file.write("".join(line(28, str(number)) for number in range(20)) + line(28, "half")[:-3])
    if in_place:
        rotated.write_bytes(log.read_bytes())
    else:
        log.rename(rotated)
    log.write_text(("lf\n" if in_place else "") + line(29, "new"))
    everything = rotated.read_text() + log.read_text()
    while collect(logs, daily, NOW):
        pass
    assert kept(tmp_path) == everything


def test_a_day_of_more_than_the_files_of_a_service_is_shown(tmp_path: Path) -> None:
    """A service that writes so much that its file is renamed several times on one day."""
    logs, daily = tmp_path / "logs", tmp_path / "daily"
    logs.mkdir()
    log = logs / "api.log"
    for word in ("first", "second", "third", "fourth"):
        log.write_text(line(28, word))
        collect(logs, daily, NOW)
        log.replace(logs / "api.log.1")
    log.write_text(line(28, "fifth"))
    collect(logs, daily, NOW)
    found = read_day(logs, "api", daily=daily)
    assert [one.text.rpartition("- ")[2] for one in found.lines] == ["first", "second", "third", "fourth", "fifth"]
    assert read_day(logs, "api", text="first", daily=daily).total == 1


def test_earlier_days_are_read_and_searched(tmp_path: Path) -> None:
    logs, daily = tmp_path / "logs", tmp_path / "daily"
    logs.mkdir()
    (logs / "api.log").write_text(line(28, "ERROR disk") + line(28, "fine") + line(29, "later"))
    collect(logs, daily, NOW)
    (logs / "api.log").unlink()
    (logs / "daemon.log").write_text(line(30, "x"))
    assert services(logs, daily) == ["api", "daemon"]
    found = read_day(logs, "api", datetime.date(2026, 11, 28), text="DISK", daily=daily)
    assert [one.text.rpartition("- ")[2] for one in found.lines] == ["ERROR disk"]
    assert found.days == [datetime.date(2026, 11, 29), datetime.date(2026, 11, 28)]
    assert read_day(logs, "api", daily=daily).lines[0].text.endswith("later")

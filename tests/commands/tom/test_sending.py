import os
import socket

import pytest
from snana_files import light_curve, write_simulation

from broker_assets.commands.tom.sending import running_file


def test_a_running_file_is_held_by_one_sender(tmp_path):
    path = tmp_path / "running"
    with running_file(path) as mine, running_file(path) as other:
        assert (mine, other) == (True, False)
    assert not path.exists()


@pytest.mark.parametrize(
    ("process", "taken"), [("999999999", True), (str(os.getpid()), False)], ids=["ended", "running"]
)
def test_the_file_of_a_process_that_has_ended_is_taken_over(tmp_path, process, taken):
    path = tmp_path / "running"
    path.write_text(f"2026-01-01T00:00:00 {socket.gethostname()} {process}\n")
    with running_file(path) as mine:
        assert mine is taken


def test_a_file_of_unknown_origin_is_respected(tmp_path):
    path = tmp_path / "running"
    path.write_text("by hand")
    with running_file(path) as mine:
        assert not mine
    assert path.exists()


@pytest.mark.database
def test_alerts_are_counted_before_they_are_sent(command, tmp_path):
    assert "No alert of these times" in command("tom", "send-elasticc2-alerts", "-a", 1).output
    write_simulation(tmp_path / "ONE", {7: light_curve([60300.25, 60301.25])})
    command("tom", "load-snana-fits", "-d", tmp_path / "ONE", "--ppdb", "--do")
    found = command("tom", "send-elasticc2-alerts", "-d", 60301)
    assert found.exit_code == 0
    assert "1 alerts from the beginning through MJD 60301; --do sends them" in found.output
    (tmp_path / "running").write_text("by hand")
    found = command("tom", "send-elasticc2-alerts", "-d", 60301, "-r", tmp_path / "running", "--do")
    assert (found.exit_code, "exists: a sender is running" in found.output) == (0, True)
    assert command("tom", "send-elasticc2-alerts").exit_code == 1


def test_nights_of_folders_are_counted_before_they_are_sent(command, tmp_path):
    for name in ("NITE60300", "60301", "2023-12-24"):
        (tmp_path / "ALERTS" / name).mkdir(parents=True)
    arguments = ("tom", "send-folders", tmp_path / "ALERTS", "--topic", "t")
    assert "3 nights; --do sends" in command(*arguments).output
    assert "2 nights; --do sends" in command(*arguments, "--start-day", 60301).output
    assert "0 nights; --do sends" in command(*arguments, "--campaign-start", "2022-09-28").output

"""How wide the output of commands is."""

from __future__ import annotations

import pytest

from broker_assets.commands.terminal import WIDE, terminal


def test_what_goes_to_a_pipe_is_not_cut(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless `COLUMNS` says how wide; it is asked each time."""
    monkeypatch.delenv("COLUMNS", raising=False)
    terminal().print("x" * (WIDE - 1))
    monkeypatch.setenv("COLUMNS", "40")
    terminal().print("y" * (WIDE - 1))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "x" * (WIDE - 1)
    assert {len(line) for line in lines[1:-1]} == {40}

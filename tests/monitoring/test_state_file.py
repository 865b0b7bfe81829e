"""The file that says where the platform runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from platform_state import state

from broker_assets.monitoring import state_file
from broker_assets.settings import Settings


@pytest.mark.parametrize("text", ["", "{", '{"supervisor": 1}', "[]"])
def test_a_damaged_state_file_is_none(tmp_path: Path, text: str) -> None:
    settings = Settings(home=tmp_path)
    state_file.state_path(settings).write_text(text)
    assert state_file.read_state(settings) is None


def test_what_is_written_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert state_file.read_state(settings) is None
    assert state_file.running(settings) is None
    state_file.write_state(settings, state())
    assert state_file.read_state(settings) == state()
    assert state_file.running(settings) == state()
    assert state_file.state_path(settings).stat().st_mode & 0o077 == 0


def test_a_process_of_the_same_number_is_another_one(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    state_file.write_state(settings, state(pid_offset=-1000.0))
    assert state_file.read_state(settings) is not None
    assert state_file.running(settings) is None

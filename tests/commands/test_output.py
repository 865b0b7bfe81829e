"""Where commands write what they were asked for."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from broker_assets.commands.output import write_output


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_output(path, "é")
    assert path.read_bytes() == "é".encode()
    write_output(path, b"new")
    assert path.read_bytes() == b"new"
    assert [item.name for item in path.parent.iterdir()] == ["file"]


def test_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    write_output(Path("-"), b"\x00\xff")
    assert capfdbinary.readouterr().out == b"\x00\xff"


def test_a_link_stays(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    write_output(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "new"


def test_pipes_and_devices_are_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    write_output(tmp_path / "pipe", b"through the pipe")
    reader.join(30)
    assert read == [b"through the pipe"]
    assert (tmp_path / "pipe").is_fifo()
    write_output(Path(os.devnull), b"nowhere")
    assert Path(os.devnull).is_char_device()


def test_a_folder_is_none(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        write_output(tmp_path, b"new")

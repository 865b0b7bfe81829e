"""File systems of a small size, so that a disk can be full."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def mounted_disk(folder: Path, size: str) -> Iterator[Path]:
    """A file system of a size (`1m`) on a folder, which is made if absent; skips the test where none can be mounted."""
    folder.mkdir(exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    mounted = subprocess.run(command, check=False, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system of a given size can be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Take all the space of a disk; the file that has it is to be removed."""
    filling = disk / ".filling"
    with filling.open("wb", buffering=0) as file:
        for piece in (1 << 20, 1 << 9):
            with suppress(OSError):
                while file.write(bytes(piece)):
                    pass
    return filling

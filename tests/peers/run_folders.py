"""Folders of test runs in memory, which a run that was killed leaves behind: the next run removes them."""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PREFIX = "broker-tests-"
LOCK = ".lock"


@contextmanager
def folder_of_this_run(parent: Path) -> Iterator[Path]:
    """A new folder, locked as long as this process lives and removed at the end."""
    made = Path(tempfile.mkdtemp(prefix=f".{PREFIX}", dir=parent))
    with (made / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # Only now by the name that others look for: they would take a folder without lock for one of an ended run.
        folder = made.rename(parent / made.name.removeprefix("."))
        folder.chmod(0o711)
        yield folder
        shutil.rmtree(folder, ignore_errors=True)


def remove_of_ended_runs(parent: Path) -> None:
    """Remove folders whose process has ended: nobody holds their lock."""
    for held in parent.glob(f"{PREFIX}*/{LOCK}"):
        try:
            with held.open() as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(held.parent, ignore_errors=True)
        except OSError:  # it is held, it is another user's, or another run has just removed it
            continue

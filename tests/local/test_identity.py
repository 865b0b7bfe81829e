"""The user that servers run as."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from postgres_folders import fill, folder

from broker_assets.local.postgres import EmbeddedPostgres, unprivileged_user
from broker_assets.local.processes import LocalPlatformError

__all__ = ["folder"]


pytestmark = pytest.mark.database

START = """
import ctypes, os, sys
PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 24, 1, 2
for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
    assert ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0
from pathlib import Path
from broker_assets.local.postgres import EmbeddedPostgres
EmbeddedPostgres(Path(sys.argv[1])).start()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another user")
def test_root_does_not_open_foreign_folders(folder: Path) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    with EmbeddedPostgres(private / "pg") as server:
        fill(server, 3)
        assert psutil.Process(server.pid).uids().real == unprivileged_user().uid
    assert private.stat().st_mode & 0o777 == 0o700
    # A process without the capabilities that pass closed folders has none to give.
    command = [sys.executable, "-c", START, str(private / "other")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert re.search(r"LocalPlatformError: .*cannot enter .*private.*BROKER_HOME", done.stderr)


def test_the_user_of_the_settings_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_PG_USER", "no-such-user")
    with pytest.raises(LocalPlatformError, match="no user no-such-user"):
        unprivileged_user()
    monkeypatch.setenv("BROKER_PG_USER", "root")
    with pytest.raises(LocalPlatformError, match="is root"):
        unprivileged_user()

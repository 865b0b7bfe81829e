"""The user that servers run as."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest
from postgres_folders import fill, folder

from broker_assets.local import postgres
from broker_assets.local.postgres import EmbeddedPostgres, unprivileged_user
from broker_assets.local.processes import LocalPlatformError

__all__ = ["folder"]


pytestmark = pytest.mark.database


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="only root drops to another user")
def test_root_does_not_open_foreign_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    private = folder / "private"
    private.mkdir(mode=0o700)
    with EmbeddedPostgres(private / "pg") as server:
        fill(server, 3)
        assert psutil.Process(server.pid).uids().real == unprivileged_user().uid
    assert private.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(postgres, "passing_capability", lambda: None)
    with pytest.raises(LocalPlatformError, match=r"cannot enter .*private.*BROKER_HOME"):
        EmbeddedPostgres(private / "other").start()


def test_the_user_of_the_settings_must_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_PG_USER", "no-such-user")
    with pytest.raises(LocalPlatformError, match="no user no-such-user"):
        unprivileged_user()
    monkeypatch.setenv("BROKER_PG_USER", "root")
    with pytest.raises(LocalPlatformError, match="is root"):
        unprivileged_user()

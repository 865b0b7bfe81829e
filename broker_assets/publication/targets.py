"""Folders, SFTP servers and S3 buckets to which files are delivered.

A file is never visible incomplete under its name: where the target supports renaming, it is written under a temporary
name (`.<name>.part`), read back, compared and renamed; a bucket shows an object once it is complete, and it is read
back afterwards. Everything is verified by reading it back: a server's own checksum describes what it received, not
what it stored.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self, TypeVar
from urllib.parse import urlsplit, urlunsplit

import fsspec
from fsspec.implementations.local import LocalFileSystem
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_base

from broker_assets import backoff
from broker_assets.settings import PublicationTarget
from broker_assets.storage.atomic import move_file
from broker_assets.storage.objects import OBJECT_STORES
from broker_assets.storage.options import NUMBERS, SWITCHES

Result = TypeVar("Result")

ATTEMPTS: Final = 3


class TargetAway(ConnectionError):
    """A target cannot be reached or has no such folder; the message says which and why."""


class DeliveryFailed(OSError):
    """A file could not be delivered although the target answers; the message says why."""


class _Damaged(OSError):
    """What was read back differs from what was sent."""


@dataclass(frozen=True)
class Arrived:
    """A file that was read back from the target and verified."""

    name: str
    url: str
    size: int
    sha256: str


def described(url: str) -> str:
    """Remove the password from a URL.

    Examples
    --------
    >>> described("sftp://me:secret@host/folder")
    'sftp://me@host/folder'
    """
    parts = urlsplit(url)
    if parts.password is None:
        return url
    place = parts.hostname or ""
    return urlunsplit(parts._replace(netloc=f"{parts.username}@{place}{f':{parts.port}' if parts.port else ''}"))


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


class Target:
    """A folder at the remote end.

    Parameters
    ----------
    name : str
        Name in history and messages.
    url : str
        fsspec URL of the folder, or a path.
    options : dict, optional
        Options of the file system; texts, as in settings.
    create : bool
        Create the folder if it is missing. Otherwise a missing folder means that the target is unavailable: below a
        mount point that is not mounted, everything would go to the wrong disk.
    attempts : int
        Number of attempts of an operation.
    wait : wait_base
        How long to wait before the next attempt.
    """

    def __init__(
        self,
        name: str,
        url: str,
        options: dict[str, str] | None = None,
        *,
        create: bool = False,
        attempts: int = ATTEMPTS,
        wait: wait_base = backoff.DELIVERY,
    ) -> None:
        self.name = name
        self.protocol = fsspec.utils.get_protocol(url)
        if self.protocol == "ssh":
            self.protocol = "sftp"
        self.url = url.rstrip("/")
        self._options = {key: _typed(key, value) for key, value in (options or {}).items()}
        self._create = create
        self._attempts = attempts
        self._wait = wait
        self._connected: tuple[Any, str] | None = None
        self._transient = _transient(self.protocol)

    @classmethod
    def of(cls, settings: PublicationTarget) -> Self:
        """The target of the settings."""
        return cls(settings.name, settings.url, _options(settings))

    @classmethod
    def conflicts_of(cls, settings: PublicationTarget) -> Self | None:
        """Target for files that the archive no longer accepts; None if they are only kept locally."""
        if settings.conflicts_url is None:
            return None
        same = fsspec.utils.get_protocol(settings.conflicts_url) == fsspec.utils.get_protocol(settings.url)
        name = f"{settings.name}, conflicts"
        return cls(name, settings.conflicts_url, _options(settings) if same else {}, create=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next operation opens a new one."""
        if self._connected is not None and self.protocol == "sftp":
            with contextlib.suppress(*self._transient):
                self._connected[0].close()
        self._connected = None

    def __str__(self) -> str:
        return f"{self.name} ({described(self.url)})"

    def refuse_inside(self, archive: Path) -> None:
        """Make sure that the target is not a folder of our archive, whose files would be taken for our own products.

        Raises
        ------
        TargetAway
            If it is.
        """
        if self.protocol not in ("file", "local"):
            return
        folder = Path(LocalFileSystem._strip_protocol(self.url)).resolve()
        if folder.is_relative_to(archive.resolve()):
            raise TargetAway(f"{self.name} is within the archive {archive}: a copy must be elsewhere")

    def check(self) -> None:
        """Reconnect and check that the folder exists.

        Raises
        ------
        TargetAway
            If it does not exist, or the target does not answer.
        """
        self.close()
        try:
            files, root = self._files()
            if self.protocol in ("s3", "s3a"):
                files.call_s3("list_objects_v2", Bucket=root.partition("/")[0], MaxKeys=1)
                return
            if self.protocol in OBJECT_STORES:
                return
            if self._create:
                files.makedirs(root, exist_ok=True)
            if not files.isdir(root):
                raise TargetAway(f"{self} is unavailable: the folder does not exist")
        except TargetAway:
            raise
        except self._transient as error:
            raise TargetAway(f"{self} is unavailable: {_text(error)}") from error

    def deliver(self, name: str, source: Path, sha256: str) -> Arrived:
        """Deliver a file to the target and read it back.

        Parameters
        ----------
        name : str
            Name or relative path at the target; an existing file is replaced.
        source : Path
            Local file.
        sha256 : str
            SHA-256 of the file, hexadecimal.

        Raises
        ------
        TargetAway
            If the target does not answer.
        DeliveryFailed
            If it answers, but the file did not arrive as it was sent.
        """
        size = source.stat().st_size
        self._try(f"{name} could not be delivered", lambda files, root: self._put(files, root, name, source, sha256))
        return Arrived(name, described(f"{self.url}/{name}"), size, sha256)

    def sha256(self, name: str) -> str | None:
        """SHA-256 of a file at the target, read back; None if there is no such file.

        Raises
        ------
        TargetAway, DeliveryFailed
            As `deliver`.
        """

        def read(files: Any, root: str) -> str | None:
            try:
                return _read_back(files, f"{root}/{name}")
            except FileNotFoundError:
                return None

        return self._try(f"{name} could not be read back", read)

    def sizes(self) -> dict[str, int]:
        """Size of every file at the target, by relative path, without temporary files.

        Raises
        ------
        TargetAway, DeliveryFailed
            As `deliver`.
        """

        def listed(files: Any, root: str) -> dict[str, int]:
            files.invalidate_cache()
            found = files.find(root, detail=True)
            paths = {path[len(root) :].lstrip("/"): int(item["size"] or 0) for path, item in found.items()}
            return {path: size for path, size in paths.items() if not path.rpartition("/")[2].startswith(".")}

        return self._try("the files could not be listed", listed)

    def remove(self, name: str) -> None:
        """Remove a file at the target; does nothing if it does not exist.

        Raises
        ------
        TargetAway, DeliveryFailed
            As `deliver`.
        """

        def removed(files: Any, root: str) -> None:
            with contextlib.suppress(FileNotFoundError):
                files.rm_file(f"{root}/{name}")

        self._try(f"{name} could not be removed", removed)

    def _files(self) -> tuple[Any, str]:
        if self._connected is None:
            if self.protocol == "sftp":
                from broker_assets.storage.sftp import CheckedSftp

                place = CheckedSftp._get_kwargs_from_urls(self.url)
                files: Any = CheckedSftp(skip_instance_cache=True, **(place | self._options))
                self._connected = files, CheckedSftp._strip_protocol(self.url).rstrip("/")
            else:
                options = self._options
                if self.protocol in ("s3", "s3a"):
                    limits = {"connect_timeout": 15, "read_timeout": 60, "retries": {"max_attempts": 1}}
                    # A cached listing would hide changes made by others.
                    options = {"config_kwargs": limits, "use_listings_cache": False} | options
                files, root = fsspec.core.url_to_fs(self.url, skip_instance_cache=True, **options)
                self._connected = files, str(root).rstrip("/")
        return self._connected

    def _try(self, failure: str, action: Callable[[Any, str], Result]) -> Result:
        def again(_: RetryCallState) -> None:
            # A connection that failed once may be unusable.
            self.close()

        attempts = Retrying(
            stop=stop_after_attempt(self._attempts),
            wait=self._wait,
            retry=retry_if_exception_type(self._transient),
            before_sleep=again,
            reraise=True,
        )
        try:
            return attempts(lambda: action(*self._files()))
        except self._transient as error:
            self.check()
            raise DeliveryFailed(f"{failure} to {self}: {_text(error)}") from error

    def _put(self, files: Any, root: str, name: str, source: Path, sha256: str) -> None:
        final = f"{root}/{name}"
        folder, _, last = final.rpartition("/")
        whole = self.protocol in OBJECT_STORES
        written = final if whole else f"{folder}/.{last}.part"
        if "/" in name and not whole:
            files.makedirs(folder, exist_ok=True)
        try:
            files.put_file(str(source), written)
            found = _read_back(files, written)
            if found != sha256:
                raise _Damaged(f"read back with SHA-256 {found}, sent with {sha256}")
            if not whole:
                _replace(files, self.protocol, written, final)
        except BaseException as error:
            # A failed write to a bucket leaves the previous object; only a damaged object must be removed.
            if not whole or isinstance(error, _Damaged):
                with contextlib.suppress(*self._transient):
                    files.rm_file(written)
            raise


def _replace(files: Any, protocol: str, old: str, new: str) -> None:
    if protocol == "file":
        move_file(Path(old), Path(new))
    elif protocol == "sftp":
        files.replace(old, new)
    else:
        files.mv(old, new)


@contextlib.contextmanager
def _temporary() -> Iterator[Path]:
    descriptor, path = tempfile.mkstemp(prefix="publication-")
    os.close(descriptor)
    try:
        yield Path(path)
    finally:
        os.unlink(path)


def _read_back(files: Any, path: str) -> str:
    with _temporary() as local:
        files.get_file(path, str(local))
        return sha256_of(local)


def _options(settings: PublicationTarget) -> dict[str, str]:
    return settings.options | {key: value.get_secret_value() for key, value in settings.secrets.items()}


def _typed(key: str, value: str) -> Any:
    if key in NUMBERS:
        return float(value) if "timeout" in key else int(value)
    return value.strip().lower() in ("1", "true", "yes", "on") if key in SWITCHES else value


def _transient(protocol: str) -> tuple[type[Exception], ...]:
    """Exceptions that indicate a problem at the remote end or in the connection."""
    if protocol == "sftp":
        import paramiko

        return (OSError, EOFError, paramiko.SSHException)
    if protocol in ("s3", "s3a"):
        from botocore.exceptions import BotoCoreError, ClientError

        return (OSError, BotoCoreError, ClientError)
    return (OSError,)


def _text(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__

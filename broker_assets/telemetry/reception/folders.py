"""Folders in which telemetry files arrive, at any fsspec URL: listing and copying.

Earlier listings are in `register`; `receiver` processes the copies.
"""

from __future__ import annotations

import contextlib
import fnmatch
import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import fsspec

from broker_assets.instants import with_zone
from broker_assets.settings import TelemetrySettings
from broker_assets.storage.atomic import Part
from broker_assets.storage.objects import OBJECT_STORES
from broker_assets.storage.options import NUMBERS, SWITCHES

logger = logging.getLogger(__name__)

SFTP: Final = "sftp"
"""Scheme and protocol; its library is only loaded if a folder needs it."""
COPIED_AT_A_TIME: Final = 1 << 20
ASKED_AHEAD: Final = 128
"""Number of 32 kB pieces requested from an SFTP server before the first has arrived."""
UNFINISHED: Final = (".part", ".partial", ".filepart", ".tmp", ".temp", ".crdownload", ".swp", "~")
"""Suffixes that programs give to files while they write them."""
_MODIFIED: Final = ("mtime", "LastModified", "last_modified", "modified", "updated", "created")
"""Names of the modification time in file systems."""


class FolderError(OSError):
    """A folder cannot be listed or read; the message names it, without password."""


class NotComplete(Exception):
    """A file changed while it was copied, or is shorter than listed."""


@dataclass(frozen=True)
class Listed:
    """A file as listed in its folder."""

    url: str
    """Without password."""
    name: str
    path: str
    """Path in the file system."""
    size: int
    modified: datetime | None


@dataclass(frozen=True)
class Copied:
    """A copy of a file."""

    path: Path
    sha256: str
    size: int


def public(url: str) -> str:
    """Normalise a URL for display and storage: without password; a local path as `file://`.

    Examples
    --------
    >>> public("sftp://stix:secret@gateway.example:2222/incoming/")
    'sftp://stix@gateway.example:2222/incoming'
    >>> public("/data/incoming")
    'file:///data/incoming'
    """
    if "://" not in url:
        return Path(url).absolute().as_uri().rstrip("/")
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{user.partition(':')[0]}{at}{host}")).rstrip("/")


def is_finished(relative: str) -> bool:
    """Whether a name is neither hidden nor that of a file in transfer.

    Examples
    --------
    >>> [is_finished(name) for name in ("a.xml", ".a.xml.Xy12Zq", "day/.~tmp~/a.xml", "a.xml.part")]
    [True, False, False, False]
    """
    parts = relative.split("/")
    return not any(part.startswith(".") for part in parts) and not parts[-1].endswith(UNFINISHED)


class IncomingFolder:
    """A folder and the connection to it; open only within a `with` block.

    Parameters
    ----------
    url : str
        fsspec URL.
    pattern : str
        Names of telemetry files.
    options : mapping of str to str
        Options of the file system.
    """

    def __init__(self, url: str, pattern: str, options: Mapping[str, str] | None = None) -> None:
        self._target = url
        self.url = public(url)
        self.pattern = pattern
        self._options = dict(options or {})

    def __enter__(self) -> IncomingFolder:
        try:
            self._files, self._root = self._connected()
        except Exception as error:
            raise FolderError(f"{self.url} cannot be reached: {_text(error)}") from error
        return self

    def __exit__(self, *_: object) -> None:
        if SFTP in self._files.protocol:
            with contextlib.suppress(OSError):
                self._files.close()

    def _connected(self) -> tuple[Any, str]:
        # Without fsspec's caches: a lost connection would stay lost, and a cached listing would hide files.
        options: dict[str, Any] = {
            name: json.loads(value.lower()) if name in NUMBERS | SWITCHES else value
            for name, value in self._options.items()
        }
        if urlsplit(self._target).scheme in (SFTP, "ssh"):
            from broker_assets.storage.sftp import CheckedSftp

            place = CheckedSftp._get_kwargs_from_urls(self._target)
            root = str(CheckedSftp._strip_protocol(self._target)).rstrip("/")
            return CheckedSftp(skip_instance_cache=True, **(place | options)), root
        if urlsplit(self._target).scheme in ("s3", "s3a"):
            limits = {"connect_timeout": 15, "read_timeout": 60, "retries": {"max_attempts": 2}}
            options = {"config_kwargs": limits, "use_listings_cache": False} | options
        files, root = fsspec.url_to_fs(self._target, skip_instance_cache=True, **options)
        return files, str(root).rstrip("/")

    def files(self) -> list[Listed]:
        """Telemetry files of the folder and its subfolders, by URL.

        Raises
        ------
        FolderError
            If the folder, or a subfolder, cannot be listed.
        """
        self._files.invalidate_cache()
        root = self._root
        found = []
        try:
            for _, _, entries in self._files.walk(root or "/", detail=True, on_error="raise"):
                for name, entry in entries.items():
                    relative = str(entry["name"])[len(root) :].lstrip("/")
                    if not is_finished(relative) or not fnmatch.fnmatchcase(name, self.pattern):
                        continue
                    if not _is_text(relative):
                        logger.warning("%s has a file whose name is not UTF-8: %r", self.url, relative)
                    elif entry["type"] == "file":
                        url = f"{self.url}/{relative}"
                        found.append(Listed(url, name, str(entry["name"]), int(entry["size"]), _modified(entry)))
        except FileNotFoundError as error:
            # Store without folders: a prefix without files does not exist.
            if self._protocols() & OBJECT_STORES:
                return []
            raise FolderError(f"{self.url} does not exist") from error
        except Exception as error:
            raise FolderError(f"{self.url} cannot be listed: {_text(error)}") from error
        return sorted(found, key=lambda item: item.url)

    def look(self, url: str) -> Listed | None:
        """The current state of a file; None if it no longer exists.

        Raises
        ------
        FolderError
            If that cannot be determined.
        """
        path = self._path(url)
        self._files.invalidate_cache()
        try:
            entry = self._files.info(path)
        except FileNotFoundError:
            return None
        except Exception as error:
            raise FolderError(f"{url} cannot be examined: {_text(error)}") from error
        return Listed(url, path.rsplit("/", 1)[-1], path, int(entry["size"]), _modified(entry))

    def copy(self, file: Listed, folder: Path) -> Copied:
        """Copy a file to `<folder>/<sha256>/<name>`; the copy is complete and on disk, or does not exist.

        Raises
        ------
        NotComplete
            If the file differs from what was listed, before or after it was read.
        FolderError
            If it cannot be read.
        OSError
            If the copy cannot be written.
        """
        digest = hashlib.sha256()
        size = 0
        with Part(folder, file.name) as part:
            for block in self._blocks(file):
                digest.update(block)
                size += len(block)
                if size > file.size:  # a source without end would fill the disk
                    raise NotComplete(f"it has more than the {file.size} bytes that were listed")
                part.write(block)
            after = self.look(file.url)
            if after is None or size != file.size or (after.size, after.modified) != (file.size, file.modified):
                raise NotComplete(f"it changed while it was copied: {size} of {file.size} bytes read")
            target = folder / digest.hexdigest() / file.name
            part.move_to(target)
        return Copied(target, digest.hexdigest(), size)

    def _blocks(self, file: Listed) -> Iterator[bytes]:
        """The bytes of a file; read errors are distinguished from write errors."""
        try:
            with self._files.open(file.path, "rb") as source:
                if SFTP in self._files.protocol:
                    # Otherwise each 32 kB would wait for an answer; this reads ahead 4 MB.
                    source.prefetch(file.size, ASKED_AHEAD)
                while block := source.read(COPIED_AT_A_TIME):
                    yield block
        except FileNotFoundError as error:
            raise NotComplete("it disappeared while it was copied") from error
        except Exception as error:
            raise FolderError(f"{file.url} cannot be read: {_text(error)}") from error

    def _path(self, url: str) -> str:
        return f"{self._root}{url.removeprefix(self.url)}"

    def _protocols(self) -> frozenset[str]:
        protocol = self._files.protocol
        return frozenset({protocol} if isinstance(protocol, str) else protocol)


def folders(settings: TelemetrySettings) -> list[IncomingFolder]:
    """The folders of the settings."""
    return [IncomingFolder(url, settings.pattern, _options(settings, url)) for url in _unique(settings.incoming)]


def _options(settings: TelemetrySettings, url: str) -> dict[str, str]:
    secrets = settings.incoming_secrets.get(url, {})
    return settings.incoming_options.get(url, {}) | {name: text.get_secret_value() for name, text in secrets.items()}


def _unique(urls: Iterable[str]) -> list[str]:
    return list({public(url): url for url in urls}.values())


def _is_text(name: str) -> bool:
    """Whether a name can be stored; Unix file systems allow any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _modified(entry: Mapping[str, Any]) -> datetime | None:
    value = next((entry[name] for name in _MODIFIED if entry.get(name) is not None), None)
    if isinstance(value, int | float):
        return datetime.fromtimestamp(value, UTC)
    if isinstance(value, str):
        value = datetime.fromisoformat(value)
    if isinstance(value, datetime):
        return with_zone(value)
    return None


def _text(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

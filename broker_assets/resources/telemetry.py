"""Telemetry, as a resource of runs and sensors: packet store, archive of products, and all inputs of products.

A plain object and not a `ConfigurableResource`, because Dagster's pages show the configuration of the latter, and
options of file systems contain secrets. Nothing is opened before it is needed.
"""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from broker_assets.settings import Settings, TelemetrySettings
from broker_assets.storage.atomic import replace_atomically

if TYPE_CHECKING:
    from broker_assets.telemetry.archive.product_archive import Archive
    from broker_assets.telemetry.fetching.sources import NamedSource
    from broker_assets.telemetry.products.levels.level0 import Inputs
    from broker_assets.telemetry.products.programs.configured import Programs
    from broker_assets.telemetry.reception.packet_store import PacketStore

FileVersions = tuple[tuple[str, int, int], ...]
"""Path, size and modification time (ns) of files."""


class TelemetryNotConfiguredError(RuntimeError):
    """A folder is missing without which products cannot be made."""


@dataclass(frozen=True)
class Folders:
    """Folders of telemetry."""

    root: Path

    @property
    def packets(self) -> Path:
        """The packet store."""
        return self.root / "packets"

    @property
    def incoming(self) -> Path:
        """Copies of files on their way into the packet store."""
        return self.root / "incoming"

    @property
    def products(self) -> Path:
        """The archive of products."""
        return self.root / "products"


class Telemetry:
    """Opens the packet store and reads the inputs of products.

    Parameters
    ----------
    settings : TelemetrySettings
        Folders and options.
    folder : Path
        Folder for packets, staged files and products.
    """

    def __init__(self, settings: TelemetrySettings, folder: Path) -> None:
        self.settings = settings
        self.folders = Folders(folder)
        self._lock = threading.Lock()
        self._read: tuple[FileVersions, Inputs] | None = None

    @classmethod
    def of(cls, settings: Settings) -> Telemetry:
        """Telemetry of the settings."""
        return cls(settings.telemetry, settings.telemetry_folder)

    @property
    def missing(self) -> list[str]:
        """Missing settings without which nothing can be made."""
        named = {"DATABASES": self.settings.databases, "CONFIGURATION": self.settings.configuration}
        return [f"BROKER_TELEMETRY__{name}" for name, value in named.items() if value is None]

    @property
    def configured(self) -> bool:
        """Whether products can be made."""
        return not self.missing

    @property
    def sources(self) -> list[NamedSource]:
        """Where inputs are fetched from."""
        from broker_assets.telemetry.fetching.sources import named_sources

        return named_sources(self.settings, self.folders.root)

    def source(self, name: str) -> NamedSource:
        """A source by its name.

        Raises
        ------
        LookupError
            If the settings have none of this name.
        """
        for found in self.sources:
            if found.name == name:
                return found
        raise LookupError(f"the settings have no source {name!r}: {', '.join(one.name for one in self.sources)}")

    @property
    def watched(self) -> bool:
        """Whether files are received, too."""
        return self.configured and bool(self.settings.incoming)

    @cached_property
    def programs(self) -> Programs:
        """The third-party programs that products may need, as configured."""
        from broker_assets.telemetry.products.programs.configured import Programs

        return Programs.of(self.settings)

    @contextmanager
    def store(self) -> Iterator[PacketStore]:
        """The packet store, open within a `with` block."""
        from broker_assets.telemetry.reception.packet_store import PacketStore

        with PacketStore(self.folders.packets) as opened:
            yield opened

    def archive(
        self,
        store: PacketStore,
        report: Callable[[Path], None] = lambda _: None,
        programs: Programs | None = None,
        inputs: Inputs | None = None,
    ) -> Archive:
        """The archive of products, with the current inputs.

        Parameters
        ----------
        store : PacketStore
        report : callable
            Called with the path of each file that was processed.
        programs : Programs, optional
            Default: those of the settings; pass others to start them differently.
        inputs : Inputs, optional
            Default: all; `packet_inputs` for level LB.

        Raises
        ------
        TelemetryNotConfiguredError
            If databases or configuration are not set.
        """
        from broker_assets.telemetry.archive.product_archive import Archive

        return Archive(self.folders.products, store, inputs or self.inputs(), report, programs or self.programs)

    def inputs(self) -> Inputs:
        """All inputs of products besides packets; read again when one of their files has changed.

        Without any meta-kernel there are no kernels: products that need them wait.

        Raises
        ------
        TelemetryNotConfiguredError
            If databases or configuration are not set.
        broker_assets.telemetry.idb.database.DatabaseError, OSError, ValueError
            If what is set cannot be read.
        """
        databases, configuration = self.settings.databases, self.settings.configuration
        if databases is None or configuration is None:
            raise TelemetryNotConfiguredError(f"telemetry is not configured: set {', '.join(self.missing)}")
        with self._lock:
            found = self.file_versions()
            if self._read is None or self._read[0] != found:
                self._read = found, self._fresh(databases, configuration)
            return self._read[1]

    def packet_inputs(self) -> Inputs:
        """The inputs of reception and level LB: databases and configuration; a broken plan or table stops neither.

        Raises
        ------
        TelemetryNotConfiguredError
            If databases or configuration are not set.
        """
        from broker_assets.telemetry.idb.database_versions import InstrumentDatabases
        from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
        from broker_assets.telemetry.products.levels.level0 import Inputs

        databases, configuration = self.settings.databases, self.settings.configuration
        if databases is None or configuration is None:
            raise TelemetryNotConfiguredError(f"telemetry is not configured: set {', '.join(self.missing)}")
        return Inputs(
            InstrumentDatabases(databases), InstrumentConfiguration(configuration), versions=self.settings.versions
        )

    def file_versions(self) -> FileVersions:
        """Every file that the inputs are read from, by path."""
        settings = self.settings
        places = (settings.databases, settings.configuration, settings.kernels, settings.planning, settings.requests)
        return tuple(sorted(item for place in places if place is not None for item in _files(place)))

    def files_version(self, place: Path) -> str | None:
        """Digest of names, sizes and times of the files of one input; None if there are no files.

        Names are relative to the place, so that the version does not change when the folder is mounted elsewhere.
        """
        found = sorted((os.path.relpath(path, place), size, time) for path, size, time in _files(place))
        return hashlib.sha256(repr(found).encode()).hexdigest()[:32] if found else None

    @property
    def noted_databases(self) -> str | None:
        """Instrument databases with which packets were last decoded again; None before the first time."""
        mark = self.folders.root / "databases-seen"
        return mark.read_text() if mark.is_file() else None

    @property
    def present_databases(self) -> str:
        """Digest of names, sizes and times of the files of the instrument databases."""
        found = () if self.settings.databases is None else sorted(_files(self.settings.databases))
        return hashlib.sha256(repr(tuple(found)).encode()).hexdigest()

    def note_databases(self, present: str) -> None:
        """Record that all packets that could not be decoded were decoded again with these."""
        replace_atomically(self.folders.root / "databases-seen", present)

    def _fresh(self, databases: Path, configuration: Path) -> Inputs:
        from broker_assets.telemetry.idb.database_versions import InstrumentDatabases
        from broker_assets.telemetry.inputs.configuration import InstrumentConfiguration
        from broker_assets.telemetry.inputs.kernels import META_KERNELS, Kernels
        from broker_assets.telemetry.inputs.requests import RequestTable
        from broker_assets.telemetry.inputs.soop import Planning
        from broker_assets.telemetry.products.levels.level0 import Inputs

        settings = self.settings
        kernels = None
        if settings.kernels is not None and any(
            True for pattern in META_KERNELS for _ in (settings.kernels / "mk").glob(pattern)
        ):
            kernels = Kernels.of_folder(settings.kernels)
        requests = settings.requests
        return Inputs(
            InstrumentDatabases(databases),
            InstrumentConfiguration(configuration),
            kernels,
            RequestTable.read(requests) if requests is not None and requests.is_file() else RequestTable(),
            Planning() if settings.planning is None else Planning.of_folder(settings.planning),
            settings.versions,
        )

    def __repr__(self) -> str:
        return f"Telemetry({self.folders.root}, {'configured' if self.configured else 'not configured'})"


def _files(place: Path) -> Iterator[tuple[str, int, int]]:
    """Files of a folder and its subfolders, except hidden ones; or the file itself."""
    if place.is_file():
        found = place.stat()
        yield str(place), found.st_size, found.st_mtime_ns
        return
    for folder, names, files in os.walk(place):
        names[:] = [name for name in names if not name.startswith(".")]
        for name in files:
            if name.startswith("."):
                continue
            try:
                found = os.stat(os.path.join(folder, name))
            except FileNotFoundError:  # being replaced; the next check sees the new one
                continue
            yield os.path.join(folder, name), found.st_size, found.st_mtime_ns

"""Files of the cold store for pyiceberg, which reads and writes its tables: through fsspec, like all other files."""

from __future__ import annotations

import functools
from typing import Any, Final

import fsspec
from pyiceberg.io.fsspec import FsspecFileIO
from pyiceberg.table import StaticTable

IO: Final = {"py-io-impl": "broker_assets.database.cold_files.StoreFiles"}
"""Property of tables and catalogues that names this module."""


class StoreFiles(FsspecFileIO):
    """Files of any store that fsspec supports, with the options of this process, as for the packet archive."""

    def get_fs(self, scheme: str, hostname: str | None = None) -> Any:
        """The file system of a protocol."""
        options = {"auto_mkdir": True} if scheme in ("", "file") else {}
        return fsspec.filesystem(scheme or "file", **options)


@functools.lru_cache(maxsize=32)
def table_at(metadata_location: str) -> StaticTable:
    """A table as described by its metadata file, which never changes; no catalogue is needed."""
    return StaticTable.from_metadata(metadata_location, IO)

"""Files of the cold store for pyiceberg, which reads and writes its tables: through fsspec, like all other files."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import fsspec
import pyarrow as pa
from pyiceberg.io.fsspec import FsspecFileIO
from pyiceberg.io.pyarrow import ArrowScan, schema_to_pyarrow
from pyiceberg.table import DataScan, FileScanTask, StaticTable

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


def scan_schema(scan: DataScan) -> pa.Schema:
    """Columns of the rows of a scan, in the order of the table."""
    return schema_to_pyarrow(scan.projection(), include_field_ids=False)


def read_files(scan: DataScan, tasks: Iterable[FileScanTask]) -> Iterator[pa.RecordBatch]:
    """Rows of some files of a scan, for programs that share its files out among processes.

    Parameters
    ----------
    scan : DataScan
        Of a table.
    tasks : iterable of FileScanTask
        Some of `scan.plan_files()`.

    Yields
    ------
    RecordBatch
        Columns of `scan_schema`.
    """
    schema = scan_schema(scan)
    reader = ArrowScan(scan.table_metadata, scan.io, scan.projection(), scan.row_filter)
    # It goes through the tasks twice.
    for batch in reader.to_record_batches(list(tasks)):
        yield from pa.Table.from_batches([batch]).select(schema.names).cast(schema).to_batches()


def scan_of(metadata_location: str, columns: Sequence[str], where: str) -> DataScan:
    """A scan of some columns of the rows for which an expression of Iceberg holds."""
    return table_at(metadata_location).scan(row_filter=where, selected_fields=tuple(columns))

"""The tables of the cold store, and the catalogue that knows which of their snapshots is the newest."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from sqlalchemy.engine import make_url
from tenacity import Retrying, before_sleep_log, retry_if_exception_type, stop_after_attempt

from broker_assets import backoff
from broker_assets.database.engine import in_schema

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

logger = logging.getLogger(__name__)

NAMESPACE: Final = "broker"
"""Namespace of the tables."""
SCHEMA: Final = "iceberg"
"""Schema of our database with the tables of the catalogue."""
ATTEMPTS: Final = 5
"""Attempts to write a night, which is repeated if another writer has changed its table in the meantime."""

NIGHT_PROPERTY: Final = "broker.night"
VERSION_PROPERTY: Final = "broker.data-version"
"""Properties of snapshots: the night that was written, and its version."""

_LAYOUT: Final = {
    "write.parquet.compression-codec": "zstd",
    # Small enough that the minima and maxima of objects exclude most of a file.
    "write.parquet.row-group-limit": "65536",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "1000",
    # A writer that was overtaken begins again with the changed table: merely repeating an append could duplicate a
    # night.
    "commit.retry.num-retries": "0",
}


@dataclass(frozen=True)
class Snapshot:
    """A table as of one commit."""

    identifier: int
    """Number of the snapshot; readers may ask for the table as of it."""
    metadata_location: str
    """Metadata file of the table as of this snapshot."""


@dataclass(frozen=True)
class ColdStore:
    """Tables of nights on an object store.

    Parameters
    ----------
    database_url : str
        SQLAlchemy URL of our database.
    warehouse : str
        fsspec URL of the folder of the tables.
    catalogue_url : str, optional
        URL of a REST catalogue; without it, the catalogue is in our database.
    options : mapping of str to str
        Properties of the catalogue.
    """

    database_url: str
    warehouse: str
    catalogue_url: str | None = None
    options: Mapping[str, str] = field(default_factory=dict, repr=False)

    @cached_property
    def catalogue(self) -> Catalog:
        """The catalogue; opened when it is first used."""
        from pyiceberg.catalog import load_catalog

        from broker_assets.database.cold_files import IO

        properties = {"warehouse": self.warehouse, **IO, **self.options}
        if self.catalogue_url is not None:
            found = load_catalog(NAMESPACE, type="rest", uri=self.catalogue_url, **properties)
        else:
            url = make_url(in_schema(self.database_url, SCHEMA)).set(drivername="postgresql+psycopg")
            properties["uri"] = url.render_as_string(hide_password=False)
            found = load_catalog(NAMESPACE, type="sql", **properties)
        found.create_namespace_if_not_exists(NAMESPACE)
        return found

    def table(self, name: str) -> Table | None:
        """A table as it is now; None if there is none yet."""
        from pyiceberg.exceptions import NoSuchTableError

        try:
            return self.catalogue.load_table((NAMESPACE, name))
        except NoSuchTableError:
            return None

    def prepared(self, name: str, schema: pa.Schema) -> Table:
        """A table with at least the columns of a schema, partitioned by night; it is created if absent.

        A column that has a wider type than the table (int64 for int32, float64 for float32) widens that of the table;
        one with a narrower type, as an earlier release writes it, leaves the table as it is.

        Raises
        ------
        ValidationError
            If a column of the table cannot get its type; the message names both types.
        """
        from pyiceberg.exceptions import TableAlreadyExistsError
        from pyiceberg.transforms import IdentityTransform

        schema = _optional(schema)
        found = self.table(name)
        if found is None:
            try:
                with (
                    self.catalogue.create_table_transaction((NAMESPACE, name), schema, properties=_LAYOUT) as created,
                    created.update_spec() as spec,
                ):
                    spec.add_field("night", IdentityTransform(), "night")
            except TableAlreadyExistsError:  # by another process in the meantime
                logger.info("the table %s was made meanwhile", name)
            found = self.catalogue.load_table((NAMESPACE, name))
        # Nothing is committed where nothing differs.
        with found.update_schema() as update:
            update.union_by_name(schema)
        return found

    def overwrite_night(
        self,
        name: str,
        night: str,
        schema: pa.Schema,
        chunks: Callable[[], Iterable[pa.Table]],
        version: Callable[[], str] = str,
    ) -> Snapshot:
        """Replace a night of a table, in one commit: readers see the old rows or the new ones.

        Parameters
        ----------
        name : str
            Table.
        night : str
            Key `YYYY-MM-DD`.
        schema : Schema
            Columns, `night` among them.
        chunks : callable
            Returns the rows of the night, in parts; called again if the commit has to be repeated.
        version : callable
            Returns the version of the night after all parts have been consumed; becomes a property of the snapshot.

        Raises
        ------
        CommitFailedException
            If other writers keep changing the table.
        """
        from pyiceberg.exceptions import CommitFailedException

        def attempt() -> Snapshot:
            table = self.prepared(name, schema)
            with table.transaction() as change:
                labels = {NIGHT_PROPERTY: night}
                with warnings.catch_warnings():
                    warnings.filterwarnings("ignore", message="Delete operation did not match")
                    change.delete(f"night = '{night}'", snapshot_properties=labels)
                rows = iter(chunks())
                part = next(rows, None)
                while part is not None:
                    following = next(rows, None)
                    last = {VERSION_PROPERTY: version()} if following is None else {}
                    change.append(part.cast(_optional(part.schema)), snapshot_properties={**labels, **last})
                    part = following
            return snapshot(table)

        return Retrying(
            retry=retry_if_exception_type(CommitFailedException),
            wait=backoff.CONFLICT,
            stop=stop_after_attempt(ATTEMPTS),
            before_sleep=before_sleep_log(logger, logging.INFO),
            reraise=True,
        )(attempt)


def snapshot(table: Table) -> Snapshot:
    """The newest snapshot of a table; its identifier is 0 if the table has never had a row."""
    current = table.current_snapshot()
    return Snapshot(0 if current is None else current.snapshot_id, table.metadata_location)


def _optional(schema: pa.Schema) -> pa.Schema:
    """The columns, all nullable: the database already checks which are required."""
    return pa.schema([pa.field(item.name, _kind(item.type), nullable=True) for item in schema])


def _kind(kind: pa.DataType) -> pa.DataType:
    """The type of a column in the cold store: Iceberg has no 16-bit integers."""
    return pa.int32() if kind == pa.int16() else kind

"""The schema of the database, migrated step by step with Alembic.

A step is `versions/NNNN_subject.py`; if it creates tables, their SQL is frozen next to it in a file of the same name,
so that a change of `broker_assets.database.tables` never changes a past step. To write the next one: change the
tables, see what `check` reports, write the step, and run the tests, which compare the database after all steps with
the tables. `creation_sql` returns the SQL of new tables.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command, op
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL
from sqlalchemy.exc import OperationalError

import broker_assets.database.tables.desk
import broker_assets.database.tables.observations
import broker_assets.database.tables.targets  # noqa: F401 - tables of all three are among those of accounts
from broker_assets.database.engine import DatabaseUnavailableError, describe, engine, in_schema
from broker_assets.database.query_role import prepare_role
from broker_assets.database.sql_roles import prepare_sql_roles
from broker_assets.database.tables import PARTITIONED, VIEWS, create_views, metadata
from broker_assets.database.tables.access import SCHEMA as ACCESS
from broker_assets.database.tables.access import access_metadata
from broker_assets.database.tables.tom import HASH_PARTITIONS, TOM_HASHED, TOM_VIEWS, tom_metadata

FOLDER = Path(__file__).resolve().parent

LOCK = 0x62726F6B6572
"""Advisory lock for changing the schema, so that processes that start simultaneously take turns."""

VERSION_TABLE = "broker_schema_version"
"""Table in which Alembic records the revision; a different name than Dagster's `alembic_version`."""


class UnknownRevisionError(ValueError):
    """A step of the migrations that this code does not have."""


def _configuration(connection: sa.Connection | None = None) -> Config:
    configuration = Config()
    configuration.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    configuration.set_main_option("path_separator", "os")
    configuration.attributes["connection"] = connection
    return configuration


def upgrade(url: str | URL, revision: str = "head") -> str | None:
    """Migrate the database to a revision; does nothing if it is already there, or at one of a later release.

    A later release has migrated it, and this one was restored: it works with the newer tables (`serves`).

    Parameters
    ----------
    url : str or URL
        Database.
    revision : str
        Target revision; default: the latest.

    Returns
    -------
    str or None
        Revision of the database afterwards.

    Raises
    ------
    DatabaseUnavailableError
        If the database cannot be reached.
    UnknownRevisionError
        If this code does not know the target.
    """
    if revision != "head" and not is_known(revision):
        raise UnknownRevisionError(
            f"this release has no step {revision} of the migrations, of which the newest is {head()}"
        )
    with _reached(url), engine(url, application="broker-assets migrations").begin() as connection:
        # Released with the transaction, so a process that dies here leaves nothing locked.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        before = _revision(connection)
        if before is not None and not is_known(before):
            return before
        command.upgrade(_configuration(connection), revision)
        reached = _revision(connection)
        if reached == head():
            prepare_role(connection)
            prepare_sql_roles(connection)
        return reached


@contextmanager
def _reached(url: str | URL) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        raise DatabaseUnavailableError(f"the database is unavailable ({describe(url)}): {error.orig}") from None


def upgrade_schema(url: str | URL, schema: str) -> None:
    """Create a second copy of all tables in a schema of their own, or migrate it; see `upgrade`."""
    with engine(url, application="broker-assets migrations").begin() as connection:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(LOCK)))
        connection.execute(sa.schema.CreateSchema(schema, if_not_exists=True))
    upgrade(in_schema(url, schema))


def current(url: str | URL) -> str | None:
    """Return the revision of the database; None if it was never migrated.

    Raises
    ------
    DatabaseUnavailableError
        If the database cannot be reached.
    """
    with _reached(url), engine(url).connect() as connection:
        return _revision(connection)


def is_known(revision: str) -> bool:
    """Whether a revision is one of this code; others are those of a later release."""
    scripts = ScriptDirectory.from_config(_configuration())
    return revision in {script.revision for script in scripts.walk_revisions()}


def head() -> str:
    """Return the latest revision known to this code."""
    revision = ScriptDirectory.from_config(_configuration()).get_current_head()
    if revision is None:
        raise LookupError(f"no migration in {FOLDER}")
    return revision


def serves(revision: str | None) -> bool:
    """Whether this code can work with a database of a revision: that of this code, or a later one.

    Services of the previous release keep running while an update is prepared, and that release may be restored: a step
    that removes what it uses is announced in the change log.

    Parameters
    ----------
    revision : str or None
        Revision of the database; None if it was never migrated.
    """
    scripts = ScriptDirectory.from_config(_configuration())
    earlier = {script.revision for script in scripts.walk_revisions()} - {scripts.get_current_head()}
    return revision is not None and revision not in earlier


def check(url: str | URL) -> list[str]:
    """Compare the database with `broker_assets.database.tables`.

    Returns
    -------
    list of str
        The differences; empty if there are none.
    """
    with engine(url).connect() as connection:
        context = MigrationContext.configure(connection, opts=context_options())
        differences = [repr(difference) for difference in compare_metadata(context, metadata)]
        context = MigrationContext.configure(connection, opts=_tom_options())
        differences += [repr(difference) for difference in compare_metadata(context, tom_metadata)]
        context = MigrationContext.configure(connection, opts=_access_options())
        differences += [repr(difference) for difference in compare_metadata(context, access_metadata)]
        inspector = sa.inspect(connection)
        for name, (query, _) in {**VIEWS, **TOM_VIEWS}.items():
            wanted = [column.name for column in query.selected_columns]
            found = [column["name"] for column in inspector.get_columns(name)] if inspector.has_table(name) else []
            if found != wanted:
                differences.append(f"view {name} has columns {found}, not {wanted}")
        return differences


def context_options() -> dict[str, Any]:
    """Options of Alembic, the same for migrating and for comparing."""
    return {
        "target_metadata": metadata,
        "version_table": VERSION_TABLE,
        "compare_type": True,
        "compare_server_default": False,
        "include_name": _is_ours,
    }


def _access_options() -> dict[str, Any]:
    """Options to compare the tables of accounts, which are in a schema of their own."""
    return {
        "target_metadata": access_metadata,
        "include_schemas": True,
        "compare_type": True,
        "include_name": lambda name, kind, _parents: kind != "schema" or name == ACCESS,
    }


def _tom_options() -> dict[str, Any]:
    """Options to compare the tables of the target and observation manager."""
    return {
        "target_metadata": tom_metadata,
        "compare_type": True,
        "include_name": lambda name, kind, _parents: kind != "table" or name in tom_metadata.tables,
        "include_object": _is_no_clone,
    }


def _is_no_clone(item: Any, _name: str | None, kind: str, _reflected: bool, _compared: Any) -> bool:
    """Ignore the copies of a foreign key to a partitioned table that PostgreSQL makes for each partition."""
    if kind != "foreign_key_constraint":
        return True
    return all(element.target_fullname.rsplit(".", 1)[0] in tom_metadata.tables for element in item.elements)


def _is_ours(name: str | None, kind: str, _parents: Any) -> bool:
    """Ignore partitions, which are created on demand, and other applications' tables in the same database."""
    return kind != "table" or name in metadata.tables


def _revision(connection: sa.Connection) -> str | None:
    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    return context.get_current_revision()


def run_frozen_sql(step: str) -> None:
    """Run the SQL that is frozen next to a step; for use in the step's `upgrade`."""
    connection = op.get_bind()
    for statement in Path(step).with_suffix(".sql").read_text(encoding="utf-8").split(";\n\n"):
        if statement.strip():
            connection.exec_driver_sql(statement)


def creation_sql(tables: Sequence[sa.Table] | None = None) -> str:
    """Return the SQL that creates tables with their indexes and comments, to be frozen next to a step.

    Those of `access` must be created only if they do not exist: every schema of the database has the same steps.

    Parameters
    ----------
    tables : sequence of Table, optional
        Default: all tables and the views.
    """
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    every = [*metadata.sorted_tables, *access_metadata.sorted_tables, *tom_metadata.sorted_tables]
    chosen = metadata.sorted_tables if tables is None else [table for table in every if table in tables]
    statements: list[str] = []
    for table in chosen:
        statements.append(str(sa.schema.CreateTable(table).compile(dialect=dialect)).strip())
        statements += [
            str(sa.schema.CreateIndex(index).compile(dialect=dialect))
            for index in sorted(table.indexes, key=lambda index: str(index.name))
        ]
        statements.append(str(sa.schema.SetTableComment(table).compile(dialect=dialect)))
        statements += [str(sa.schema.SetColumnComment(column).compile(dialect=dialect)) for column in table.columns]
        if table in PARTITIONED:
            statements.append(f"CREATE TABLE {table.name}_default PARTITION OF {table.name} DEFAULT")
        if table in TOM_HASHED:
            statements += [
                f"CREATE TABLE {table.name}_{part} PARTITION OF {table.name}"
                f" FOR VALUES WITH (MODULUS {HASH_PARTITIONS}, REMAINDER {part})"
                for part in range(HASH_PARTITIONS)
            ]
    if tables is None:
        statements += create_views()
    return "".join(f"{statement};\n\n" for statement in statements)

"""Writes that fail in the database itself, at a row of the test's choice."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg

from broker_assets.database.engine import conninfo

REFUSE: Final = "PERFORM 1 / 0;"
"""The statement fails: "division by zero"."""
FAIL: Final = "RAISE EXCEPTION 'it fails';"
"""The same with an error that no value causes."""
LOSE_CONNECTION: Final = "PERFORM pg_terminate_backend(pg_backend_pid());"
"""The server ends the writer's session, as when it is shut down."""


@contextmanager
def failing_writes(
    database_url: str, table: str, action: str, *, when: str = "true", on: str = "INSERT"
) -> Iterator[None]:
    """Let writes of some rows of a test's own database fail.

    Parameters
    ----------
    database_url : str
        SQLAlchemy URL of the database.
    table : str
        Table that is written.
    action : str
        `REFUSE`, `FAIL` or `LOSE_CONNECTION`.
    when : str
        SQL condition on the new row, `NEW`.
    on : str
        `INSERT`, `UPDATE` or both with OR.
    """
    name = f"fail_{uuid.uuid4().hex}"
    function = f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS"
    with psycopg.connect(conninfo(database_url), autocommit=True) as connection:
        connection.execute(f"{function} $$BEGIN IF {when} THEN {action} END IF; RETURN NEW; END$$")
        connection.execute(f"CREATE TRIGGER {name} BEFORE {on} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()")
        try:
            yield
        finally:
            # Dropping the trigger would wait for every transaction that has read the table.
            connection.execute(f"{function} $$BEGIN RETURN NEW; END$$")

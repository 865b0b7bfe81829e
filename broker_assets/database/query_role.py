"""The role as which the SQL of users runs, and what it may see.

The server enforces this, not the code that reads users' SQL: the role `broker_users` has rights on the published tables
only, and policies of the tables show it rows that are public, belong to the user, or are shared with a group of the
user. A session takes the role for one statement (`as_user`); the role cannot log in.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg import sql

from broker_assets.database.engine import DatabaseUnavailableError

log = logging.getLogger(__name__)

ROLE: Final = "broker_users"
"""Name of the role; policies of the tables contain it, too."""
PUBLISHED: Final = (
    "objects", "objects_ext", "diaobjects", "sherlock_classifications", "diasources", "diaforcedsources",
    "crossmatch_tns", "watchlists", "watchlist_hits", "areas", "area_hits", "mma_areas", "mma_area_hits", "annotators",
    "annotations", "filters", "notice_events", "object_classes", "object_link", "contradictions", "sssources",
    "ssobjects", "mpc_orbits",
)  # fmt: skip
"""Tables and views that users' SQL may read; those with owners have a policy."""
TEMPORARY: Final = "4GB"
"""Temporary files of a user's statement, at most: sorting the product of large tables would fill the disk."""
OBSERVATIONS: Final = "obscore"
"""View that ADQL reads as `ivoa.obscore`."""


def prepare_role(connection: sa.Connection) -> bool:
    """Create the role if the server has none, and give it its rights in this database.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Of the owner of the tables, in a transaction.

    Returns
    -------
    bool
        Whether the role exists: an owner that may not create roles needs the help of an administrator of the server.
    """
    if connection.scalar(sa.text("SELECT to_regrole(:role)"), {"role": ROLE}) is None:
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(f"CREATE ROLE {ROLE} NOLOGIN")
        except sa.exc.ProgrammingError as error:
            if connection.scalar(sa.text("SELECT to_regrole(:role)"), {"role": ROLE}) is None:
                log.warning("users' SQL runs without a role of its own: CREATE ROLE %s NOLOGIN (%s)", ROLE, error.orig)
                return False
    known = connection.scalars(
        sa.text("SELECT name FROM unnest(CAST(:names AS text[])) AS name WHERE to_regclass(name) IS NOT NULL"),
        {"names": [*PUBLISHED, OBSERVATIONS]},
    )
    connection.exec_driver_sql(f"GRANT SELECT ON {', '.join(sorted(known))} TO {ROLE}")
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {_schema(connection)} TO {ROLE}")
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"GRANT SET ON PARAMETER temp_file_limit TO {ROLE}")
    except sa.exc.DBAPIError as error:
        log.warning(
            "temporary files of users' SQL have the limit of the server alone: temp_file_limit (%s)", error.orig
        )
    is_member = True
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(f"GRANT {ROLE} TO CURRENT_USER")
    except sa.exc.ProgrammingError as error:
        is_member = bool(connection.scalar(sa.text("SELECT pg_has_role(:role, 'MEMBER')"), {"role": ROLE}))
        if not is_member:
            log.warning("users' SQL cannot take its role: GRANT %s TO the owner of the tables (%s)", ROLE, error.orig)
    # A SELECT could change the user or role with it; SET is a separate statement, which users cannot run.
    connection.exec_driver_sql("GRANT EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) TO CURRENT_USER")
    connection.exec_driver_sql("REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC")
    return is_member


def _schema(connection: sa.Connection) -> str:
    """The schema of the tables, quoted."""
    return str(connection.scalar(sa.text("SELECT quote_ident(current_schema())")))


def limit_temporary_files(connection: psycopg.Connection[Any]) -> None:
    """Limit the temporary files of the statements of a transaction, if the server allows it."""
    connection.execute(
        "SELECT set_config('temp_file_limit', %s, true) WHERE has_parameter_privilege('temp_file_limit', 'SET')",
        (TEMPORARY,),
    )


class QueryRoleMissingError(DatabaseUnavailableError):
    """The server has no role for users' SQL, or the session may not take it; see `prepare_role`."""


@contextmanager
def as_user(connection: psycopg.Connection[Any], username: str, *, required: bool = True) -> Iterator[None]:
    """Run the statements of a `with` block with the rights of an account.

    Parameters
    ----------
    connection : psycopg.Connection
        In a transaction.
    username : str
        The account; empty for a visitor without one.
    required : bool
        Whether it is an error if the role cannot be taken. If not, the statements have the rights of the connection:
        only for statements whose lists and annotators were checked before.

    Raises
    ------
    QueryRoleMissingError
        If the role is required and cannot be taken.
    """
    row = connection.execute(
        "SELECT CASE WHEN to_regrole(%s) IS NULL THEN false ELSE pg_has_role(%s, 'MEMBER') END", (ROLE, ROLE)
    ).fetchone()
    if row is None or not row[0]:
        if required:
            raise QueryRoleMissingError(f"the role {ROLE} is missing, or not granted to this user of the database")
        yield
        return
    connection.execute(sql.SQL('SET LOCAL "broker.user" = {}').format(sql.Literal(username)))
    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(ROLE)))
    yield
    # After an error the transaction ends, and the role with it.
    connection.execute("RESET ROLE")

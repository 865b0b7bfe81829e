"""Log-in roles that run any SQL of users, and what they may read.

`database.query_role` runs checked SELECTs in the session of the web application. These roles are for the SQL of the
target and observation manager: several statements, temporary tables, all that PostgreSQL understands. A session could
leave a role that it has taken (`RESET ROLE`), so these roles log in themselves, and the server alone decides what they
may do. They only read tables without owners, because such a session could also set another user in `broker.user`.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from broker_assets.database.engine import connect
from broker_assets.database.query_role import PUBLISHED

log = logging.getLogger(__name__)

EVERYBODY: Final = "postgres_elasticc_ro"
"""Reads what is published, and messages and classifiers of brokers; the name is that in DESC's TOM."""
ADMINISTRATORS: Final = "postgres_elasticc_admin_ro"
"""Also reads all tables of the campaigns: truth, objects, spectra."""
_TAXONOMY: Final = ("taxonomy_versions", "taxonomy_classes", "taxonomy_exact", "taxonomy_matches")
FASTDB: Final = (
    *("processing_version", "processing_version_alias", "base_processing_version", "base_procver_of_procver"),
    *("root_diaobject", "diaobject", "diaobject_position", "diasource", "diasource_extra", "diaforcedsource"),
    *("diaforcedsource_extra", "diasource_brokerinfo", "reassigned_sources", "reduced_positions", "host_galaxy"),
    *("diaobject_host_match", "spectruminfo", "wantedspectra", "plannedspectra", "root_link"),
    "spectrum_night_plans",
)
"""Tables and views under the names of FASTDB, root objects of several surveys, and plans of nights."""
HIDDEN: Final = (
    *("authuser", "passwordlink", "query_queue"),
    *("ppdb_diaobject", "ppdb_diasource", "ppdb_diaforcedsource", "ppdb_host_galaxy", "ppdb_alerts_sent"),
)
"""Tables under FASTDB's names that only administrators read: accounts, other users' queries, and the simulated future.
"""
_READABLE: Final = (
    "SELECT quote_ident(relname), (relname ~ '^elasticc' AND relname !~ '^elasticc2?_broker')"
    " OR relname = ANY(CAST(:hidden AS text[])) FROM pg_class"
    " WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm') AND NOT relispartition"
    " AND NOT relrowsecurity AND (relname ~ '^elasticc' OR relname = ANY(CAST(:names AS text[])))"
)
_CLOSED: Final = (
    # Functions to see or end queries of others, for locks that others wait for, and for large objects.
    "SELECT oid::regprocedure::text FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace"
    " AND (proname ~ '^pg_(try_)?advisory_' OR proname ~ '^lo_' OR proname IN ('loread', 'lowrite',"
    " 'pg_terminate_backend', 'pg_cancel_backend', 'pg_stat_get_activity', 'pg_stat_get_backend_activity'))"
    " AND has_function_privilege(:role, oid, 'EXECUTE') ORDER BY 1"
)
LOCKING: Final = (
    "GRANT EXECUTE ON FUNCTION pg_catalog.pg_advisory_xact_lock(bigint), pg_catalog.pg_advisory_xact_lock(int, int),"
    " pg_catalog.pg_advisory_xact_lock_shared(bigint), pg_catalog.pg_advisory_xact_lock_shared(int, int),"
    " pg_catalog.pg_try_advisory_xact_lock(bigint), pg_catalog.pg_try_advisory_xact_lock(int, int) TO {role}"
)
"""Gives a role of the platform the right to advisory locks, which users' SQL may not take."""
_LIMITS: Final = {"temp_file_limit": "8GB", "work_mem": "64MB", "lock_timeout": "10s"}
"""Settings of the roles; the first can only be changed by administrators of the server."""
_MOST_SESSIONS: Final = 32


def prepare_sql_roles(connection: sa.Connection) -> bool:
    """Create the roles if the server has none, and give them their rights in this database.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Of the owner of the tables, in a transaction; nothing is done in a schema other than `public`.

    Returns
    -------
    bool
        Whether the roles exist: an owner that may not create roles needs the help of an administrator of the server.
    """
    if connection.scalar(sa.text("SELECT current_schema()")) != "public":
        return False
    for role in (EVERYBODY, ADMINISTRATORS):
        if not _exists(connection, role) and not _create(connection, role):
            return False
    database = connection.scalar(sa.text("SELECT quote_ident(current_database())"))
    both = f"{EVERYBODY}, {ADMINISTRATORS}"
    connection.exec_driver_sql(f"GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {both}")
    connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA public TO {both}")
    # A table that has got owners since the last time is no longer read.
    connection.exec_driver_sql(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {both}")
    named = {"names": [*PUBLISHED, *_TAXONOMY, *FASTDB, *HIDDEN], "hidden": list(HIDDEN)}
    found = connection.execute(sa.text(_READABLE), named).all()
    for names, roles in (
        ([name for name, hidden in found if not hidden], both),
        ([row[0] for row in found], ADMINISTRATORS),
    ):
        connection.exec_driver_sql(f"GRANT SELECT ON {', '.join(sorted(names))} TO {roles}")
    closed = connection.scalars(sa.text(_CLOSED), {"role": EVERYBODY}).all()
    if closed:
        functions = ", ".join(f"pg_catalog.{name}" for name in closed)
        connection.exec_driver_sql(f"GRANT EXECUTE ON FUNCTION {functions} TO CURRENT_USER")
        connection.exec_driver_sql(f"REVOKE EXECUTE ON FUNCTION {functions} FROM PUBLIC")
        connection.exec_driver_sql(
            "GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_activity(int),"
            " pg_catalog.pg_stat_get_backend_activity(int) TO pg_read_all_stats"
        )
    return True


def _exists(connection: sa.Connection, role: str) -> bool:
    return connection.scalar(sa.text("SELECT to_regrole(:role)"), {"role": role}) is not None


def _create(connection: sa.Connection, role: str) -> bool:
    """Create a role, which another process may be creating at the same moment."""
    try:
        with connection.begin_nested():
            connection.exec_driver_sql(
                f"CREATE ROLE {role} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT {_MOST_SESSIONS}"
            )
            for name, value in _LIMITS.items():
                connection.exec_driver_sql(f"ALTER ROLE {role} SET {name} = '{value}'")
    except sa.exc.DBAPIError as error:
        if not _exists(connection, role):
            log.warning("SQL of users cannot run: CREATE ROLE %s LOGIN (%s)", role, error.orig)
            return False
    return True


def set_passwords(owner: str | URL, password: str) -> None:
    """Give the roles their password.

    Parameters
    ----------
    owner : str or URL
        URL of the owner of the tables, who may change roles.
    password : str
        Password of both roles; users never see it.
    """
    with connect(owner, application="broker-assets prepare") as connection, connection.transaction():
        for role in (EVERYBODY, ADMINISTRATORS):
            _set_password(connection, role, password)


def _set_password(connection: psycopg.Connection[Any], role: str, password: str) -> None:
    # Encrypted here, since statements may appear in the server's log.
    secret = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(secret)))


def sql_url(url: str | URL, password: str | None, *, admin: bool) -> str | None:
    """URL of the database for users' SQL.

    Parameters
    ----------
    url : str or URL
        URL of the database for another role.
    password : str or None
        Password of the roles.
    admin : bool
        Whether all tables of the campaigns may be read.

    Returns
    -------
    str or None
        None if the roles cannot log in because the server requires a password and they have none.

    Examples
    --------
    >>> sql_url("postgresql+psycopg://owner:secret@db.example/broker", "own", admin=False)
    'postgresql+psycopg://postgres_elasticc_ro:own@db.example/broker'
    >>> sql_url("postgresql+psycopg://owner:secret@db.example/broker", None, admin=False) is None
    True
    """
    given = make_url(url)
    if password is None and given.password is not None:
        return None
    role = ADMINISTRATORS if admin else EVERYBODY
    # `set` leaves out what is None.
    plain = URL.create(given.drivername, role, password, given.host, given.port, given.database, given.query)
    return plain.render_as_string(hide_password=False)

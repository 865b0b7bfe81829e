"""The role of the web application: it reads every table of the platform and changes nothing.

It is a role of the server, which a migration of one database should not create by itself: `prepare` does it before the
services start, where the settings name it.
"""

from __future__ import annotations

from psycopg import sql
from sqlalchemy.engine import URL, make_url

from broker_assets.database.engine import connect


def create_reader(owner: str | URL, reader: str | URL) -> None:
    """Create the role of a URL, or give an existing one the password and the rights that it should have.

    Parameters
    ----------
    owner : str or URL
        URL of the owner of the tables, who may create roles.
    reader : str or URL
        URL with the name of the role and its password. Tables that the owner creates later are readable too.

    Raises
    ------
    ValueError
        If the second URL names no user, or the owner.
    DatabaseUnavailableError
        If the database does not answer.
    psycopg.Error
        If the owner may not create roles.
    """
    wanted = make_url(reader)
    if not wanted.username or wanted.username == make_url(owner).username:
        raise ValueError("BROKER_DATABASE__READER_URL must name a user other than that of BROKER_DATABASE__URL")
    role = sql.Identifier(wanted.username)
    with connect(owner, application="broker-assets prepare") as connection, connection.transaction():
        known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (wanted.username,)).fetchone()
        verb = sql.SQL("ALTER" if known else "CREATE")
        connection.execute(sql.SQL("{} ROLE {} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE").format(verb, role))
        if wanted.password:
            # Encrypted here: what is executed may be in the server's log.
            secret = connection.pgconn.encrypt_password(
                str(wanted.password).encode(), wanted.username.encode(), b"scram-sha-256"
            ).decode()
            connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(secret)))
        database = sql.Identifier(connection.info.dbname)
        for statement in (
            "ALTER ROLE {role} IN DATABASE {database} SET default_transaction_read_only = on",
            # Temporary tables fill the disk as well as others; the owner has its own right.
            "REVOKE TEMPORARY ON DATABASE {database} FROM PUBLIC",
            "REVOKE CREATE ON SCHEMA public FROM PUBLIC",
            "GRANT CONNECT ON DATABASE {database} TO {role}",
            "GRANT USAGE ON SCHEMA public TO {role}",
            "REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}",
            "GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}",
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {role}",
        ):
            connection.execute(sql.SQL(statement).format(role=role, database=database))

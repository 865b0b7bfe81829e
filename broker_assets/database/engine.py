"""Connections to the broker's database.

URLs have the form of SQLAlchemy (`postgresql+psycopg://user@host/database`, or with `?host=/folder` for a
Unix socket). No message of this module shows a password.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypedDict, Unpack

import psycopg
import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url

NETWORK_LOST: Final = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
"""libpq parameters by which a connection over a network that is down fails within a minute, instead of the two hours of
the operating system; slow answers of a reachable server are waited for. No effect on Unix sockets."""


RECYCLE_SECONDS: Final = 600
"""Age at which a kept connection is replaced: its server process grows, and a firewall may have dropped it."""


CONFLICTS: Final = (psycopg.errors.DeadlockDetected, psycopg.errors.SerializationFailure)
"""Errors of a transaction that was rolled back because of another one, and can be repeated unchanged."""


class DatabaseUnavailableError(ConnectionError):
    """The database cannot be reached; the message says which one and why."""


def is_lost(error: BaseException) -> bool:
    """Whether the server ended or was out of reach: what was not committed is rolled back, and can be repeated later.

    Examples
    --------
    >>> is_lost(psycopg.errors.AdminShutdown()), is_lost(psycopg.OperationalError("connection refused"))
    (True, True)
    >>> is_lost(psycopg.errors.DiskFull()), is_lost(ValueError())
    (False, False)
    """
    ended = (
        DatabaseUnavailableError,
        psycopg.errors.AdminShutdown,
        psycopg.errors.CrashShutdown,
        psycopg.errors.CannotConnectNow,
    )
    # The server had no opportunity to give a code.
    return isinstance(error, ended) or (isinstance(error, psycopg.OperationalError) and error.sqlstate is None)


def conninfo(url: str | URL) -> str:
    """Convert an SQLAlchemy URL to a libpq connection string.

    Raises
    ------
    ValueError
        If the URL is not a PostgreSQL URL.

    Examples
    --------
    >>> conninfo("postgresql+psycopg://reader@/broker?host=/run/postgres")
    'host=/run/postgres user=reader dbname=broker'
    """
    parsed = make_url(url)
    if parsed.get_backend_name() != "postgresql":
        raise ValueError(f"not a PostgreSQL URL: {parsed.render_as_string(hide_password=True)}")
    parts: dict[str, Any] = {
        "host": parsed.host,
        "port": parsed.port,
        "user": parsed.username,
        "password": parsed.password,
        "dbname": parsed.database,
    }
    for key, value in parsed.query.items():
        parts[key] = value if isinstance(value, str) else ",".join(value)
    return psycopg.conninfo.make_conninfo("", **{key: value for key, value in parts.items() if value is not None})


def in_schema(url: str | URL, schema: str) -> str:
    """The URL of a database with another schema in place of `public`, which is then not visible.

    Examples
    --------
    >>> in_schema("postgresql+psycopg://writer@db.example/broker", "canary")
    'postgresql+psycopg://writer@db.example/broker?options=-c+search_path%3Dcanary'
    """
    parsed = make_url(url)
    given = parsed.query.get("options", ())
    options = [*([given] if isinstance(given, str) else given), f"-c search_path={schema}"]
    return parsed.update_query_dict({"options": " ".join(options)}).render_as_string(hide_password=False)


def watched(url: str | URL) -> str:
    """The URL of a database with `NETWORK_LOST`, for programs that connect themselves, such as Dagster.

    Examples
    --------
    >>> watched("postgresql+psycopg2://db/dagster?keepalives_idle=5").partition("?")[2]
    'keepalives_count=3&keepalives_idle=5&keepalives_interval=10&tcp_user_timeout=60000'
    """
    parsed = make_url(url)
    wanted = {name: str(value) for name, value in sorted(NETWORK_LOST.items())}
    return parsed.set(query=wanted | dict(parsed.query)).render_as_string(hide_password=False)


def describe(url: str | URL) -> str:
    """Name a database without its password.

    Examples
    --------
    >>> describe("postgresql+psycopg://writer:secret@db.example/broker")
    'broker at db.example as writer'
    """
    parsed = make_url(url)
    host = parsed.host or parsed.query.get("host") or "the local socket"
    if isinstance(host, tuple):
        host = ", ".join(host)
    port = f":{parsed.port}" if parsed.port else ""
    user = f" as {parsed.username}" if parsed.username else ""
    return f"{parsed.database or 'the default database'} at {host}{port}{user}"


class ConnectionOptions(TypedDict, total=False):
    """Options of a connection."""

    application: str
    """Shown in `pg_stat_activity`."""
    statement_timeout: float | None
    """Seconds after which the server cancels a statement; None means never."""
    lock_timeout: float | None
    """Seconds after which the server stops waiting for a lock; None means never."""
    autocommit: bool
    """Whether each statement is a transaction."""
    read_only: bool
    """Whether transactions refuse to write."""
    connect_timeout: float
    """Seconds to wait for the connection; 10 if not given."""


def connection_arguments(url: str | URL, **options: Unpack[ConnectionOptions]) -> dict[str, Any]:
    """Arguments of `psycopg.connect` for a connection with these options, `conninfo` among them; also for pools."""
    settings = ["-c timezone=UTC"]
    for name in ("statement_timeout", "lock_timeout"):
        seconds = options.get(name)
        if isinstance(seconds, int | float):
            settings.append(f"-c {name}={round(seconds * 1000)}")
    if options.get("read_only"):
        settings.append("-c default_transaction_read_only=on")
    parameters = conninfo(url)
    given = psycopg.conninfo.conninfo_to_dict(parameters).get("options")
    return {
        **NETWORK_LOST,
        "conninfo": parameters,
        "autocommit": options.get("autocommit", False),
        "application_name": options.get("application", "broker-assets"),
        "connect_timeout": max(2, round(options.get("connect_timeout", 10.0))),
        "options": " ".join([*([str(given)] if given else []), *settings]),
    }


def connect(url: str | URL, **options: Unpack[ConnectionOptions]) -> psycopg.Connection[tuple[Any, ...]]:
    """Connect to the database.

    Parameters
    ----------
    url : str or URL
        See the module.
    **options
        See `ConnectionOptions`.

    Raises
    ------
    DatabaseUnavailableError
        If the database cannot be reached.
    """
    try:
        return psycopg.connect(**connection_arguments(url, **options))
    except psycopg.OperationalError as error:
        raise unavailable(url, error) from None


def unavailable(url: str | URL, error: Exception) -> DatabaseUnavailableError:
    """The error for a failed connection, with the database and the reason."""
    return DatabaseUnavailableError(_reason(url, error))


def _reason(url: str | URL, error: Exception) -> str:
    text = " ".join(str(error).split())
    password = make_url(url).password
    if password:
        text = text.replace(password, "***")
    return f"the database is unavailable ({describe(url)}): {text}"


@contextmanager
def transaction(url: str | URL, **options: Unpack[ConnectionOptions]) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
    """Connect, run the body as one transaction, and close; see `connect` for the options."""
    connection = connect(url, **options)
    try:
        with connection.transaction():
            yield connection
    finally:
        connection.close()


def engine(url: str | URL, *, application: str = "broker-assets", keep: bool = False) -> sa.Engine:
    """Return an SQLAlchemy engine, for migrations and for libraries that need one.

    It has no pool, unless it is to `keep` a connection for the next query.
    """
    address = make_url(url).set(drivername="postgresql+psycopg")
    arguments = {**NETWORK_LOST, "application_name": application}
    if not keep:
        return sa.create_engine(address, poolclass=sa.pool.NullPool, connect_args=arguments)
    return pooled(
        sa.create_engine(address, pool_size=1, max_overflow=-1, pool_recycle=RECYCLE_SECONDS, connect_args=arguments)
    )


def pooled(engine: sa.Engine) -> sa.Engine:
    """Prepare an engine whose pool keeps connections between statements: one that the server has closed is replaced.

    The state of the socket shows this; with `pool_pre_ping`, a third of all statements of an idle platform were pings.
    A forked process opens its own connections and does not touch those of its parent.
    """

    @sa.event.listens_for(engine, "checkout")
    def replace_closed(connection: Any, _record: Any, _proxy: Any) -> None:
        if has_news(connection):
            raise sa.exc.DisconnectionError("the server has closed the connection")

    os.register_at_fork(after_in_child=lambda: engine.dispose(close=False))
    return engine


def has_news(connection: Any) -> bool:
    """Whether the server has sent something to an idle connection, which it does when it ends it."""
    try:
        readable, _, _ = select.select([connection.fileno()], [], [], 0)
    except (OSError, ValueError, sa.exc.SQLAlchemyError, psycopg.Error):
        return True
    return bool(readable)

"""The database that the tests of DESC's TOM access: named by TOM's environment variables, or by ours."""

from __future__ import annotations

import os
from typing import Any, Final
from urllib.parse import quote

import psycopg

from broker_assets.database.engine import conninfo

_DEFAULTS: Final = {
    "DB_HOST": "postgres", "DB_PORT": "5432", "DB_NAME": "tom_desc", "DB_USER": "postgres", "DB_PASS": "fragile",
}  # fmt: skip
_open: dict[tuple[int, str], psycopg.Connection[Any]] = {}


def database_url() -> str:
    """SQLAlchemy URL: `BROKER_DATABASE__URL`, else made of `DB_HOST`, `DB_PORT`, `DB_NAME`, `DB_USER` and `DB_PASS`."""
    given = os.environ.get("BROKER_DATABASE__URL")
    if given:
        return given
    host, port, name, user, password = (os.environ.get(key, value) for key, value in _DEFAULTS.items())
    return f"postgresql+psycopg://{quote(user)}:{quote(password)}@{host}:{port}/{name}"


def connection() -> psycopg.Connection[Any]:
    """This process's connection; every statement is a transaction, and times are in UTC."""
    key = (os.getpid(), database_url())
    found = _open.get(key)
    if found is None or found.closed:
        found = psycopg.connect(conninfo(key[1]), autocommit=True, options="-c timezone=UTC -c client_encoding=UTF8")
        _open[key] = found
    return found


def disconnect() -> None:
    """Close what this process opened: a database is dropped only when nobody is connected."""
    while _open:
        _open.popitem()[1].close()

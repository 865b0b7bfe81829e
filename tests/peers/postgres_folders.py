"""Folders for a PostgreSQL server, and files in them."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from broker_assets.local.postgres import EmbeddedPostgres


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that is open to the user to which PostgreSQL drops; pytest's own folders are not."""
    path = Path(tempfile.mkdtemp(prefix="broker-pg-test-"))
    path.chmod(0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def fill(server: EmbeddedPostgres, rows: int) -> None:
    with psycopg.connect(server.dsn()) as connection:
        connection.execute("CREATE TABLE numbers AS SELECT generate_series(1, %s) AS n", (rows,))

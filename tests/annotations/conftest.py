"""A connection to a database of the test alone, with a few objects and an annotator."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.annotations.annotators import add_annotator
from broker_assets.database import engine


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url) as opened:
        yield opened


@pytest.fixture
def annotated(connection: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """Objects 1 to 9, and the annotator `fastfinder` of `anna`."""
    with connection.transaction():
        connection.execute("INSERT INTO objects (diaobjectid, survey) SELECT n, 1 FROM generate_series(1, 9) AS n")
    add_annotator(connection, "fastfinder", "anna", public=True)
    return connection

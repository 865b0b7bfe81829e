"""A database with two reductions of the photometry of some objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from reduced_photometry import reduced

from broker_assets.database import engine


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(module_database_url, autocommit=True) as opened:
        reduced(opened)
        yield opened

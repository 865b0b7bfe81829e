"""Root objects that were detected lately, by version."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from broker_assets.tom.versions import definitions
from broker_assets.tom.versions.hot import hot_roots

pytestmark = pytest.mark.database


@pytest.mark.parametrize(
    ("version", "since", "until", "objects"),
    [
        ("default", 61000.0, None, [1, 2, 3, 101]),
        ("default", 61005.0, None, [1, 2, 101]),
        ("default", 61005.1, None, []),
        ("default", 61000.0, 61000.5, []),
        ("dr1", 61000.0, 61000.5, [1, 2, 101]),
        ("dr1", 61004.0, None, [1, 2, 101]),
        ("only_dr1", 61004.0, None, []),
        ("only_dr1", 60000.0, None, [1, 2, 101]),
    ],
)
def test_hot(
    connection: psycopg.Connection[Any], version: str, since: float, until: float | None, objects: list[int]
) -> None:
    found = hot_roots(connection, definitions.find(connection, version), since, until)
    assert sorted(found.objects.tolist()) == objects

"""Annotations are shown to those who may read them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from things_on_object import OBJECT, add_owned_things

from broker_assets.annotations.visible import annotations_for
from broker_assets.database import engine

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(module_database_url) as connection:
        add_owned_things(connection)
        yield connection


@pytest.mark.parametrize(
    ("viewer", "options", "topics"),
    [
        (None, {}, {"public"}),
        ("ann", {}, {"public", "private"}),
        ("eve", {"shared": {"secret"}}, {"public", "secret"}),
        ("root", {"everything": True}, {"public", "private", "secret"}),
    ],
)
def test_who_sees_what(
    connection: psycopg.Connection[Any], viewer: str | None, options: dict[str, Any], topics: set[str]
) -> None:
    found = annotations_for(connection, OBJECT, viewer=viewer, **options)
    assert {one["topic"] for one in found} == topics
    assert found[0]["explanation"].startswith("said by")

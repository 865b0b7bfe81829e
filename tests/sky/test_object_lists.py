"""Lists that an object lies in are shown to those who may know of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from things_on_object import OBJECT, add_owned_things

from broker_assets.database import engine
from broker_assets.sky.object_lists import lists_of_object

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(module_database_url) as connection:
        add_owned_things(connection)
        yield connection


@pytest.mark.parametrize(
    ("viewer", "options", "names"),
    [
        (None, {}, ["public"]),
        ("eve", {}, ["public"]),
        ("ann", {}, ["public", "private"]),
        ("eve", {"watchlists": {"3"}, "areas": {"3"}}, ["public", "secret"]),
        ("root", {"everything": True}, ["public", "private", "secret"]),
    ],
)
def test_who_sees_what(
    connection: psycopg.Connection[Any], viewer: str | None, options: dict[str, Any], names: list[str]
) -> None:
    found = lists_of_object(connection, OBJECT, viewer=viewer, **options)
    assert [one["list"] for one in found["watchlists"]] == names
    assert [one["list"] for one in found["areas"]] == names
    assert found["sky_maps"] == []
    assert found["watchlists"][0]["arcsec"] == 0.5

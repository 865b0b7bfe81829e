"""Filters that an object passed are shown to those who may know of them."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from things_on_object import OBJECT, add_owned_things

from broker_assets.database import engine
from broker_assets.filters.object_matches import match_times, matches_of_object, missed_filters

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(module_database_url) as connection:
        add_owned_things(connection)
        yield connection


@pytest.mark.parametrize(
    ("viewer", "options", "names"),
    [
        (None, {}, {"public"}),
        ("ann", {}, {"public", "private"}),
        ("eve", {"shared": {"3"}}, {"public", "secret"}),
        ("root", {"everything": True}, {"public", "private", "secret"}),
    ],
)
def test_who_sees_what(
    connection: psycopg.Connection[Any], viewer: str | None, options: dict[str, Any], names: set[str]
) -> None:
    found = matches_of_object(connection, OBJECT, viewer=viewer, **options)
    assert {one["name"] for one in found} == names
    assert (found[0]["matches"], found[0]["diasourceid"]) == (2, 2)
    assert found[0]["last_night"] == datetime.date(2025, 10, 2)


def test_an_object_without_matches(connection: psycopg.Connection[Any]) -> None:
    assert matches_of_object(connection, 5, viewer="ann") == []


def test_an_account_sees_which_of_its_own_filters_an_object_missed(connection: psycopg.Connection[Any]) -> None:
    assert missed_filters(connection, OBJECT, owner="ann") == []
    assert [one["name"] for one in missed_filters(connection, 5, owner="ann")] == ["private", "public"]
    assert [one["name"] for one in missed_filters(connection, 5, owner="bob")] == ["secret"]
    assert missed_filters(connection, 5, owner="") == []


def test_times_are_those_of_the_detections_that_passed(connection: psycopg.Connection[Any]) -> None:
    for source, time in ((1, 60950.25), (2, 60951.5)):
        connection.execute(
            "INSERT INTO diasources (diasourceid, diaobjectid, midpointmjdtai, survey, ingestid, night, broughtby)"
            " VALUES (%s, %s, %s, 1, 1, '2025-10-01', %s)",
            (source, OBJECT, time, source),
        )
    assert match_times(connection, OBJECT, viewer=None) == [(60950.25, "public"), (60951.5, "public")]
    assert match_times(connection, OBJECT, viewer="ann")[0] == (60950.25, "private, public")
    assert match_times(connection, OBJECT, viewer="root", everything=True)[1] == (60951.5, "private, public, secret")
    assert match_times(connection, 5, viewer="ann") == []

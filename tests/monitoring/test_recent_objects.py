"""New objects and rates of the last nights."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.monitoring.recent_objects import rates, recent_objects

pytestmark = pytest.mark.database
SINCE = datetime.date(2025, 10, 1)
MJD = 60949.5
"""Noon of that day."""


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(module_database_url) as connection:
        for number, first, last, count, flux in (
            (1, MJD - 5, MJD + 1, 3, 3630.78),
            (2, MJD - 1, MJD + 1, 2, 36307.8),
            (3, MJD - 100, MJD + 1, 9, 1e6),  # old
            (4, MJD - 5, MJD - 1, 9, 1e6),  # not seen since
            (5, MJD, MJD + 1, 1, 1e6),  # once only
            (6, MJD, MJD + 1, 2, -5.0),
        ):
            connection.execute(
                "INSERT INTO objects (diaobjectid, ra, decl, healpix, htm16, survey, night, ndiasources,"
                " firstdiasourcemjdtai, lastdiasourcemjdtai, latest_psfflux)"
                " VALUES (%s, 1, 1, 0, 0, 1, '2025-10-02', %s, %s, %s, %s)",
                (number, count, first, last, flux),
            )
        yield connection


def test_new_objects_by_brightness_and_by_age(connection: psycopg.Connection[Any]) -> None:
    bright = recent_objects(connection, SINCE, brightest=True, most=10)
    assert [one.diaobjectid for one in bright] == [2, 1]
    assert [round(one.magnitude or 0, 2) for one in bright] == [20.0, 22.5]
    newest = recent_objects(connection, SINCE, brightest=False, most=2)
    assert [one.diaobjectid for one in newest] == [6, 2]
    assert newest[0].magnitude is None
    assert newest[0].classification is None


def test_without_batches_there_are_no_rates(connection: psycopg.Connection[Any]) -> None:
    assert rates(connection) == []

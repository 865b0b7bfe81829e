"""Alerts against all lists: what lies in what, as of a number, for what was stored only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psycopg
import pyarrow as pa
import pytest

from broker_assets.accounting.facts import AlertBatch
from broker_assets.database.engine import connect
from broker_assets.provenance.revisions import current_revision
from broker_assets.sky.lists import create_area, create_watchlist, delete_list
from broker_assets.sky.matching import AREAS, POSITIONS, SKY_MAPS, WATCHLISTS, SkyMatching
from broker_assets.sky.regions import cone_area
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database


@pytest.fixture
def connection(database_url: str) -> Iterator[psycopg.Connection]:
    with connect(database_url, autocommit=True) as opened:
        yield opened


def alerts(ra: list[float | None], dec: list[float | None]) -> pa.Table:
    count = len(ra)
    number = np.arange(count)
    return pa.table(
        {
            "packet": number,
            "diaobjectid": number + 100,
            "diasourceid": number + 1000,
            "midpointmjdtai": np.full(count, 61000.2),
            "night": pa.array(np.full(count, "2025-11-20", "datetime64[D]")),
            "ra": pa.array(ra, pa.float64()),
            "decl": pa.array(dec, pa.float64()),
            "lastdiasourcemjdtai": np.full(count, 61000.2),
        }
    )


def test_alerts_without_a_position_match_nothing(connection: psycopg.Connection, tmp_path: Path) -> None:
    create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10"]), radius=5.0)
    batch = AlertBatch(alerts([10.0, None, float("nan"), 10.0, 10.0], [10.0, 10.0, 10.0, None, 91.0]), {}, connection)
    computed = SkyMatching(tmp_path).compute(batch, {})
    assert computed.tables[POSITIONS]["packet"].to_pylist() == [0]
    assert computed.tables[WATCHLISTS.asset]["row"].to_pylist() == [0]
    assert computed.revision == current_revision(connection)


def test_lists_hold_as_of_a_number(connection: psycopg.Connection, tmp_path: Path) -> None:
    matching = SkyMatching(tmp_path)
    batch = alerts([10.0, 200.0], [10.0, -40.0])
    numbers = [current_revision(connection)]
    watchlist = create_watchlist(connection, "ann", "list", parse_watchlist(["10, 10"]), radius=5.0)
    numbers.append(current_revision(connection))
    create_area(connection, "ann", "area", cone_area(200.0, -40.0, 1.0, order=8))
    numbers.append(current_revision(connection))
    delete_list(connection, "ann", "watchlist", watchlist)
    numbers.append(current_revision(connection))
    expected = [([], []), ([0], []), ([0], [1]), ([], [1])]
    # forwards with what is known, backwards, and each number by an instance that knows nothing
    for order in (range(4), range(3, -1, -1)):
        for number in order:
            for instance in (matching, SkyMatching(tmp_path)):
                computed = instance.compute(AlertBatch(batch, {}, connection, numbers[number]), {})
                found = tuple(computed.tables[table.asset]["row"].to_pylist() for table in (WATCHLISTS, AREAS))
                assert found == expected[number], number
                assert computed.revision == numbers[number]
                assert len(computed.tables[SKY_MAPS.asset]) == 0


def test_without_indices_there_are_no_inputs(tmp_path: Path) -> None:
    assert SkyMatching(tmp_path).inputs() == {}
    assert [table.asset for table in SkyMatching(tmp_path).facts] == ["watchlist_facts", "area_facts", "sky_map_facts"]

"""What the loader writes is stored once, all of it or nothing, and what is wrong is named."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import first_campaign as campaign
import psycopg
import pytest

from broker_assets.database import engine
from broker_assets.tom.first_campaign import writing
from broker_assets.tom.first_campaign.writing import BadDocumentError

pytestmark = pytest.mark.database


@pytest.fixture
def empty(database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(database_url) as opened:
        yield opened


def test_rows_are_stored_once(empty: psycopg.Connection[Any]) -> None:
    assert writing.add_objects(empty, [campaign.alert(1, 0)["diaObject"]] * 2) == 1
    alerts = [campaign.alert(1, place) for place in range(3)]
    assert writing.add_alerts(empty, alerts) == {"objects": 0, "sources": 3, "forcedsources": 7, "alerts": 3}
    assert set(writing.add_alerts(empty, alerts).values()) == {0}
    point = {"SourceID": 100, "SNID": 1, "MJD": 60000.0, "DETECT": True, "TRUE_GENTYPE": 10, "TRUE_GENMAG": 21.5}
    assert writing.add_truth(empty, [point, point | {"SourceID": 177}, point | {"SourceID": 178, "DETECT": False}]) == (
        [100, 177, 178], [177],
    )  # fmt: skip
    assert writing.add_object_truth(empty, [campaign.truth(1), campaign.truth(5)]) == [1]
    query = 'SELECT "diaObjectId", gentype, "peakmag_Y", galnmatch FROM elasticc_diaobjecttruth'
    assert empty.execute(query).fetchall() == [(1, 10, 20.0, 0)]
    moment = writing.mark_sent(empty, [100, 101])
    later = writing.mark_sent(empty, [101, 102])
    rows = empty.execute('SELECT "alertSentTimestamp" FROM elasticc_diaalert ORDER BY "alertId"').fetchall()
    assert [row[0] for row in rows] == [moment, moment, later]


def test_what_is_wrong_is_named(empty: psycopg.Connection[Any]) -> None:
    good = campaign.alert(1, 0)
    for bad, text in (
        ({**good, "diaSource": None}, "alert 1 has no diaSource"),
        ({**good, "alertId": None}, "alert 1 has no alertId"),
        ({**good, "prvDiaSources": [5]}, "a point that is not a JSON object"),
        ({**good, "diaObject": {**good["diaObject"], "ra": "east"}}, "ra must be a number"),
        ({**good, "diaObject": {**good["diaObject"], "ra": float("nan")}}, "ra must be finite"),
        ({**good, "diaObject": {**good["diaObject"], "diaObjectId": 2**63}}, "does not fit"),
        ({**good, "diaObject": {**good["diaObject"], "diaObjectId": 1.5}}, "must be an integer"),
    ):
        with pytest.raises(BadDocumentError, match=text):
            writing.add_alerts(empty, [good, bad])
    with pytest.raises(BadDocumentError, match="there is no alert 100"):
        writing.mark_sent(empty, [100])
    for given in ([], 5, [1], "x"):
        with pytest.raises(BadDocumentError):
            writing.documents_of(given)
    assert empty.execute("SELECT count(*) FROM elasticc_diasource").fetchall() == [(0,)]


def test_two_loaders_at_once_store_everything_once(database_url: str) -> None:
    alerts = [campaign.alert(thing, place) for thing in range(1, 6) for place in range(3)]

    def load(documents: list[dict[str, Any]]) -> int:
        with engine.connect(database_url) as connection, connection.transaction():
            return writing.add_alerts(connection, documents)["sources"]

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(load, [alerts, alerts[::-1], alerts[5:], alerts[:9]])) == 15

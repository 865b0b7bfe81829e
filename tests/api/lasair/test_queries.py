"""`query` by Lasair's own client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from lasair import LasairError, lasair_client

from broker_assets.database import engine
from broker_assets.sky.lists import create_watchlist, delete_list
from broker_assets.sky.watchlists import parse_watchlist

pytestmark = pytest.mark.database


def objects_of(site: Any) -> set[int]:
    """Identifiers of all objects of the alerts of a server."""
    found = (site.record(alert)["diaObject"] for alert in site.alerts)
    return {int(one["diaObjectId"]) for one in found if one}


def test_rows_of_the_client(client: Any, site: Any) -> None:
    rows = client.query("objects.diaObjectId, objects.ra, objects.decl", "objects", "objects.nDiaSources > 5", limit=10)
    assert len(rows) == 10
    assert set(rows[0]) == {"diaObjectId", "ra", "decl"}
    everything = client.query("objects.diaObjectId", "objects", "", limit=100_000)
    identifiers = {str(row["diaObjectId"]) for row in everything}
    assert identifiers == set(map(str, objects_of(site)))
    assert client.query("objects.diaObjectId", "objects", "", limit=0) == []
    ordered = [
        client.query("diaObjectId", "objects", "ORDER BY diaObjectId", limit=7, offset=offset) for offset in (0, 7)
    ]
    assert [str(row["diaObjectId"]) for part in ordered for row in part] == sorted(identifiers, key=int)[:14]


def test_an_or_does_not_leave_the_joins(client: Any) -> None:
    rows = client.query(
        "objects.diaObjectId, sherlock_classifications.classification", "objects, sherlock_classifications",
        "sherlock_classifications.classification = 'VS' OR sherlock_classifications.classification = 'no such class'",
    )  # fmt: skip
    assert {row["classification"] for row in rows} == {"VS"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("diaObjectIdd", "objects", ""), "diaObjectId"),
        (("diaObjectId", "objects", "nDiaSources >"), "line 1"),
        (("diaObjectId", "objects, watchlist:999", ""), "watchlist 999"),
        (("diaObjectId", "objects", "1 = 1; DROP TABLE objects"), "conditions"),
        (("(SELECT sha256 FROM access.tokens LIMIT 1)", "objects", ""), "selected"),
        (("pg_sleep(10)", "objects", ""), "pg_sleep"),
    ],
)
def test_what_is_wrong_is_said(client: Any, arguments: tuple[str, str, str], says: str) -> None:
    with pytest.raises(LasairError) as refused:
        client.query(*arguments)
    assert "Bad Request" in refused.value.message
    assert says in refused.value.message


@pytest.fixture
def private(filled_database_url: str) -> Iterator[int]:
    with engine.connect(filled_database_url, autocommit=True) as connection:
        number = create_watchlist(connection, "carol", "mine", parse_watchlist(["10,10,one"]), radius=5.0)
        yield number
        delete_list(connection, "carol", "watchlist", number)


def test_a_private_list_of_another_user_is_as_if_it_did_not_exist(site: Any, new_token: Any, private: int) -> None:
    arguments = ("objects.diaObjectId, watchlist_hits.name", f"objects, watchlist:{private}", "")
    own = lasair_client(new_token("carol"), endpoint=f"{site.url}/api")
    assert own.query(*arguments) == []
    said = []
    for number in (private, 999_999):
        other = lasair_client(new_token("dave"), endpoint=f"{site.url}/api")
        with pytest.raises(LasairError) as refused:
            other.query(arguments[0], f"objects, watchlist:{number}", "")
        said.append(refused.value.message.replace(str(number), "N"))
    assert said[0] == said[1]


def test_rows_are_limited_by_the_account(site: Any, new_token: Any) -> None:
    site.settings.access.rows = 5
    try:
        small = lasair_client(new_token("dave"), endpoint=f"{site.url}/api")
        assert len(small.query("diaObjectId", "objects", "", limit=1000)) == 5
    finally:
        site.settings.access.rows = 10_000

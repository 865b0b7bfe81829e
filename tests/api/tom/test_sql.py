"""SQL of users over HTTP: at once, and queued."""

from __future__ import annotations

import io
import json
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import requests

from broker_assets.database.engine import connect
from broker_assets.settings import Settings
from broker_assets.tom.queries.worker import QueryWorker

pytestmark = pytest.mark.database


@pytest.fixture
def work(database_url: str, tmp_path: Path) -> Callable[[], None]:
    """A function that works on the queue until it is empty."""

    def run() -> None:
        worker = QueryWorker(database_url, Settings(home=tmp_path))
        while worker.run_next() is not None:
            pass

    return run


def failure(client: Any, body: Any, page: str = "runsqlquery/") -> str:
    answer = client.post(f"db/{page}", json=body)
    assert answer.status_code == 200
    document = answer.json()
    assert document["status"] == "error"
    return str(document["error"])


@pytest.mark.shared
def test_rights_are_those_of_the_account(root: Any, anna: Any) -> None:
    truth = {"query": "SELECT count(*) FROM elasticc2_diaobjecttruth"}
    assert root.post("db/runsqlquery/", json=truth).json() == {"status": "ok", "rows": [{"count": 346}]}
    assert failure(anna, truth) == "permission denied for table elasticc2_diaobjecttruth\n"
    broker = {"query": "SELECT count(*) FROM elasticc2_brokermessage"}
    assert anna.post("db/runsqlquery", json=broker).json() == {"status": "ok", "rows": [{"count": 1950}]}
    for secret in (
        "access.users",
        "access.sessions",
        "access.tokens",
        "public.db_queryqueue",
        "pg_authid",
        "pg_stat_activity",
    ):
        assert "permission denied" in failure(root, {"query": f"SELECT * FROM {secret}"})


@pytest.mark.shared
def test_errors_are_answers(root: Any) -> None:
    assert failure(root, {}) == "POST data must include 'query'"
    assert failure(root, [1]) == "POST data must include 'query'"
    assert failure(root, {"query": ["SELECT 1", "SELECT 2"], "subdict": {}}) == (
        "number of queries and subdicts must match"
    )
    assert "more than 250000 rows" in failure(root, {"query": "SELECT generate_series(1, 250001)"})
    answer = root.session.post(f"{root.url}/db/runsqlquery/", data=b"{")
    assert answer.json()["status"] == "error"


@pytest.mark.shared
def test_nobody_comes_in_without_an_account(snapshot_site: str) -> None:
    for page in ("runsqlquery/", "submitsqlquery/", "checksqlquery/x/", "getsqlqueryresults/x/", "listsqlqueries/"):
        assert requests.post(f"{snapshot_site}/db/{page}", json={"query": "SELECT 1"}, timeout=30).status_code == 403


def test_the_life_of_a_queued_query(own_site: str, log_in: Callable[[str, str], Any], work: Callable[[], None]) -> None:
    root, anna = log_in(own_site, "root"), log_in(own_site, "anna")
    body = {
        "query": ["CREATE TEMP TABLE a AS SELECT 1 AS x, %(y)s AS y", "SELECT * FROM a WHERE x IN %(l)s"],
        "subdict": [{"y": "text"}, {"l": [1, 2]}],
    }
    found = {
        form: root.post("db/submitsqlquery/", json={**body, "format": form}).json()["queryid"]
        for form in ("csv", "pandas", "parquet", "arrow")
    }
    failing = root.post("db/submitsqlquery/", json={"query": "SELECT nothing"}).json()["queryid"]
    waiting = root.post(f"db/checksqlquery/{found['csv']}/").json()
    assert waiting.pop("submitted").endswith("+00:00")
    # As a table the queue has the queries of the account.
    rows = root.post("db/runsqlquery/", json={"query": "SELECT * FROM db_queryqueue"}).json()["rows"]
    assert {str(row["queryid"]) for row in rows} == {*found.values(), failing}
    assert anna.post("db/runsqlquery/", json={"query": "SELECT * FROM db_queryqueue"}).json()["rows"] == []
    assert waiting == {
        "queryid": found["csv"], "queries": body["query"], "subdicts": body["subdict"], "status": "queued",
    }  # fmt: skip
    early = root.post(f"db/getsqlqueryresults/{found['csv']}/")
    assert (early.status_code, early.text) == (500, f"Query {found['csv']} hasn't started yet")
    # Another account knows nothing of it.
    for page in ("checksqlquery", "cancelsqlquery"):
        assert failure(anna, None, f"{page}/{found['csv']}/") == f"Unknown query {found['csv']}"
    assert anna.post(f"db/getsqlqueryresults/{found['csv']}/").status_code == 404
    assert anna.post("db/listsqlqueries/").json() == {"status": "ok", "queries": []}
    work()
    assert root.post(f"db/checksqlquery/{found['csv']}/").json()["status"] == "finished"
    answer = root.post(f"db/getsqlqueryresults/{found['csv']}/")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.text == ",x,y\n0,1,text\n"
    answer = root.post(f"db/getsqlqueryresults/{found['pandas']}/")
    assert answer.headers["content-type"] == "application/octet-stream"
    frame = pickle.loads(answer.content)  # noqa: S301 - written a moment ago
    assert frame.to_dict("list") == {"x": [1], "y": ["text"]}
    parquet = pd.read_parquet(io.BytesIO(root.post(f"db/getsqlqueryresults/{found['parquet']}/").content))
    assert parquet.to_dict("list") == {"x": [1], "y": ["text"]}
    failed = root.post(f"db/checksqlquery/{failing}").json()
    assert failed["status"] == "error"
    assert failed["error"].startswith('column "nothing" does not exist')
    answer = root.post(f"db/getsqlqueryresults/{failing}/")
    assert answer.status_code == 500
    assert answer.text.startswith("Query errored out: ")
    assert len(root.post("db/listsqlqueries/").json()["queries"]) == 5
    assert failure(root, None, "checksqlquery/x/") == "badly formed hexadecimal UUID string"
    assert root.post("db/getsqlqueryresults/x/").status_code == 422


def months_not_read(client: Any, table: str) -> str | None:
    answer = client.post("db/runsqlquery/", json={"query": f"SELECT count(*) FROM {table}"})
    assert answer.json()["status"] == "ok"
    found: str | None = answer.headers.get("X-Months-Not-Read")
    return found


def test_a_queued_query_is_cancelled(own_site: str, log_in: Callable[[str, str], Any], database_url: str) -> None:
    root = log_in(own_site, "root")
    # Views cannot read beyond the database: an answer says which months it lacks.
    assert months_not_read(root, "elasticc2_diasource") is None
    with connect(database_url) as connection:
        connection.execute(
            "INSERT INTO cold_tables (name, metadata_location, snapshotid) VALUES ('diasources', 'x', 1)"
        )
        connection.execute(
            "INSERT INTO cold_months (name, month, begins, ends, rows, checksum, snapshotid)"
            " VALUES ('diasources', '2024-01-01', 60310, 60341, 1, 1, 1)"
        )
    assert months_not_read(root, "elasticc2_diasource") == "diasources: 1 months from 2024-01 to 2024-01"
    assert months_not_read(root, "elasticc2_brokerclassifier") is None
    identifier = root.post("db/submitsqlquery/", json={"query": "SELECT 1"}).json()["queryid"]
    for cancelled in (True, False):
        assert root.post(f"db/cancelsqlquery/{identifier}/").json() == {
            "status": "ok", "queryid": identifier, "cancelled": cancelled,
        }  # fmt: skip
    assert root.post(f"db/checksqlquery/{identifier}/").json()["error"] == "cancelled"


def test_two_users_at_once_submit_and_cancel(own_site: str, log_in: Callable[[str, str], Any]) -> None:
    clients = {name: log_in(own_site, name) for name in ("root", "anna")}

    def use(client: Any) -> set[str]:
        own = set()
        for _ in range(8):
            identifier = client.post("db/submitsqlquery/", json={"query": "SELECT 1"}).json()["queryid"]
            assert client.post(f"db/cancelsqlquery/{identifier}/").json()["cancelled"]
            assert client.post("db/runsqlquery/", json={"query": "SELECT 1 AS a"}).json()["rows"] == [{"a": 1}]
            own.add(identifier)
        return own

    with ThreadPoolExecutor(2) as pool:
        found = dict(zip(clients, pool.map(use, clients.values()), strict=True))
    for name, client in clients.items():
        listed = client.post("db/listsqlqueries/").json()["queries"]
        assert {one["queryid"] for one in listed} == found[name]
        assert json.dumps(listed).count("cancelled") == 8


def test_a_query_ends_with_the_connection_of_its_client(
    own_site: str, database_url: str, log_in: Callable[[str, str], Any]
) -> None:
    anna = log_in(own_site, "anna")
    with pytest.raises(requests.ReadTimeout):
        anna.post("db/runsqlquery/", json={"query": "SELECT pg_sleep(50)"}, timeout=0.5)
    running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE %s AND state = 'active'"
    with connect(database_url, autocommit=True) as connection:
        for _ in range(100):
            if connection.execute(running, ("SELECT pg_sleep(50)%",)).fetchone() == (0,):
                break
            time.sleep(0.1)
        else:
            pytest.fail("the query runs on")
    assert anna.post("db/runsqlquery/", json={"query": "SELECT 1 AS a"}).json()["rows"] == [{"a": 1}]

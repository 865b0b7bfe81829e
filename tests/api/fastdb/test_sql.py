"""SQL as FASTDB's client sends it: at once and queued, each account its own."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastdb_dialogue import FastdbClient, RefusedError

from broker_assets.database import engine
from broker_assets.settings import Settings
from broker_assets.tom.queries.worker import QueryWorker

pytestmark = pytest.mark.database


@pytest.fixture
def work(fastdb_database: str, fastdb_home: Path) -> Callable[[], None]:
    """A function that works on the queue until it is empty."""

    def run() -> None:
        worker = QueryWorker(fastdb_database, Settings(home=fastdb_home))
        while worker.run_next() is not None:
            pass

    return run


def test_at_once(client: FastdbClient) -> None:
    body = {"query": "SELECT diaobjectid, 'NaN'::float8 AS flux FROM diaobject WHERE diaobjectid < %(n)s ORDER BY 1"}
    rows = client.post("db/runsqlquery/", {**body, "subdict": {"n": 3}, "return_format": 0})
    assert rows == {"status": "ok", "rows": [{"diaobjectid": 1, "flux": None}, {"diaobjectid": 2, "flux": None}]}
    columns = client.post("db/runsqlquery/", {**body, "subdict": {"n": 3}, "return_format": 1})
    assert columns == {"status": "ok", "data": {"diaobjectid": [1, 2], "flux": [None, None]}}
    assert client.post("/db/runsqlquery", {**body, "subdict": {"n": 0}, "return_format": 1})["data"]["flux"] == []
    twice = client.post("/db/runsqlquery", {"query": "SELECT 1 AS a, 2 AS a", "return_format": 1})
    assert twice["data"] == {"a": [2]}
    several = {
        "query": ["CREATE TEMP TABLE mine AS SELECT rootid FROM diaobject WHERE diaobjectid = %(n)s",
                  "SELECT count(*) FROM mine JOIN diaobject USING (rootid)"],
        "subdict": [{"n": 1}, {}],
    }  # fmt: skip
    assert client.post("db/runsqlquery/", several)["rows"] == [{"count": 3}]
    for table, count in (("diasource", 9), ("diaforcedsource", 8), ("diaobject_position", 4), ("diasource_extra", 9)):
        found = client.post("db/runsqlquery/", {"query": f"SELECT count(*) FROM {table}"})
        assert found["rows"] == [{"count": count}], table


def test_queued(client: FastdbClient, work: Callable[[], None]) -> None:
    body = {"query": "SELECT diaobjectid, 'a' AS text FROM diaobject ORDER BY 1"}
    numbers = {
        form: client.post("db/submitsqlquery/", {**body, "return_format": form})["queryid"]
        for form in ("csv", 0, "pandas", "numpy")
    }
    failing = client.post("db/submitsqlquery/", {"query": "SELECT nothing"})["queryid"]
    found = client.post(f"db/checksqlquery/{numbers['csv']}/")
    assert (found["status"], found["queries"], found["subdicts"]) == ("queued", [body["query"]], [{}])
    with pytest.raises(RefusedError, match="hasn't started yet"):
        client.raw(f"db/getsqlqueryresults/{numbers['csv']}/")
    assert client.sent[-1][1] == 409
    work()
    done = client.post(f"db/checksqlquery/{numbers['csv']}/")
    assert done["status"] == "finished"
    assert done["started"] <= done["finished"]
    for form in ("csv", 0):
        answer = client.raw(f"db/getsqlqueryresults/{numbers[form]}/")
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
        assert answer.text.splitlines()[:2] == [",diaobjectid,text", "0,1,a"]
    answers = {form: client.raw(f"db/getsqlqueryresults/{numbers[form]}/") for form in ("pandas", "numpy")}
    assert {answer.headers["content-type"] for answer in answers.values()} == {"application/octet-stream"}
    frame = pickle.loads(answers["pandas"].content)  # noqa: S301 - of our own server, as the client does
    assert frame["diaobjectid"].tolist() == [1, 2, 3, 101]
    assert np.load(io.BytesIO(answers["numpy"].content), allow_pickle=True)["diaobjectid"].tolist() == [1, 2, 3, 101]
    failed = client.post(f"db/checksqlquery/{failing}/")
    assert failed["status"] == "error"
    assert "nothing" in failed["error"]
    with pytest.raises(RefusedError, match="errored out"):
        client.raw(f"db/getsqlqueryresults/{failing}/")


def test_a_query_is_its_accounts_own(client: FastdbClient, talk: Callable[..., Any], work: Callable[[], None]) -> None:
    number = client.post("db/submitsqlquery/", {"query": "SELECT 1"})["queryid"]
    work()
    other = talk("berta")
    for path in ("checksqlquery", "getsqlqueryresults"):
        with pytest.raises(RefusedError, match=f"Unknown query {number}"):
            other.raw(f"db/{path}/{number}/")
    with pytest.raises(RefusedError, match="guests may only read"):
        talk("guest").post("db/submitsqlquery/", {"query": "SELECT 1"})


def test_two_users_submit_at_once(client: FastdbClient, talk: Callable[..., Any], fastdb_database: str) -> None:
    other = talk("berta")
    with engine.connect(fastdb_database, autocommit=True) as connection:
        connection.execute("DELETE FROM db_queryqueue")

    def submit(who: FastdbClient) -> str:
        try:
            return str(who.send("/db/submitsqlquery/", {"query": "SELECT 1"}).json()["queryid"])
        except RefusedError as error:
            return str(error)

    with ThreadPoolExecutor(4) as threads:
        ends = list(threads.map(submit, [client, other] * 21))
    assert sum("queries" in end for end in ends) == 2  # each may have 20 that wait
    assert len(set(ends)) >= 40
    with engine.connect(fastdb_database, autocommit=True) as connection:
        connection.execute("DELETE FROM db_queryqueue")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "POST data must include 'query'"),
        ({"query": 7}, "query must be either a list of strings or a string"),
        ({"query": [7]}, "queries must all be strings"),
        ({"query": "SELECT 1", "subdict": 7}, "subdict must be either a list of dicts or a dict"),
        ({"query": ["SELECT 1"], "subdict": [{}, {}]}, "number of queries and subdicts must match"),
        ({"query": "SELECT 1", "return_format": 7}, "nknown "),
        ({"query": "DROP TABLE diaobject"}, "must be owner of table diaobject"),
        ({"query": "SELECT * FROM access.users"}, "permission denied"),
        ({"query": "SELECT * FROM elasticc2_diaobjecttruth"}, "permission denied"),
        ({"query": "SELECT nothing"}, 'column "nothing" does not exist'),
        ({"query": "SELECT 1", "foo": 1}, "Unknown data parameters: {'foo'}"),
    ],
)
def test_mistakes_are_422(client: FastdbClient, body: Any, said: str) -> None:
    with pytest.raises(RefusedError) as told:
        client.send("/db/runsqlquery/", body)
    assert said in str(told.value)
    assert client.sent[-1][1] == 422
    if "return_format" in body or set(body) - {"query", "subdict"}:
        with pytest.raises(RefusedError, match=said.replace("{", ".").replace("}", ".")):
            client.send("/db/submitsqlquery/", body)
    with pytest.raises(RefusedError):
        client.send("/db/checksqlquery/no-uuid/")

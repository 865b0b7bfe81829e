"""Attacks through the interfaces of the Virtual Observatory and through events."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
from attacked_things import SECRET

from broker_assets.api.vo import tap
from broker_assets.database import engine, query_role
from broker_assets.database.query_role import PUBLISHED

pytestmark = pytest.mark.database


def _visitors(ground: Any) -> list[Any]:
    return [ground.program(), ground.anybody().client]


def _ask(client: Any, query: str, **values: str) -> Any:
    return client.post("/api/vo/tap/sync", data={"LANG": "ADQL", "QUERY": query, "RESPONSEFORMAT": "csv", **values})


@pytest.mark.parametrize("table", [*PUBLISHED, "ivoa.obscore", "tap_schema.columns"])
def test_no_table_shows_what_is_private(ground: Any, table: str) -> None:
    for client in _visitors(ground):
        answer = _ask(client, f"SELECT * FROM {table}")
        assert answer.status_code == 200, answer.text
        assert SECRET not in answer.text
    if table in ("filters", "watchlists", "areas", "annotations"):
        with engine.connect(ground.url, autocommit=True) as connection:
            connection.execute("DELETE FROM access.requests")  # other tests have asked in the name of the victim
        victim = ground.user("victim").client
        assert SECRET in _ask(victim, f"SELECT * FROM {table}").text  # the test looks for the right thing


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM access.users",
        'SELECT * FROM "access"."tokens"',
        "SELECT * FROM pg_catalog.pg_stat_activity",
        "SELECT * FROM broker.product_file",
        "SELECT * FROM filter_sinks",
        "SELECT * FROM objects WHERE diaobjectid IN (SELECT userid FROM access.users)",
        "WITH a AS (SELECT * FROM access.sessions) SELECT * FROM a",
        "SELECT CAST((SELECT password FROM access.users) AS INTEGER) FROM objects",
        "SELECT * FROM objects; DELETE FROM watchlists",
        "SELECT query_to_xml('SELECT * FROM access.users', true, true, '') FROM objects",
        "SELECT current_setting('broker.user') FROM objects",
        "SELECT set_config('broker.user', 'victim', true) FROM objects",
        "SELECT pg_read_file('/etc/passwd') FROM objects",
        "SELECT dblink('host=127.0.0.1', 'SELECT 1') FROM objects",
        "SELECT ra FROM objects -- \nUNION SELECT 1 FROM access.users",
        "SELECT * FROM tap_upload.x",
        "SELECT '$$; SET ROLE postgres; --' FROM access.groups",
    ],
)
def test_no_query_leaves_what_is_published(ground: Any, query: str) -> None:
    before = ground.state()
    for client in _visitors(ground):
        answer = _ask(client, query)
        assert answer.status_code == 400, answer.text
        assert "victim@" not in answer.text
    assert ground.state() == before


def test_asynchronous_queries_see_no_more(ground: Any) -> None:
    for client in _visitors(ground):
        form = {"LANG": "ADQL", "QUERY": "SELECT * FROM watchlists", "PHASE": "RUN", "FORMAT": "csv"}
        answer = client.post("/api/vo/tap/async", data=form, follow_redirects=False)
        path = answer.headers["location"].partition("127.0.0.1")[2]
        while "<uws:phase>COMPLETED" not in (text := client.get(path, params={"WAIT": "20"}).text):
            assert "ERROR" not in text, text
        assert SECRET not in client.get(f"{path}/results/result").text
        client.delete(path, follow_redirects=False)


def test_queries_that_take_all_leave_room_for_others(ground: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap, "LONGEST_SECONDS", 3.0)
    monkeypatch.setattr(tap, "WAIT_SECONDS", 0.1)
    client = ground.anybody().client
    slow = "SELECT COUNT(*) FROM " + ", ".join(f"tap_schema.columns AS c{number}" for number in range(6))
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(_ask(client, slow).status_code)) for _ in range(10)]
    for thread in threads:
        thread.start()
    while len(codes) < 10 - tap.AT_ONCE:  # those without a place are refused at once
        time.sleep(0.02)
    began = time.monotonic()
    assert client.get("/api/v1/objects", params={"limit": 1}).status_code == 200
    assert time.monotonic() - began < 3
    for thread in threads:
        thread.join(30)
    assert codes == [503] * 10


def test_a_sort_of_everything_does_not_fill_the_disk(ground: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_role, "TEMPORARY", "1MB")
    query = "SELECT a.description FROM tap_schema.columns AS a, tap_schema.columns AS b ORDER BY a.description, b.ucd"
    answer = _ask(ground.program(), query)
    assert (answer.status_code, "temporary files" in answer.text) == (400, True)
    with engine.connect(ground.url, autocommit=True) as connection:
        assert connection.execute("SHOW temp_file_limit").fetchone() == ("-1",)


@pytest.mark.parametrize(
    "content",
    [
        b'<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]><VOTABLE>&b;</VOTABLE>',
        b"<VOTABLE>" * 100_000,
        b"\x1f\x8b\x08\x00" + b"\0" * 1000,
        b'<VOTABLE><RESOURCE><TABLE><FIELD name="a" datatype="int"/><DATA><BINARY>'
        b'<STREAM href="http://169.254.169.254/"/></BINARY></DATA></TABLE></RESOURCE></VOTABLE>',
        b"",
    ],
    ids=["entities", "nested", "compressed", "address", "empty"],
)
def test_uploads_that_are_made_to_harm(ground: Any, content: bytes) -> None:
    form = {"LANG": "ADQL", "QUERY": "SELECT * FROM tap_upload.t", "UPLOAD": "t,param:t"}
    began = time.monotonic()
    answer = ground.program().post("/api/vo/tap/sync", data=form, files={"t": content})
    assert (answer.status_code, b"QUERY_STATUS" in answer.content) == (400, True)
    assert time.monotonic() - began < 5


def test_nobody_listens_to_a_filter_of_another(ground: Any) -> None:
    """What is heard is tested where events are; here is who is refused."""
    for client in _visitors(ground):
        answer = client.get("/api/v1/events", params={"filter": ground.values["number"]})
        assert (answer.status_code, SECRET in answer.text) == (404, False)
        for bad in ("1-1-1-1' OR true --", "9" * 40):
            asked = {"filter": ground.public["number"]}
            answer = client.get("/api/v1/events", params=asked, headers={"Last-Event-ID": bad})
            assert answer.status_code == 422

"""Events: what is new and may be read, where the last connection ended, and no longer than that."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
import uvicorn
from sqlalchemy.engine import make_url

from broker_assets.access import accounts, tokens
from broker_assets.api import create_app
from broker_assets.api.patience import PatientProtocol
from broker_assets.api.v1 import events
from broker_assets.database import engine
from broker_assets.database.access_role import create_access_role
from broker_assets.database.reader import create_reader
from broker_assets.filters import trials
from broker_assets.filters.query import Form
from broker_assets.filters.store import FilterChanges, change_filter, create_filter
from broker_assets.settings import DatabaseSettings, Settings

pytestmark = pytest.mark.database
Serve = Callable[[Settings], AbstractContextManager[str]]


@pytest.fixture(scope="module")
def connection(module_database_url: str) -> Iterator[psycopg.Connection[Any]]:
    with engine.connect(module_database_url, autocommit=True) as opened:
        for name in ("ann", "mallory"):
            accounts.add(opened, name, None)
        for number, public in ((1, False), (2, True)):
            form = Form("objects.diaObjectId", "objects", "objects.nDiaSources > 3")
            assert create_filter(opened, "ann", f"f{number}", form, public=public) == number
        yield opened


def of_production(url: str) -> DatabaseSettings:
    """The roles that read, and that write what is of accounts, without other rights."""
    urls = {}
    for name, create in (("reader_url", create_reader), ("access_url", create_access_role)):
        own = make_url(url)
        found = own.set(username=f"{name[:6]}_{own.database}"[:60], password="secret")
        create(own, found)
        urls[name] = found.render_as_string(hide_password=False)
    return DatabaseSettings(url=url, **urls)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def url(connection: Any, module_database_url: str, server_of: Serve, tmp_path_factory: Any) -> Iterator[str]:
    database = of_production(module_database_url)
    home: Path = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(events, "LOOK_SECONDS", 0.05)
        patch.setattr(events, "QUIET_SECONDS", 0.2)
        with server_of(Settings(home=home, database=database, streams=[])) as found:
            yield f"{found}/api/v1/events"


@pytest.fixture(scope="module")
def token(connection: psycopg.Connection[Any]) -> Callable[[str], dict[str, str]]:
    """A function that gives the header of a new token of an account."""
    numbers = iter(range(1000))

    def make(name: str) -> dict[str, str]:
        made = tokens.create(connection, accounts.get(connection, name), f"t{next(numbers)}", "read")
        return {"Authorization": f"Token {made}"}

    return make


def found_in(lines: Iterator[str], number: int, name: str = "match") -> list[tuple[str, dict[str, Any]]]:
    """Some events of a kind, by their number."""
    found: list[tuple[str, dict[str, Any]]] = []
    identifier = kind = ""
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "id":
            identifier = value
        elif field == "event":
            kind = value
        elif field == "data" and kind == name:
            found.append((identifier, json.loads(value)))
            if len(found) == number:
                break
    return found


def match(connection: psycopg.Connection[Any], source: int, filterid: int, text: str = "") -> None:
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO ingest_batch (topic, kind, code_version, started_at) VALUES ('', 'drain', '1', now())"
            " RETURNING ingestid"
        ).fetchone()
        assert row is not None
        connection.execute(
            'INSERT INTO filter_matches (diaobjectid, diasourceid, night, ingestid, filterid, version, rows, "row")'
            " VALUES (%s, %s, '2026-01-02', %s, %s, 1, 1, %s)",
            (source * 10, source, row[0], filterid, json.dumps({"text": text})),
        )
        connection.execute(
            "INSERT INTO filter_runs (ingestid, night, filterid, version, matches, over_limit)"
            " VALUES (%s, '2026-01-02', %s, 1, 1, 0)",
            (row[0], filterid),
        )


def test_matches_come_once_and_are_taken_up_again(
    url: str, connection: psycopg.Connection[Any], token: Callable[[str], dict[str, str]]
) -> None:
    own = token("ann")
    with httpx.stream("GET", url, headers=own | {"Accept-Encoding": "gzip"}, timeout=20) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        next(line for line in lines if line.startswith(": nothing"))
        match(connection, 1, 1, "a\n\ndata: forged\nevent: x")
        match(connection, 2, 2)
        [(first, content), (_, other)] = found_in(lines, 2)
    assert (content["filterId"], content["diaSourceId"], other["filterId"]) == (1, 1, 2)
    assert content["selected"]["text"].endswith("event: x")
    with httpx.stream("GET", url, headers=own | {"Last-Event-ID": first}, timeout=20) as answer:
        [(_, again)] = found_in(answer.iter_lines(), 1)
    assert again == other


def test_what_is_anothers_is_not_heard(
    url: str, connection: psycopg.Connection[Any], token: Callable[[str], dict[str, str]]
) -> None:
    for headers in ({}, token("mallory")):
        for filters in ([1], [2, 1], [99]):
            answer = httpx.get(url, params={"filter": filters}, headers=headers)
            assert answer.status_code == 404, answer.text
    assert httpx.get(url).status_code == 400
    assert httpx.get(url, headers={"Authorization": "Token " + "0" * 40}).status_code == 401
    old = {"Last-Event-ID": "0-0-0-0"}
    with httpx.stream("GET", url, headers=token("mallory") | old, timeout=20) as answer:
        lines = answer.iter_lines()
        heard = [next(lines) for _ in range(6)]  # those of no filter at all
    assert not any("match" in line for line in heard)
    with httpx.stream("GET", url, params={"filter": 2}, headers=old, timeout=20) as answer:
        match(connection, 3, 1)
        match(connection, 4, 2)
        lines = answer.iter_lines()
        assert [content["filterId"] for _, content in found_in(lines, 2)] == [2, 2]
        change_filter(connection, "ann", 2, FilterChanges(public=False))
        [(_, end)] = found_in(lines, 1, "end")
    assert "no longer" in end["detail"]
    change_filter(connection, "ann", 2, FilterChanges(public=True))


def test_a_token_that_is_revoked_ends_it(
    url: str, connection: psycopg.Connection[Any], token: Callable[[str], dict[str, str]]
) -> None:
    with httpx.stream("GET", url, headers=token("ann"), timeout=20) as answer:
        connection.execute("DELETE FROM access.tokens")
        assert found_in(answer.iter_lines(), 1, "end")


def test_progress_is_that_of_the_account(
    url: str, connection: psycopg.Connection[Any], token: Callable[[str], dict[str, str]]
) -> None:
    ann = accounts.get(connection, "ann")
    number = trials.ask(connection, ann, Form("objects.diaObjectId", "objects", ""))
    with httpx.stream("GET", url, params={"follow": "progress"}, headers=token("ann"), timeout=20) as answer:
        lines = answer.iter_lines()
        assert found_in(lines, 1, "trial")[0][1]["state"] == "waiting"
        trials.cancel(connection, ann, number)
        assert found_in(lines, 1, "trial")[0][1]["state"] == "cancelled"
    with httpx.stream("GET", url, headers=token("mallory"), timeout=20) as answer:
        lines = answer.iter_lines()
        assert not any("trial" in next(lines) for _ in range(6))


def test_places_are_few(url: str, token: Callable[[str], dict[str, str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_EACH", 1)
    own = token("ann")
    with httpx.stream("GET", url, headers=own, timeout=20) as answer:
        assert answer.status_code == 200
        assert httpx.get(url, headers=own).status_code == 429
        with httpx.stream("GET", url, headers=token("mallory"), timeout=20) as other:
            assert other.status_code == 200
    deadline = time.monotonic() + 20
    while True:  # the place is free again
        with httpx.stream("GET", url, headers=own, timeout=20) as answer:
            if answer.status_code == 200:
                break
        assert time.monotonic() < deadline


@pytest.mark.parametrize("bad", [{"Last-Event-ID": "x"}, {"Last-Event-ID": "1" * 200}])
def test_a_wrong_place_is_refused(url: str, bad: dict[str, str]) -> None:
    assert httpx.get(url, params={"filter": 2}, headers=bad).status_code == 422


def test_it_ends_after_a_time_and_with_the_server(
    module_database_url: str, connection: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = DatabaseSettings(url=module_database_url)  # type: ignore[arg-type]
    app = create_app(Settings(home=tmp_path, database=database, streams=[]))
    server = uvicorn.Server(
        uvicorn.Config(app, host="127.0.0.1", port=0, http=PatientProtocol, log_level="critical", ws="none")
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    port = server.servers[0].sockets[0].getsockname()[1]
    address = f"http://127.0.0.1:{port}/api/v1/events?filter=2"
    with monkeypatch.context() as patch:
        patch.setattr(events, "LONGEST_SECONDS", 0.2)
        with httpx.stream("GET", address, timeout=20) as answer, pytest.raises(httpx.RemoteProtocolError):
            answer.read()
    with httpx.stream("GET", address, timeout=20) as answer:
        lines = answer.iter_lines()
        next(lines)
        server.should_exit = True
        with pytest.raises(httpx.HTTPError):
            list(lines)
    thread.join(15)
    assert not thread.is_alive()

"""Dagster's webserver behind the guard, tested with real HTTP requests and WebSockets."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets.exceptions
from dagster_pages import DagsterPages
from websockets.sync.client import connect

from broker_assets.local.instance import create_instance, write_instance
from broker_assets.local.postgres import EmbeddedPostgres
from broker_assets.local.processes import free_ports
from broker_assets.local.readiness import answers_http
from broker_assets.local.service import Service

pytestmark = [pytest.mark.platform, pytest.mark.slow]

DEFINITIONS = """
import dagster as dg

@dg.asset
def sources():
    pass

defs = dg.Definitions([sources], jobs=[dg.define_asset_job("everything")])
"""
LAUNCH = """mutation { launchRun(executionParams: {runConfigData: "{}", mode: "default", selector: {
    repositoryName: "__repository__", repositoryLocationName: "project.py", jobName: "everything"}}) { __typename } }"""
QUERY = "{ version }"
EVIL = {"Origin": "http://evil.example"}


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Port of a webserver over one asset; nothing executes its runs."""
    home = tmp_path_factory.mktemp("dagster")
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (home / "project.py").write_text(DEFINITIONS)
    (home / "workspace.yaml").write_text("load_from: [{python_file: project.py}]\n")
    (found,) = free_ports(1)
    arguments = ["--port", str(found), "--workspace", str(home / "workspace.yaml")]
    service = Service(
        "webserver",
        [sys.executable, "-m", "broker_assets.webserver", *arguments],
        log=home / "webserver.log",
        environment=os.environ | {"DAGSTER_HOME": str(home), "BROKER_SERVER__PUBLIC_HOSTS": '["dagster.example.org"]'},
        healthy=answers_http(f"http://127.0.0.1:{found}/server_info"),
    )
    try:
        service.start()
        yield found
    finally:
        service.stop()


@pytest.fixture(scope="module")
def client(port: int) -> Iterator[httpx.Client]:
    """A client of the webserver."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        yield client


def runs(client: httpx.Client) -> int:
    """Number of existing runs."""
    query = "{ runsOrError { ... on Runs { count } } }"
    found: int = client.post("/graphql", json={"query": query}).json()["data"]["runsOrError"]["count"]
    return found


def test_pages_scripts_and_queries_of_its_own_are_served(client: httpx.Client, port: int) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "Dagster" in page.text
    assert page.headers["x-frame-options"] == "SAMEORIGIN"
    script = page.text.split('src="')[1].split('"')[0]
    assert client.get(script).status_code == 200
    own = {"Origin": f"http://127.0.0.1:{port}", "Sec-Fetch-Site": "same-origin"}
    for headers in ({}, own, {"Host": f"localhost:{port}"}, {"Host": "dagster.example.org"}):
        answer = client.post("/graphql", json={"query": QUERY}, headers=headers)
        assert answer.json()["data"]["version"]
    typed = {"Content-Type": "application/graphql; charset=utf-8"}
    assert client.post("/graphql", content=QUERY, headers=typed).json()["data"]["version"]
    assert "graphiql" in client.get("/graphql", headers={"Accept": "text/html"}).text.lower()


@pytest.mark.parametrize("query", [LAUNCH, QUERY])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_nothing_is_executed_by_another_method(client: httpx.Client, method: str, query: str) -> None:
    before = runs(client)
    for path in ("/graphql", "/graphql/", "//graphql", "/%67raphql"):
        answer = client.request(method, path, params={"query": query})
        page = answer.headers.get("content-type", "").startswith("text/html")
        assert answer.status_code >= 400 or page, path
        assert page or '"data"' not in answer.text, path
    assert client.request(method, "/graphql", params={"query": query}).status_code == 405
    assert runs(client) == before


def test_a_script_may_launch_a_run(client: httpx.Client) -> None:
    before = runs(client)
    answer = client.post("/graphql", json={"query": LAUNCH})
    assert answer.json()["data"]["launchRun"]["__typename"] == "LaunchRunSuccess"
    assert runs(client) == before + 1


@pytest.mark.parametrize(
    "headers",
    [
        EVIL,
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Host": "evil.example", "Origin": "http://evil.example", "Sec-Fetch-Site": "same-origin"},
    ],
)
def test_a_page_of_another_site_commands_nothing(client: httpx.Client, headers: dict[str, str]) -> None:
    before = runs(client)
    assert client.post("/graphql", json={"query": LAUNCH}, headers=headers).status_code == 403
    assert client.get("/graphql", params={"query": LAUNCH}, headers=headers).status_code == 403
    assert client.post("/report_asset_materialization/sources", json={}, headers=headers).status_code == 403
    assert client.get("/", headers=headers).status_code == 403
    assert runs(client) == before


READER = {"X-Broker-Rights": "read"}


def test_who_may_only_read_changes_nothing(client: httpx.Client) -> None:
    """The proxy sends this header after it has checked our accounts."""
    before = runs(client)
    assert client.post("/graphql", json={"query": QUERY}, headers=READER).json()["data"]["version"]
    typed = READER | {"Content-Type": "application/graphql"}
    assert client.post("/graphql", content=QUERY, headers=typed).json()["data"]["version"]
    for value in ("read", "", "Write", "write, write"):
        for query in (LAUNCH, f"query A {{ version }} {LAUNCH}", "fragment X on Mutation { __typename } " + LAUNCH):
            answer = client.post("/graphql", json={"query": query}, headers={"X-Broker-Rights": value})
            assert answer.status_code == 403
            assert "Only operators" in answer.text
        typed = {"Content-Type": "application/graphql", "X-Broker-Rights": value}
        assert client.post("/graphql", content=LAUNCH, headers=typed).status_code == 403
    for path in ("/report_asset_materialization/sources", "/report_asset_check/sources"):
        assert client.post(path, json={}, headers=READER).status_code == 403
    assert runs(client) == before
    permissions = "{ permissions { permission value } }"
    for headers, some in ((READER, False), ({"X-Broker-Rights": "write"}, True)):
        answer = client.post("/graphql", json={"query": permissions}, headers=headers).json()
        assert any(one["value"] for one in answer["data"]["permissions"]) is some


@pytest.mark.parametrize(
    "content_type", ["text/plain", "text/plain; application/json", "application/x-www-form-urlencoded", ""]
)
def test_forms_command_nothing(client: httpx.Client, content_type: str) -> None:
    """Requests that a page may send without a preflight request, from a browser too old for the headers."""
    before = runs(client)
    body = json.dumps({"query": LAUNCH})
    answer = client.post("/graphql", content=body, params={"query": LAUNCH}, headers={"Content-Type": content_type})
    assert answer.status_code == 415
    assert runs(client) == before


def subscribe(port: int, **arguments: Any) -> dict[str, Any]:
    """The first message of a subscription to changes of the code locations."""
    with connect(f"ws://127.0.0.1:{port}/graphql", subprotocols=["graphql-ws"], **arguments) as socket:  # type: ignore[list-item]
        socket.send(json.dumps({"type": "connection_init"}))
        found: dict[str, Any] = json.loads(socket.recv(timeout=20))
        query = "subscription { locationStateChangeEvents { event { message } } }"
        socket.send(json.dumps({"type": "start", "id": "1", "payload": {"query": query}}))
        return found


def test_subscriptions_of_its_own_pages_are_served(port: int) -> None:
    assert subscribe(port)["type"] == "connection_ack"
    assert subscribe(port, origin=f"http://127.0.0.1:{port}")["type"] == "connection_ack"


def test_a_page_of_another_site_subscribes_to_nothing(port: int) -> None:
    for arguments in (
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"additional_headers": {"Sec-Fetch-Site": "cross-site"}},
    ):
        with pytest.raises(websockets.exceptions.InvalidStatus, match="403"):
            subscribe(port, **arguments)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_behind_a_proxy_its_origin_is_that_of_the_host(client: httpx.Client, scheme: str) -> None:
    headers = {"Host": "dagster.example.org", "Origin": f"{scheme}://dagster.example.org"}
    assert client.post("/graphql", json={"query": QUERY}, headers=headers).status_code == 200


def test_the_options_are_those_that_the_chart_gives(tmp_path: Path) -> None:
    """Dagster's chart runs `dagster-webserver -h 0.0.0.0 -p 80 -w …`, with these options if its values require them."""
    import typer.main

    from broker_assets.webserver import serve

    application = typer.Typer()
    application.command()(serve)
    names = {name for option in typer.main.get_command(application).params for name in option.opts}
    chart = {"-h", "-p", "-w", "--path-prefix", "--db-statement-timeout", "--db-pool-recycle", "--db-pool-max-overflow"}
    assert chart | {"--read-only", "--live-data-poll-rate", "--log-level"} <= names


@pytest.mark.database
@pytest.mark.slow
def test_restart_of_the_database_is_no_error_of_a_page(
    service_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server keeps connections that a killed PostgreSQL has forgotten: no page may show the resulting error."""
    query = "{ runsOrError { ... on Runs { results { id } } ... on PythonError { message } } }"
    database = EmbeddedPostgres(service_folder / "restarted")
    database.start()
    try:
        monkeypatch.setenv("DAGSTER_PG_URL", database.dagster_url())
        pages = DagsterPages(tmp_path, database.dagster_url(), "no_definitions")
        write_instance(pages.home)
        create_instance(pages.home)
        pages.webserver.start()
        try:
            assert pages.query(query) == {"results": []}
            pid = int(next(service_folder.glob("restarted/**/postmaster.pid")).read_text().split()[0])
            os.kill(pid, signal.SIGKILL)
            database.stop()
            database.start()
            assert [pages.query(query) for _ in range(3)] == [{"results": []}] * 3
        finally:
            pages.webserver.stop()
    finally:
        database.stop()

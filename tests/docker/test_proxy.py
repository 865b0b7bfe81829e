"""The reverse proxy's own configuration, run by a real nginx in front of our accounts and of what plays Dagster."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml
from debian_programs import needed_program
from kubernetes_objects import one, pod, rendered, workloads
from loopback import LoopbackServer, QuietHandler
from visitors import PASSWORD, make_accounts

from broker_assets.access import accounts, guesses, tokens
from broker_assets.api import create_app
from broker_assets.database import engine
from broker_assets.local.processes import free_ports
from broker_assets.settings import DatabaseSettings, ServerSettings, Settings

pytestmark = pytest.mark.database
ROOT = Path(__file__).parents[2]
CONFIGURATION = (ROOT / "docker" / "proxy" / "nginx.conf").read_text()


class Echo(QuietHandler):
    """Answers with the request that arrived."""

    def do_GET(self) -> None:
        """Any method."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        """As GET."""
        self.do_GET()


@dataclass(frozen=True)
class Proxy:
    """Its two addresses, those of the one for Kubernetes, and the database."""

    pages: str
    dagster: str
    url: str
    cluster: str


@contextmanager
def _application(settings: Settings, port: int) -> Iterator[None]:
    options: dict[str, Any] = {"host": "127.0.0.1", "port": port, "log_level": "warning", "ws": "none"}
    server = uvicorn.Server(uvicorn.Config(create_app(settings), forwarded_allow_ips="*", **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(10)


@pytest.fixture(scope="module")
def proxy(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """The configuration with other names and ports."""
    nginx = needed_program("nginx")
    home = tmp_path_factory.mktemp("nginx")
    api, dagster, pages, operators, inside, unused = free_ports(6)
    with engine.connect(module_database_url, autocommit=True) as connection:
        make_accounts(connection, "operator", "ann", "guest")
    echo = LoopbackServer(Echo, port=dagster)
    settings = Settings(
        home=home,
        streams=[],
        database=DatabaseSettings(url=module_database_url),  # type: ignore[arg-type]
        server=ServerSettings(public_hosts=["dagster.example.org"]),
        access={"signing_key": "k" * 40},  # type: ignore[arg-type]
    )
    addresses = {"api:8000": f"127.0.0.1:{api}", "webserver:3000": f"127.0.0.1:{dagster}"}
    of_compose = (ROOT / "docker" / "proxy" / "upstreams.conf").read_text()
    of_cluster = (ROOT / "docker" / "kubernetes" / "upstreams.conf").read_text()
    processes = [
        _nginx(
            nginx, home / "compose", of_compose, addresses | {"resolver 127.0.0.11 valid=10s;": ""}, pages, operators
        ),
        # The controller of ingresses is on loopback here.
        _nginx(nginx, home / "cluster", of_cluster, addresses | {"10.0.0.0/8": "127.0.0.0/8"}, inside, unused),
    ]
    try:
        with _application(settings, api):
            for port in (pages, inside):
                _wait(f"http://127.0.0.1:{port}/accounts/login/")
            host = "http://127.0.0.1"
            yield Proxy(f"{host}:{pages}", f"{host}:{operators}", module_database_url, f"{host}:{inside}")
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(10)
        echo.close()


def _nginx(
    program: str, home: Path, upstreams: str, addresses: Mapping[str, str], pages: int, operators: int
) -> subprocess.Popen[bytes]:
    """Start it with our configuration, on ports of this machine and in a folder of its own."""
    home.mkdir()
    text = CONFIGURATION
    folders = " ".join(
        f"{kind}_temp_path {home}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    for old, new in {
        "listen 8080": f"listen 127.0.0.1:{pages}",
        "listen 3080": f"listen 127.0.0.1:{operators}",
        "http {": f"http {{ access_log off; {folders}",
    }.items():
        assert old in text
        text = text.replace(old, new)
    for old, new in addresses.items():
        assert old in upstreams
        upstreams = upstreams.replace(old, new)
    (home / "upstreams.conf").write_text(upstreams)
    (home / "nginx.conf").write_text(f"pid {home}/nginx.pid;\nerror_log {home}/error.log warn;\ndaemon off;\n{text}")
    return subprocess.Popen([program, "-p", str(home), "-c", str(home / "nginx.conf")])


def _wait(url: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    pytest.fail(f"{url} does not answer")


def _log_in(client: httpx.Client, name: str) -> None:
    client.get("/accounts/login/")
    form = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    assert client.post("/accounts/login/", data=form).headers["location"] == "/"


def test_nobody_reaches_dagster_without_an_account(proxy: Proxy) -> None:
    with httpx.Client(base_url=proxy.dagster) as client:
        for headers in ({}, {"X-Broker-Rights": "write"}, {"Cookie": "sessionid=x"}, {"Authorization": "Token x"}):
            answer = client.get("/runs", headers=headers)
            assert (answer.status_code, answer.headers["location"]) == (302, "/accounts/login/")
            assert client.post("/graphql", json={}, headers=headers).status_code == 401
        assert client.get("/auth/check").status_code == 404  # only for the proxy itself
        assert client.get("/accounts/login/").status_code == 200


@pytest.mark.parametrize(("name", "rights"), [("oper", "write"), ("ann", "read"), ("guest", "read")])
def test_operators_write_and_others_read(proxy: Proxy, name: str, rights: str) -> None:
    with httpx.Client(base_url=proxy.dagster) as client:
        _log_in(client, name)
        for forged in ({}, {"X-Broker-Rights": "write"}, {"x-broker-rights": "write"}):
            for answer in (client.get("/runs", headers=forged), client.post("/graphql", json={}, headers=forged)):
                seen = answer.json()
                assert seen["x-broker-rights"] == rights
                assert seen["host"] == proxy.dagster.removeprefix("http://")
                assert "cookie" not in seen
                assert "authorization" not in seen
    with engine.connect(proxy.url, autocommit=True) as connection:
        token = tokens.issue(connection, accounts.get(connection, name), "proxy", "read", most=9)
    answer = httpx.post(f"{proxy.dagster}/graphql", json={}, headers={"Authorization": f"Token {token}"})
    assert answer.json()["x-broker-rights"] == "read"


def test_what_a_client_says_of_its_address_is_not_believed(proxy: Proxy) -> None:
    """Wrong passwords are counted by address: one that the client makes up would never be full."""
    with httpx.Client(base_url=proxy.pages) as client:
        client.get("/accounts/login/")
        form = {"username": "nobody", "password": "wrong", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        client.post("/accounts/login/", data=form, headers={"X-Forwarded-For": "203.0.113.7"})
    with engine.connect(proxy.url, autocommit=True) as connection:
        found = connection.execute("SELECT DISTINCT address FROM access.failed_guesses").fetchall()
        guesses.forget(connection, "nobody")
    assert found == [("127.0.0.1",)]


def test_behind_a_controller_of_ingresses_clients_keep_their_addresses(proxy: Proxy) -> None:
    """The last address that is none of the cluster's own: what stands before it, clients can write themselves."""
    with httpx.Client(base_url=proxy.cluster) as client:
        client.get("/accounts/login/")
        form = {"username": "nobody", "password": "wrong", "csrfmiddlewaretoken": client.cookies["csrftoken"]}
        client.post("/accounts/login/", data=form, headers={"X-Forwarded-For": "198.51.100.1, 203.0.113.7, 172.16.0.9"})
    with engine.connect(proxy.url, autocommit=True) as connection:
        found = connection.execute("SELECT DISTINCT address FROM access.failed_guesses").fetchall()
        guesses.forget(connection, "nobody")
    assert found == [("203.0.113.7",)]


def test_events_arrive_when_they_happen(proxy: Proxy) -> None:
    """Nothing on the way waits for the end of an answer, which comes after an hour."""
    with engine.connect(proxy.url, autocommit=True) as connection:
        token = tokens.issue(connection, accounts.get(connection, "ann"), "events", "read", most=9)
    headers = {"Authorization": f"Token {token}"}
    for address in (proxy.pages, proxy.cluster):
        began = time.monotonic()
        with httpx.stream("GET", f"{address}/api/v1/events", headers=headers, timeout=10) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            assert next(answer.iter_text()).startswith("retry: 3000")
        assert time.monotonic() - began < 8


def test_a_body_has_a_limit_and_headers_pass(proxy: Proxy) -> None:
    for address in (proxy.pages, proxy.dagster):
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            head = f"POST /graphql HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Length: {64 * 1024**2 + 1}\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(100).startswith(b"HTTP/1.1 413 ")
    answer = httpx.get(f"{proxy.pages}/accounts/login/")
    assert "default-src" in answer.headers["content-security-policy"]
    # By another name than those of the settings nobody is answered, also behind the proxy.
    assert httpx.get(f"{proxy.pages}/accounts/login/", headers={"Host": "attacker.example"}).status_code == 403
    known = httpx.get(f"{proxy.pages}/accounts/login/", headers={"Host": "dagster.example.org"})
    assert known.status_code == 200


def test_a_cookie_is_for_https_only_where_a_proxy_in_front_has_it(proxy: Proxy) -> None:
    for headers, secure in (({}, False), ({"X-Forwarded-Proto": "https"}, True), ({"X-Forwarded-Proto": "x"}, False)):
        answer = httpx.get(f"{proxy.pages}/accounts/login/", headers=headers)
        assert ("secure" in answer.headers["set-cookie"].lower()) is secure


def test_kubernetes_has_the_same_proxy() -> None:
    objects = rendered(ROOT / "docker" / "kubernetes")
    assert one(objects, {"kind": "ConfigMap", "name": "proxy"})["data"] == {"nginx.conf": CONFIGURATION}
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    for name in ("nginx.conf", "upstreams.conf"):
        assert f"./proxy/{name}:/etc/nginx/{name}:ro" in compose["services"]["proxy"]["volumes"]
        mounts = pod(workloads(objects)["proxy"])["containers"][0]["volumeMounts"]
        assert f"/etc/nginx/{name}" in {mount["mountPath"] for mount in mounts}
    webserver = pod(workloads(objects)["webserver"])["containers"][0]
    assert {"name": "BROKER_SERVER__ASKS_ACCOUNTS", "value": "true"} in webserver["env"]
    assert compose["services"]["webserver"]["environment"]["BROKER_SERVER__ASKS_ACCOUNTS"] == "true"
    assert compose["services"]["api"]["environment"]["BROKER_ACCESS__SIGNING_KEY"] == "${SIGNING_KEY:?}"
    assert "secrets" not in compose
    assert "auth_basic" not in CONFIGURATION

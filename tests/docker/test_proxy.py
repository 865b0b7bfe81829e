"""The reverse proxy's own configuration, run by a real nginx in front of our accounts and of what plays Dagster."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import yaml
from debian_programs import needed_program
from visitors import PASSWORD, make_accounts

from broker_assets.access import accounts, guesses, tokens
from broker_assets.api import create_app
from broker_assets.database import engine
from broker_assets.local.processes import free_ports
from broker_assets.settings import DatabaseSettings, ServerSettings, Settings

pytestmark = pytest.mark.database
ROOT = Path(__file__).parents[2]
CONFIGURATION = (ROOT / "docker" / "nginx.conf").read_text()


class Echo(BaseHTTPRequestHandler):
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

    def log_message(self, *_: Any) -> None:
        """Not to the terminal."""


@dataclass(frozen=True)
class Proxy:
    """Its two addresses."""

    pages: str
    dagster: str
    url: str


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
    api, dagster, pages, operators = free_ports(4)
    with engine.connect(module_database_url, autocommit=True) as connection:
        make_accounts(connection, "operator", "ann", "guest")
    text = CONFIGURATION
    for old, new in (
        ("http://api:8000", f"http://127.0.0.1:{api}"),
        ("http://webserver:3000", f"http://127.0.0.1:{dagster}"),
        ("listen 8080", f"listen 127.0.0.1:{pages}"),
        ("listen 3080", f"listen 127.0.0.1:{operators}"),
        ("    resolver 127.0.0.11 valid=10s;\n", ""),
        ("http {", "http { access_log off; " + " ".join(
            f"{kind}_temp_path {home}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    (home / "nginx.conf").write_text(f"pid {home}/nginx.pid;\nerror_log {home}/error.log warn;\ndaemon off;\n{text}")
    echo = ThreadingHTTPServer(("127.0.0.1", dagster), Echo)
    threading.Thread(target=echo.serve_forever, daemon=True).start()
    settings = Settings(
        home=home,
        streams=[],
        database=DatabaseSettings(url=module_database_url),  # type: ignore[arg-type]
        server=ServerSettings(public_hosts=["dagster.example.org"]),
        access={"signing_key": "k" * 40},  # type: ignore[arg-type]
    )
    process = subprocess.Popen([nginx, "-p", str(home), "-c", str(home / "nginx.conf")])
    try:
        with _application(settings, api):
            deadline = time.monotonic() + 20
            while time.monotonic() < deadline:
                try:
                    if httpx.get(f"http://127.0.0.1:{pages}/accounts/login/").status_code == 200:
                        break
                except httpx.HTTPError:
                    pass
                time.sleep(0.1)
            yield Proxy(f"http://127.0.0.1:{pages}", f"http://127.0.0.1:{operators}", module_database_url)
    finally:
        process.terminate()
        process.wait(10)
        echo.shutdown()
        echo.server_close()


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
        token = tokens.replace(connection, accounts.get(connection, name), "proxy", "read")
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


def test_a_cookie_is_for_https_only_where_a_proxy_in_front_has_it(proxy: Proxy) -> None:
    for headers, secure in (({}, False), ({"X-Forwarded-Proto": "https"}, True), ({"X-Forwarded-Proto": "x"}, False)):
        answer = httpx.get(f"{proxy.pages}/accounts/login/", headers=headers)
        assert ("secure" in answer.headers["set-cookie"].lower()) is secure


def test_the_ingress_of_kubernetes_does_the_same() -> None:
    folder = ROOT / "docker" / "kubernetes"
    ingresses = {one["metadata"]["name"]: one for one in yaml.safe_load_all((folder / "ingress.yaml").read_text())}
    notes = ingresses["broker-webserver"]["metadata"]["annotations"]
    prefix = "nginx.ingress.kubernetes.io/auth-"
    assert notes[f"{prefix}url"].endswith("/auth/check")
    assert notes[f"{prefix}response-headers"] == "X-Broker-Rights"
    assert notes[f"{prefix}signin"] == "https://$host/accounts/login/"
    paths = [path["path"] for path in ingresses["broker-webserver-log-in"]["spec"]["rules"][0]["http"]["paths"]]
    assert paths == ["/accounts/", "/static/"]
    values = yaml.safe_load((folder / "values.yaml").read_text())
    assert {"name": "BROKER_SERVER__ASKS_ACCOUNTS", "value": "true"} in values["dagsterWebserver"]["env"]
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    assert compose["services"]["webserver"]["environment"]["BROKER_SERVER__ASKS_ACCOUNTS"] == "true"
    assert compose["services"]["api"]["environment"]["BROKER_ACCESS__SIGNING_KEY"] == "${SIGNING_KEY:?}"
    assert "secrets" not in compose
    assert "auth_basic" not in CONFIGURATION

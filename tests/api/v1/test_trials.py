"""Trials of filters: asked for and found again; a filter is only activated by one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from interface_server import fill

from broker_assets.access import accounts, changes, tokens
from broker_assets.api import create_app
from broker_assets.database.engine import connect
from broker_assets.settings import DatabaseSettings, Settings

pytestmark = pytest.mark.database

TEXT = "SELECT objects.ra FROM objects WHERE objects.nDiaSources > 2"


class Woken:
    """In place of the process that runs trials."""

    def __init__(self) -> None:
        self.count = 0

    def wake(self) -> None:
        self.count += 1

    def stop(self) -> None:
        """Nothing runs."""


@pytest.fixture(scope="module")
def client(module_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    token = fill(module_database_url)
    home: Path = tmp_path_factory.mktemp("home")
    app = create_app(Settings(home=home, database=DatabaseSettings(url=module_database_url), streams=[]))  # type: ignore[arg-type]
    app.state.trial_process = Woken()
    with TestClient(app, base_url="http://127.0.0.1", headers={"Authorization": f"Token {token}"}) as opened:
        yield opened


def test_asked_for_and_cancelled(client: Any, module_database_url: str) -> None:
    made = client.post("/api/v1/trials", json={"definition": TEXT, "nights": 2})
    assert made.status_code == 202, made.text
    path = made.headers["location"]
    assert client.app.state.trial_process.count == 1
    assert (client.get(path).json()["state"], client.get(path).json()["nights"]) == ("waiting", 2)
    assert [one["trialId"] for one in client.get("/api/v1/trials").json()["trials"]] == [made.json()["trialId"]]
    with connect(module_database_url, autocommit=True) as connection:
        other = tokens.create(connection, accounts.add(connection, "bob", None), "test", "write")
    bob = {"Authorization": f"Token {other}"}
    assert client.get(path, headers=bob).status_code == 404
    assert client.delete(path, headers=bob).status_code == 409
    assert client.delete(path).status_code == 204
    assert client.delete(path).status_code == 409
    assert client.post("/api/v1/trials", json={"definition": "SELECT nothing FROM objects"}).status_code == 422


def test_a_filter_is_activated_by_a_trial(client: Any) -> None:
    path = client.post("/api/v1/filters", json={"name": "many", "definition": TEXT}).headers["location"]
    asked = client.patch(path, json={"active": True, "description": "mine"})
    assert asked.status_code == 202, asked.text
    assert asked.json()["activates"] is True
    assert (client.get(path).json()["active"], client.get(path).json()["description"]) == (False, "mine")
    assert client.patch(path, json={"active": False}).json()["state"] == "inactive"


def test_changes_are_recorded(client: Any, module_database_url: str) -> None:
    made = client.post("/api/v1/watchlists", json={"name": "w", "cones": "1, 2\n"}).json()
    client.patch(f"/api/v1/watchlists/{made['id']}", json={"public": True})
    client.put(f"/api/v1/watchlists/{made['id']}/cones", content="1, 3\n")
    client.delete(f"/api/v1/watchlists/{made['id']}")
    assert client.delete(f"/api/v1/watchlists/{made['id']}").status_code == 404  # and is not recorded
    with connect(module_database_url, autocommit=True) as connection:
        found = [(one.username, one.action, one.subject) for one in changes.newest(connection, 4)]
    assert [action for _, action, _ in found[::-1]] == [
        "watchlist made", "watchlist changed", "watchlist cones replaced", "watchlist removed",
    ]  # fmt: skip
    assert {(name, subject) for name, _, subject in found} == {("ann", str(made["id"]))}

"""Errors of any kind are VOTables."""

from __future__ import annotations

from fastapi import FastAPI
from fastapi.testclient import TestClient

from broker_assets.api.connections import Connections
from broker_assets.api.vo import add_to
from broker_assets.settings import Settings


def test_without_a_database() -> None:
    app = FastAPI()
    app.state.connections = Connections(None)
    app.state.accounts = Connections(None, writes=True)
    app.state.access = Settings().access
    add_to(app, Settings())
    client = TestClient(app)
    answer = client.get("/api/vo/scs", params={"RA": 1, "DEC": 1, "SR": 1})
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/x-votable+xml")
    assert b"QUERY_STATUS" in answer.content
    assert client.get("/api/vo/nothing").status_code == 404

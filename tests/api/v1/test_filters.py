"""Filters: checked, tried, made, seen and changed, by those who may."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from broker_assets.database import engine

pytestmark = pytest.mark.database

TEXT = "SELECT objects.diaObjectId, objects.ra FROM objects WHERE objects.nDiaSources > 2"


@pytest.fixture(scope="module")
def ann(v1_as: Callable[..., httpx.Client]) -> httpx.Client:
    return v1_as("v1ann")


@pytest.fixture(scope="module")
def private(ann: httpx.Client, filled_database_url: str, v1_star: Any) -> Any:
    """A filter of ann's with two matches."""
    answer = ann.post("/filters", json={"name": "v1 many", "definition": TEXT})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    with engine.connect(filled_database_url, autocommit=True) as connection:
        for night, source in (("2025-10-01", 1), ("2025-10-02", 2)):
            connection.execute(
                "INSERT INTO filter_matches (filterid, diaobjectid, diasourceid, night, ingestid, version, rows, row)"
                " VALUES (%s, %s, %s, %s, 1, 1, 1, %s)",
                (made["filterId"], v1_star["diaObjectId"], source, night, '{"ra": 1}'),
            )
    return made


def test_checked(v1: httpx.Client) -> None:
    found = v1.post("/filters/check", json={"definition": TEXT}).json()
    assert found["columns"] == ["diaObjectId", "ra"]
    assert found["tables"] == ["objects"]
    wrong = v1.post("/filters/check", json={"definition": "SELECT objects.diaObjectID7\nFROM objects"})
    assert wrong.status_code == 422
    assert (wrong.json()["errors"][0]["line"], wrong.json()["errors"][0]["column"]) == (1, 8)


def test_tried(ann: httpx.Client, v1: httpx.Client, v1_star: Any) -> None:
    found = ann.post("/filters/try", json={"definition": TEXT, "limit": 3}).json()
    assert len(found["rows"]) == 3
    assert found["more"] is True
    only = ann.post("/filters/try", json={"definition": TEXT, "objects": [v1_star["diaObjectId"]]}).json()
    assert [int(one) for one in only["diaObjectIds"]] == [v1_star["diaObjectId"]]
    assert v1.post("/filters/try", json={"definition": TEXT}).status_code == 401
    hidden = ann.post(
        "/filters/try", json={"definition": "selected: objects.ra\ntables: objects, watchlist:999\nconditions:\n"}
    )
    assert hidden.status_code == 404


def test_read(ann: httpx.Client, private: Any) -> None:
    path = f"/filters/{private['filterId']}"
    assert ann.get(path).json()["definition"].strip() == TEXT
    assert [one["version"] for one in ann.get(f"{path}/versions").json()["versions"]] == [1]
    assert ann.get(f"{path}/yields").json() == {"yields": []}
    first = ann.get(f"{path}/results", params={"limit": 1}).json()
    second = ann.get(f"{path}/results", params={"limit": 1, "cursor": first["next"]}).json()
    assert [page["results"][0]["night"] for page in (first, second)] == ["2025-10-01", "2025-10-02"]
    assert second["next"] is None
    late = ann.get(f"{path}/results", params={"first": "2025-10-02", "format": "csv"}).text.splitlines()
    assert len(late) == 2
    assert ann.get(f"{path}/sinks").json() == {"sinks": []}
    assert ann.get(f"{path}/deliveries").json() == {"deliveries": [], "next": None}


@pytest.mark.parametrize("name", [None, "v1bob"])
def test_others_do_not_know_of_it(v1_as: Callable[..., httpx.Client], private: Any, name: str | None) -> None:
    other, path = v1_as(name), f"/filters/{private['filterId']}"
    for part in ("", "/versions", "/results", "/yields"):
        assert other.get(path + part).status_code == 404
    refused = 401 if name is None else 404
    for part in ("/sinks", "/deliveries"):
        assert other.get(path + part).status_code == refused
    assert private["filterId"] not in [one["filterId"] for one in other.get("/filters").json()["filters"]]
    assert other.delete(path).status_code == refused
    assert other.put(f"{path}/definition", json={"definition": TEXT}).status_code == refused
    assert other.patch(path, json={"public": True}).status_code == refused


def test_changed(ann: httpx.Client, v1_as: Callable[..., httpx.Client], private: Any) -> None:
    path = f"/filters/{private['filterId']}"
    assert ann.put(f"{path}/definition", json={"definition": TEXT}).json() == {"version": 1}
    assert ann.put(f"{path}/definition", json={"definition": TEXT + " AND objects.ra > 1"}).json() == {"version": 2}
    assert ann.patch(path, json={"public": True}).json()["public"] is True
    bob = v1_as("v1bob")
    assert bob.get(path).status_code == 200
    assert bob.get(f"{path}/deliveries").status_code == 403
    assert bob.delete(path).status_code == 403
    assert ann.post("/filters", json={"name": "v1 MANY", "definition": TEXT}).status_code == 409
    assert ann.post("/filters", json={"name": "v1 wrong", "definition": "SELECT"}).status_code == 422


def test_removed(ann: httpx.Client, private: Any) -> None:
    assert ann.delete(f"/filters/{private['filterId']}").status_code == 204
    assert ann.get(f"/filters/{private['filterId']}").status_code == 404

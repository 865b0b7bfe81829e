"""Watchlists, areas and sky maps: made, seen, changed and removed, by those who may."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from mocpy import MOC

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def ann(v1_as: Callable[..., httpx.Client]) -> httpx.Client:
    return v1_as("v1ann")


@pytest.fixture(scope="module")
def private(ann: httpx.Client, v1_star: Any) -> Any:
    """A watchlist of ann's around the star."""
    cones = f"{v1_star['ra']}, {v1_star['dec']}, star\n10, 10, other, 30\n"
    answer = ann.post("/watchlists", json={"name": "v1 private", "cones": cones, "radius": 3})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_watchlist_is_made_and_read(ann: httpx.Client, private: Any) -> None:
    assert (private["cones"], private["public"], private["radius"]) == (2, False, 3.0)
    path = f"/watchlists/{private['id']}"
    assert ann.get(path).json()["name"] == "v1 private"
    assert ann.get(f"{path}/cones").text.splitlines()[-1].startswith("10")
    assert ann.get(f"{path}/hits").json() == {"hits": [], "next": None}
    assert ann.post("/watchlists", json={"name": "v1 PRIVATE", "cones": "1, 2\n"}).status_code == 409


def test_wrong_lines_are_named(ann: httpx.Client) -> None:
    answer = ann.post("/watchlists", json={"name": "v1 wrong", "cones": "10, 20\n400, 20, far\n10, north\n"})
    assert answer.status_code == 422
    assert [error["line"] for error in answer.json()["errors"]] == [2, 3]
    assert [one for one in ann.get("/watchlists").json()["watchlists"] if one["name"] == "v1 wrong"] == []


@pytest.mark.parametrize("name", [None, "v1bob"])
def test_others_do_not_know_of_it(v1_as: Callable[..., httpx.Client], private: Any, name: str | None) -> None:
    other, path = v1_as(name), f"/watchlists/{private['id']}"
    for part in ("", "/cones", "/hits"):
        assert other.get(path + part).status_code == 404
    assert private["id"] not in [one["id"] for one in other.get("/watchlists").json()["watchlists"]]
    refused = 401 if name is None else 404
    assert other.patch(path, json={"name": "mine"}).status_code == refused
    assert other.delete(path).status_code == refused
    assert other.put(f"{path}/cones", content="1, 2\n").status_code == refused


def test_a_token_that_only_reads_changes_nothing(v1_as: Callable[..., httpx.Client], private: Any) -> None:
    reader = v1_as("v1ann", scope="read")
    assert reader.get(f"/watchlists/{private['id']}").status_code == 200
    assert reader.delete(f"/watchlists/{private['id']}").status_code == 403
    assert reader.post("/areas", json={"name": "x", "region": "3/1"}).status_code == 403


def test_a_watchlist_is_changed(ann: httpx.Client, v1_as: Callable[..., httpx.Client], private: Any) -> None:
    path = f"/watchlists/{private['id']}"
    assert ann.put(f"{path}/cones", content="10, 10, other, 30\n11, 11\n").json() == {"removed": 1, "added": 1}
    changed = ann.patch(path, json={"description": "mine", "public": True, "expire": "2999-01-01T00:00:00"}).json()
    assert (changed["description"], changed["public"], changed["expires"][:4]) == ("mine", True, "2999")
    assert v1_as("v1bob").get(path).status_code == 200
    assert v1_as("v1bob").delete(path).status_code == 403
    assert ann.patch(path, json={"public": False}).status_code == 200
    assert ann.patch(path, json={"radius": 1000}).status_code == 422


def test_areas(ann: httpx.Client, v1_as: Callable[..., httpx.Client]) -> None:
    made = ann.post("/areas", json={"name": "v1 area", "region": "CIRCLE ICRS 150.1 2.2 1.5"})
    assert made.status_code == 201, made.text
    path = made.headers["location"].removeprefix("/api/v1")
    assert made.json()["square_degrees"] == pytest.approx(7.07, rel=0.02)
    moc = MOC.from_fits(io.BytesIO(ann.get(f"{path}/moc.fits").content))
    assert moc.sky_fraction * 41253 == pytest.approx(7.07, rel=0.02)
    assert ann.put(f"{path}/moc", content="3/1-4").json()["square_degrees"] > 100
    assert ann.put(f"{path}/moc", content="nonsense").status_code == 400
    assert ann.get(f"{path}/hits", params={"format": "csv"}).text.splitlines()[0].startswith('"diaObjectId"')
    assert v1_as().get(path).status_code == 404
    assert ann.patch(path, json={"name": "v1 field"}).json()["name"] == "v1 field"
    assert ann.delete(path).status_code == 204
    assert ann.get(path).status_code == 404


def test_it_is_removed(ann: httpx.Client, private: Any) -> None:
    assert ann.delete(f"/watchlists/{private['id']}").status_code == 204
    assert ann.get(f"/watchlists/{private['id']}").status_code == 404

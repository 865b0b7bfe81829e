"""Targets by the interface: made, found, changed, shared, removed, each by those who may."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from broker_assets.access import accounts
from broker_assets.access import groups as all_groups
from broker_assets.database import engine

pytestmark = pytest.mark.database


@pytest.fixture(scope="module")
def ann(v1_as: Callable[..., httpx.Client], filled_database_url: str) -> httpx.Client:
    client = v1_as("target.ann")
    v1_as("target.bob")
    with engine.connect(filled_database_url, autocommit=True) as connection:
        all_groups.add(connection, "target group")
        for name in ("target.ann", "target.bob"):
            accounts.join(connection, accounts.get(connection, name).userid, ["target group"])
    return client


def test_from_making_to_removing(ann: httpx.Client, v1_as: Callable[..., httpx.Client], v1_star: Any) -> None:
    answer = ann.post("/targets", json={"name": "M 1", "ra": 83.6, "dec": 22, "tags": ["SNR"], "extras": {"z": "0"}})
    assert answer.status_code == 201, answer.text
    path = f"/targets/{answer.json()['targetid']}"
    assert answer.headers["location"] == f"/api/v1{path}"
    assert ann.post("/targets", json={"name": "m 1", "ra": 1, "dec": 2}).status_code == 409
    for wrong, why in (
        ({"name": "x", "ra": 400, "dec": 2}, "ra: 400"),
        ({"name": "x", "elements": {"y": 1}}, "elements"),
    ):
        refused = ann.post("/targets", json=wrong)
        assert (refused.status_code, why in refused.json()["detail"]) == (400, True), refused.text
    of_object = [ann.post("/targets", json={"diaobjectid": str(v1_star["diaObjectId"])}) for _ in range(2)]
    assert [one.status_code for one in of_object] == [201, 201]
    assert of_object[0].json()["targetid"] == of_object[1].json()["targetid"]
    assert ann.post("/targets", json={"diaobjectid": 5}).status_code == 404
    for body, status in (
        ({"root": str(uuid.uuid4())}, 404),
        ({"root": str(uuid.uuid4()), "ra": 1}, 400),
        ({"root": "x"}, 422),
    ):
        assert ann.post("/targets", json=body).status_code == status
    assert ann.patch(path, json={"root": str(uuid.uuid4())}).status_code == 400
    assert ann.get(path).json()["name"] == "M 1"
    changed = ann.patch(path, json={"dec": 22.5, "tags": ["snr"], "extras": {}}).json()
    assert (changed["dec"], changed["tags"], changed["extras"]) == (22.5, ["snr"], {})
    found = ann.get("/targets", params={"near": "83.6,22.5,0.1", "tag": "SNR", "limit": 1}).json()
    assert ([one["name"] for one in found["targets"]], found["next"]) == (["M 1"], None)
    assert ann.get("/targets", params={"limit": 1}).json()["next"] == answer.json()["targetid"]
    assert ann.get("/targets", params={"near": "1,2"}).status_code == 422
    bob, guest = v1_as("target.bob"), v1_as()
    for other in (bob, guest):
        assert other.get(path).status_code == other.get(f"{path}/comments").status_code == 404
        assert other.get("/targets").json()["targets"] == []
    assert ann.put(f"{path}/groups", json={"groups": ["target group"]}).json() == {"groups": ["target group"]}
    assert ann.put(f"{path}/groups", json={"groups": ["nobody"]}).status_code == 403
    assert bob.get(path).json()["name"] == "M 1"
    assert "groups" not in bob.get(path).json()
    assert bob.patch(path, json={"dec": 0}).status_code == bob.delete(path).status_code == 403
    said = bob.post(f"{path}/comments", json={"body": "<b>bright</b>"})
    assert said.status_code == 201
    assert [one["author"] for one in ann.get(f"{path}/comments").json()["comments"]] == ["target.bob"]
    assert ann.delete(f"{path}/comments/{said.json()['commentid']}").status_code == 204
    assert guest.post("/targets", json={"name": "x"}).status_code == 401
    assert ann.delete(path).status_code == 204
    assert ann.get(path).status_code == 404


def test_files_and_lists(ann: httpx.Client, v1_as: Callable[..., httpx.Client]) -> None:
    made = ann.post("/target-lists", json={"name": "tonight"})
    assert made.status_code == 201, made.text
    number, bob = made.json()["listid"], v1_as("target.bob")
    content = "name,ra,dec,name2,host\nfirst,1,2,other,x\nfar,400,2,,\nsecond,3,4,,\n"
    answer = ann.post("/targets/import", content=content, params={"list": number}, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 200, answer.text
    assert [(one["line"], one["reason"]) for one in answer.json()["refused"]] == [(3, "ra: 400 is not from 0 to 360")]
    written = ann.get("/targets", params={"list": number, "format": "csv"})
    assert written.headers["content-type"].startswith("text/csv")
    assert [line.split(",")[0] for line in written.text.splitlines()] == ["name", "first", "second"]
    imported = bob.post("/targets/import", content=written.text)
    assert (len(imported.json()["made"]), imported.json()["refused"]) == (2, [])
    assert bob.post("/targets/import", content=b"\xff").status_code == 400
    first, second = answer.json()["made"]
    assert bob.get("/target-lists").json()["lists"] == []
    assert ann.put(f"/target-lists/{number}/groups", json={"groups": ["target group"]}).status_code == 200
    assert bob.get(f"/targets/{first}").status_code == 200
    assert ann.delete(f"/target-lists/{number}/targets/{first}").json() == {"removed": 1}
    assert bob.get(f"/targets/{first}").status_code == 404
    assert ann.put(f"/target-lists/{number}/targets/{first}").json() == {"added": 1}
    assert bob.put(f"/target-lists/{number}/targets/{second}").status_code == 403
    renamed = ann.patch(f"/target-lists/{number}", json={"name": "later", "public": True}).json()
    assert (renamed["name"], renamed["targets"]) == ("later", 2)
    assert ann.delete(f"/target-lists/{number}").status_code == 204
    assert ann.get(f"/targets/{first}").json()["lists"] == []

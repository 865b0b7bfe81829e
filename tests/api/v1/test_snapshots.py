"""Citable snapshots over the interface."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet
import pytest

pytestmark = pytest.mark.database


def test_frozen_and_read_for_ever(v1_as: Callable[..., httpx.Client], v1_star: Any, site: Any) -> None:
    ann, star = v1_as("v1ann"), v1_star["diaObjectId"]
    made = ann.post("/snapshots", json={"ids": [star], "title": "Figure 3"})
    assert made.status_code == 201, made.text
    about = made.json()
    content = v1_as().get(f"/snapshots/{about['snapshotId']}/content")
    assert hashlib.sha256(content.content).hexdigest() == about["sha256"]
    assert f"s{about['sha256'][:16]}" == about["snapshotId"]
    with zipfile.ZipFile(io.BytesIO(content.content)) as archive:
        curve = pyarrow.parquet.read_table(io.BytesIO(archive.read("lightcurves.parquet")))
        objects = pyarrow.parquet.read_table(io.BytesIO(archive.read("objects.parquet")))
        assert "features.parquet" in archive.namelist()
    assert objects["diaObjectId"].to_pylist() == [star]
    assert curve.num_rows > 2
    again = ann.post("/snapshots", json={"ids": [str(star)], "title": "other"}).json()
    assert again == about
    assert v1_as().get(f"/snapshots/{about['snapshotId']}").json()["title"] == "Figure 3"
    tag = {"If-None-Match": content.headers["etag"]}
    assert v1_as().get(f"/snapshots/{about['snapshotId']}/content", headers=tag).status_code == 304
    assert about["snapshotId"] in [one["snapshotId"] for one in v1_as().get("/snapshots").json()["snapshots"]]
    file = next(Path(site.settings.home / "archive" / "citable").rglob(f"{about['snapshotId']}.zip"))
    file.unlink()
    gone = v1_as().get(f"/snapshots/{about['snapshotId']}/content")
    assert gone.status_code == 410
    assert about["sha256"] in gone.json()["detail"]


def test_of_a_cone_as_of_a_moment(v1_as: Callable[..., httpx.Client], v1_star: Any) -> None:
    cone = {"ra": v1_star["ra"], "dec": v1_star["dec"], "radius": 5}
    made = v1_as("v1ann").post("/snapshots", json={"cone": cone, "as_of": 1.0, "features": False}).json()
    assert {one["name"]: one["rows"] for one in made["contents"]}["lightcurves.parquet"] == 0


@pytest.mark.parametrize(
    ("question", "status"),
    [
        ({}, 422),
        ({"ids": [1], "cone": {"ra": 1, "dec": 1, "radius": 1}}, 422),
        ({"ids": ["12"]}, 404),
        ({"ids": ["12"], "parts": ["x"]}, 422),
    ],
)
def test_what_cannot_be_frozen(v1_as: Callable[..., httpx.Client], question: Any, status: int) -> None:
    assert v1_as("v1ann").post("/snapshots", json=question).status_code == status
    assert v1_as("v1ann", scope="read").post("/snapshots", json=question).status_code in (403, 422)
    assert v1_as().post("/snapshots", json=question).status_code in (401, 422)
    assert v1_as().get("/snapshots/s0000000000000000").status_code == 404

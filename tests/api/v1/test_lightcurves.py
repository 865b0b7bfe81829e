"""Light curves: of one object and many, as of a moment, in every form."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet
import pytest
from astropy.io.votable import parse_single_table

pytestmark = pytest.mark.database


def test_one_light_curve(v1: httpx.Client, v1_star: Any) -> None:
    star = v1_star["diaObjectId"]
    answer = v1.get(f"/objects/{star}/lightcurve")
    found = answer.json()
    assert found["survey"] == "rubin"
    times = [point["midpointMjdTai"] for point in found["diaSources"]]
    assert times == sorted(times)
    assert len(times) > 2
    assert set(found["diaSources"][0]) == {
        "diaSourceId", "midpointMjdTai", "band", "psfFlux", "psfFluxErr", "reliability",
    }  # fmt: skip
    early = v1.get(f"/objects/{star}/lightcurve", params={"until": times[-1], "since": times[1]}).json()
    assert [point["midpointMjdTai"] for point in early["diaSources"]] == times[1:-1]
    only = v1.get(f"/objects/{star}/lightcurve", params={"parts": "detections"}).json()
    assert "diaForcedSources" not in only
    assert v1.get(f"/objects/{star}/lightcurve", params={"parts": "all"}).status_code == 422
    again = v1.get(f"/objects/{star}/lightcurve", headers={"If-None-Match": answer.headers["etag"]})
    assert again.status_code == 304
    joint = v1.get(f"/objects/{star}/lightcurve", params={"joint": True}).json()
    assert joint["linked"] == []
    assert joint["diaSources"] == found["diaSources"]


def test_as_of_a_moment(v1: httpx.Client, v1_star: Any) -> None:
    star = v1_star["diaObjectId"]
    now = v1.get(f"/objects/{star}/lightcurve").json()["diaSources"]
    last = now[-1]["midpointMjdTai"]
    before = v1.get(f"/objects/{star}/lightcurve", params={"as_of": last - 1e-6}).json()
    assert before["asOf"] == last - 1e-6
    assert len(before["diaSources"]) < len(now)
    assert all(point["midpointMjdTai"] < last for point in before["diaSources"])
    at = v1.get(f"/objects/{star}/lightcurve", params={"as_of": last}).json()
    assert at["diaSources"] == now
    assert v1.get(f"/objects/{star}/lightcurve", params={"as_of": 1.0}).json()["diaSources"] == []


def test_every_form_has_the_same_points(v1: httpx.Client, v1_star: Any) -> None:
    path = f"/objects/{v1_star['diaObjectId']}/lightcurve"
    document = v1.get(path).json()
    points = len(document["diaSources"]) + len(document["diaForcedSources"]) + len(document["diaNondetectionLimits"])
    arrow = pa.ipc.open_stream(v1.get(path, params={"format": "arrow"}).content).read_all()
    assert arrow.num_rows == points
    fluxes = arrow.filter(pa.compute.equal(arrow["kind"], "detection"))["psfFlux"].to_pylist()
    assert fluxes == pytest.approx([point["psfFlux"] for point in document["diaSources"]])
    parquet = v1.get(path, headers={"Accept": "application/vnd.apache.parquet"})
    assert pyarrow.parquet.read_table(io.BytesIO(parquet.content)).equals(arrow)
    votable = parse_single_table(io.BytesIO(v1.get(path, params={"format": "votable"}).content))
    assert len(votable.array) == points
    assert votable.get_field_by_id_or_name("psfFlux").unit == "nJy"
    lines = v1.get(path, params={"format": "csv"}).text.splitlines()
    assert len(lines) == points + 1


def test_many_light_curves(v1: httpx.Client, v1_star: Any) -> None:
    objects = v1.get("/objects", params={"limit": 1000}).json()["objects"]
    identifiers = [one["diaObjectId"] for one in objects]
    found = v1.post("/lightcurves", json={"ids": [*identifiers, "12"]}).json()
    assert [int(one["diaObjectId"]) for one in found["lightcurves"]] == sorted(map(int, identifiers))
    assert found["unknown"] == ["12"]
    star = next(one for one in found["lightcurves"] if int(one["diaObjectId"]) == v1_star["diaObjectId"])
    assert star == v1.get(f"/objects/{v1_star['diaObjectId']}/lightcurve").json()
    few = v1.get("/lightcurves", params={"ids": ",".join(map(str, identifiers[:3])), "format": "arrow"})
    table = pa.ipc.open_stream(few.content).read_all()
    assert set(table["diaObjectId"].to_pylist()) == set(map(int, identifiers[:3]))
    assert v1.post("/lightcurves", json={"ids": identifiers[:1], "parts": ["some"]}).status_code == 422
    assert v1.get("/lightcurves", params={"ids": ","}).status_code == 422

"""Light curves by version, as FASTDB's client asks for them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from fastdb_dialogue import FastdbClient, RefusedError

from broker_assets.api.fastdb import curves
from broker_assets.database import engine
from broker_assets.tom.versions.loading import load_reduction

pytestmark = pytest.mark.database


def test_many(client: FastdbClient, monkeypatch: pytest.MonkeyPatch) -> None:
    found = client.post("/ltcv/getmanyltcvs", {"objids": [1, 3, 99]})
    assert sorted(len(one["mjd"]) for one in found) == [1, 6]
    bright = max(found, key=lambda one: len(one["mjd"]))
    assert list(bright) == [
        "rootid", "mjd", "diasourceid", "diaforcedsourceid", "source_diaobjectid", "forced_diaobjectid", "visit",
        "band", "flux", "fluxerr", "isdet", "ispatch",
    ]  # fmt: skip
    assert bright["diasourceid"] == [None, 10020, 10030, 10040, 10050, 10060]
    assert bright["ispatch"] == [0, 0, 0, 0, 0, 1]
    assert bright["band"][4:] == ["Y", "r"]
    by_root = client.post("/ltcv/getmanyltcvs/realtime/", {"objids": [bright["rootid"]], "which": "patch"})
    assert by_root == [bright]
    dr1 = client.post("/ltcv/getmanyltcvs/dr1", {"objids": [1], "include_base_procver": 1, "which": "forced"})[0]
    assert dr1["flux"] == [2001.0, 2002.0, 2003.0, 1004.5, 1005.5]
    assert dr1["base_procver_f"] == ["dr1", "dr1", "dr1", "realtime", "realtime"]
    assert dr1["base_procver_s"][-1] == "realtime"
    assert "ispatch" not in dr1
    detections = client.post(
        "/ltcv/getmanyltcvs", {"objids": [1], "which": "detections", "include_source_positions": 1, "bands": "r"}
    )[0]
    assert {"diaforcedsourceid", "forced_diaobjectid", "ispatch"}.isdisjoint(detections)
    assert (detections["det_raerr"][0], detections["det_decerr"][0]) == (0.1, None)
    # A few at a time, in the same form.
    whole = client.post("/ltcv/getmanyltcvs", {"objids": [1, 3], "return_object_info": 1})
    monkeypatch.setattr(curves, "TOGETHER", 1)
    apart = client.post("/ltcv/getmanyltcvs", {"objids": [1, 3], "return_object_info": 1})
    assert apart["ltcvs"] == whole["ltcvs"]
    assert sorted(apart["objinfo"]["diaobjectid"]) == sorted(whole["objinfo"]["diaobjectid"]) == [1, 2, 3]
    assert client.post("/ltcv/getmanyltcvs", {"limit": 10})[0]["rootid"] == min(one["rootid"] for one in found)
    assert client.post("/ltcv/getmanyltcvs", {"limit": 10, "offset": 5}) == []
    assert client.post("/ltcv/getmanyltcvs", {"objids": [99], "return_object_info": True})["ltcvs"] == []


def test_one(client: FastdbClient) -> None:
    many = client.post("/ltcv/getmanyltcvs/dr1", {"objids": [101], "mjd_now": 61003})
    assert client.post("/ltcv/getltcv/dr1/101", {"mjd_now": 61003}) == many[0]
    assert len(client.post(f"/ltcv/getltcv/{many[0]['rootid']}")["mjd"]) == 6
    weighted = client.post(
        "/ltcv/getltcv/default/1", {"return_object_info": 1, "always_use_weighted_source_positions": 1}
    )
    assert weighted["objinfo"]["pos_base_procver"] == [None, None]
    assert weighted["objinfo"]["ra"][0] == weighted["objinfo"]["ra"][1]
    assert weighted["objinfo"]["ra"][0] % 360 == pytest.approx(0, abs=1e-4)
    bare = client.post("/ltcv/getltcv/default/1", {"return_object_info": 1, "include_object_positions": 0})
    assert set(bare["objinfo"]) == {"diaobjectid", "rootid", "obj_base_procver"}
    assert client.post("/ltcv/getrandomltcv/only_dr1")["visit"] == [1001, 1002, 1003]


def test_hot(client: FastdbClient) -> None:
    found = client.post("/ltcv/gethottransients", {"mjd_now": 61005.5, "detected_in_last_days": 1})
    assert [len(one["mjd"]) for one in found["ltcvs"]] == [6]
    assert found["objinfo"]["diaobjectid"] == [1, 2]
    forced = client.post("/ltcv/gethottransients/dr1", {"detected_since_mjd": 61000, "source_patch": False})
    assert sorted(len(one["mjd"]) for one in forced["ltcvs"]) == [5]  # the other one has no forced photometry
    assert client.post("/ltcv/gethottransients") == {
        "ltcvs": [],
        "objinfo": {name: [] for name in found["objinfo"]},
    }
    assert client.post("/ltcv/gethottransients", {"mjd_now": 61100, "processing_version": "dr1"})["ltcvs"] == []


def test_hot_in_every_layout_with_hosts(client: FastdbClient, fastdb_database: str) -> None:
    galaxies = [
        {"diaObjectId": 1, "host_catalog": "DES", "host_id": "7", "ra": 0.001, "dec": -20.0, "pzmean": 0.25},
        {"diaObjectId": 1, "host_catalog": "DES", "host_id": "8", "ra": 0.002, "dec": -20.0, "pzmean": 0.5},
        {"diaObjectId": 2, "host_catalog": "DES", "host_id": "7", "ra": 0.001, "dec": -20.0, "pzmean": 0.25},
    ]
    with engine.connect(fastdb_database, autocommit=True) as connection:
        done = load_reduction(connection, "dr1", hosts=pa.Table.from_pylist(galaxies))
        assert (done.hosts, done.matches) == (2, 3)
    body = {"mjd_now": 61005.5, "detected_in_last_days": 3.5, "include_hostinfo": True, "processing_version": "dr1"}
    whole = client.post("/ltcv/gethottransients", body)
    assert whole["hostinfo"] == {
        "diaobjectid": [1, 2], "host_catalog": ["DES"] * 2, "host_id": ["7", "7"], "host_base_procver": ["dr1"] * 2,
        "host_ra": [0.001] * 2, "host_dec": [-20.0] * 2, "hostgal_pzmean": [0.25] * 2,
    }  # fmt: skip
    rows = client.post("/ltcv/gethottransients", {**body, "return_format": 1})
    bright = next(row for row in rows if row["diaobjectid"] == 1)
    same = next(one for one in whole["ltcvs"] if one["rootid"] == bright["rootid"])
    assert {name: bright[name] for name in ("mjd", "band", "flux", "isdet", "ispatch")} == {
        name: same[name] for name in ("mjd", "band", "flux", "isdet", "ispatch")
    }
    assert (bright["zp"], bright["redshift"], bright["host_id"], bright["hostgal_pzmean"]) == (31.4, -99, "7", 0.25)
    columns = client.post("/ltcv/gethottransients/dr1", {**body, "return_format": 2})
    assert columns["rootid"] == [row["rootid"] for row in rows]
    assert columns["flux"] == [row["flux"] for row in rows]
    assert columns["hostgal_pzmean"] == [row.get("hostgal_pzmean") for row in rows]
    empty = client.post("/ltcv/gethottransients", {"return_format": 2, "include_object_position": False})
    assert empty["rootid"] == empty["flux"] == []
    assert client.post("/ltcv/gethottransients", {"return_format": 1}) == []


def test_what_brokers_say(client: FastdbClient, fastdb_database: str) -> None:
    with engine.connect(fastdb_database, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO elasticc2_brokerclassifier (classifier_id, brokername, classifiername, classifierparams)"
            " OVERRIDING SYSTEM VALUE VALUES (1, 'Fink', 'RF', '1.0'), (2, 'AMPEL', 'X', NULL)"
        )
        connection.execute(
            "INSERT INTO elasticc2_brokermessage (streammessage_id, topicname, kafka_partition, alert_id, diasource_id,"
            " classid, classifier_id, probability, document) VALUES"
            " (0, 't', 0, 10020, 10020, '{2222}', 1, '{0.5}', NULL),"
            " (1, 'u', 0, 10020, 10020, '{2222}', 2, '{0.5}', '{\"a\": 1}')"
        )
    found = client.post("/ltcv/getbrokerinfo", {"diasourceids": [10020, 10030]})
    assert found == {
        "10020": [
            {"brokername": "AMPEL", "topic": "u", "info": {"a": 1}},
            {
                "brokername": "Fink",
                "topic": "t",
                "info": {
                    "brokerName": "Fink",
                    "classifierName": "RF",
                    "classifierVersion": "1.0",
                    "classifications": [{"classId": 2222, "probability": 0.5}],
                },
            },
        ]
    }
    assert len(client.post("/ltcv/getbrokerinfo/realtime", {"diasourceids": 10020, "topic": "t"})["10020"]) == 1
    assert client.post("/ltcv/getbrokerinfo/only_dr1", {"diasourceids": 10020}) == {}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("getmanyltcvs", None, "Must pass POST data as a json dict with at least objids as a key"),
        ("getmanyltcvs", "kitten", "must be a JSON dict"),
        ("getmanyltcvs", {"objids": []}, "no objids requested"),
        ("getmanyltcvs", {"objids": [1, "kitten"]}, "must be a list of integers or a list of uuids"),
        ("getmanyltcvs", {"objids": [1], "foo": "bar"}, "Unknown data parameters: {'foo'}"),
        ("getmanyltcvs", {"objids": [1], "which": "all"}, "which must be detections, forced, or patch, not all"),
        ("getmanyltcvs", {"objids": [1], "mjd_now": "now"}, "mjd_now must be a number"),
        ("getmanyltcvs", {"objids": [2**63]}, "must be a list"),
        ("getmanyltcvs", {"limit": -1}, "limit must be"),
        ("getmanyltcvs/none", {"objids": [1]}, "Unknown processing version none"),
        ("getltcv/default/99", None, "Could not find lightcurve for 99 in processing version default"),
        ("getltcv/only_dr1/3", None, "Could not find lightcurve for 3 in processing version only_dr1"),
        ("getltcv/kitten", None, "must be a list"),
        ("getrandomltcv/none", None, "Unknown processing version none"),
        ("gethottransients", {"detected_since_mjd": 1, "detected_in_last_days": 1}, "only give one of"),
        ("gethottransients", {"return_format": 3}, "return_format must be 0, 1 or 2, not 3"),
        ("gethottransients", {"foo": 1}, "Unknown data parameters: {'foo'}"),
        ("getbrokerinfo", {}, "must include key diasourceids"),
        ("getbrokerinfo/none", {"diasourceids": [1]}, "Unknown processing version none"),
    ],
)
def test_mistakes_are_422(client: FastdbClient, path: str, body: Any, said: str) -> None:
    with pytest.raises(RefusedError) as told:
        client.send(f"/ltcv/{path}", body)
    assert said in str(told.value)

"""Versions, counts, objects and searches, as FASTDB's client asks for them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
import requests
from fastdb_dialogue import RefusedError, sent

pytestmark = pytest.mark.database


def test_versions(client: Any) -> None:
    assert client.post("/getprocvers") == {"status": "ok", "procvers": ["default", "dr1", "only_dr1", "realtime"]}
    found = client.post("/procver/default")
    assert (found["description"], found["aliases"]) == ("realtime", ["default"])
    assert client.post(f"/procver/{found['id']}/") == found
    assert client.post("/procver/dr1")["base_procvers"]["diaforcedsource"] == [["dr1", 10], ["realtime", 0]]
    assert set(found["base_procvers"]) == {
        "diaobject", "diaobject_position", "diasource", "diaforcedsource", "host_galaxy",
    }  # fmt: skip
    base = client.post("/baseprocver/dr1/diasource")
    assert (base["table"], base["procvers"]) == ("diasource", ["dr1", "only_dr1"])
    assert client.post(f"/baseprocver/{base['id']}") == base


def test_counts(client: Any) -> None:
    for names, table, number in (
        (("rootid", "rootobject", "root"), "rootid", 2),
        (("diaobject", "object"), "diaobject", 3),
        (("diasource", "source"), "diasource", 6),
        (("diaforcedsource", "forced"), "diaforcedsource", 5),
    ):
        for name in names:
            wanted = {"status": "ok", "table": table, "isestimate": False, "count": number}
            assert client.post(f"/count/{name}") == wanted
    assert client.post("/count/forced/only_dr1")["count"] == 3
    assert client.post("/count/source/dr1/", {"estimate": True})["isestimate"] is True


def test_objects(client: Any) -> None:
    found = client.post("/getdiaobjectinfo/default/1")
    assert set(found) == {
        "diaobjectid", "rootid", "obj_base_procver", "pos_base_procver", "ra", "dec", "raerr", "decerr", "ra_dec_cov",
    }  # fmt: skip
    root = found["rootid"][0]
    assert client.post("/getdiaobjectinfo/1") == found
    assert client.post("/getdiaobjectinfo", {"objectids": [1], "processing_version": "realtime"}) == found
    both = client.post(f"/getdiaobjectinfo/dr1/{root}")
    assert both["diaobjectid"] == [1, 2, 101]
    assert client.post("/getdiaobjectinfo/dr1", {"objectids": root}) == both
    some = client.post("/getdiaobjectinfo/dr1", {"objectids": [1, 2], "columns": ["ra", "dec"]})
    assert set(some) == {"diaobjectid", "ra", "dec"}


def test_searches(client: Any) -> None:
    every = client.post("/objectsearch", {})
    assert len(every["rootid"]) == 2
    bright = client.post("/objectsearch/realtime", {"ndets_min": 2})
    assert (bright["ndets"], bright["firstdet_mjd"], bright["lastforced_flux"]) == ([5], [61001.0], [1005.5])
    for conditions in (
        {"ndets": 5},
        {"lastdet_mjd_min": 61003, "nsn10_min": 4, "ndets22_max": 0},
        {"mint_lastdetection": 61003, "maxmag_lastdetection": 24},
        {"ra": 0, "dec": -20, "radius": 5},
        {"maxdet_flux_min": "1000"},
    ):
        assert client.post("/objectsearch/realtime", conditions)["rootid"] == bright["rootid"], conditions
    assert client.post("/objectsearch", {"searchband": ["g"]})["band"] == ["g"]
    assert client.post("/objectsearch", {"just_objids": True}) == {"rootid": every["rootid"]}
    assert client.post("/objectsearch", {"minmag_maxdetection": 24})["ndets"] == [1]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("procver/none", None, "Unknown processing version none"),
        ("baseprocver/realtime", None, "table is required when base_processing_version is not a uuid"),
        ("baseprocver/5f0c8a8e-0000-4000-8000-000000000000", None, "Unknown base processing version 5f0c"),
        ("count/none", None, "Unknown thing to count: none"),
        ("count/object/none", None, "Unknown processing version none"),
        ("count/object", {"foo": 1}, "Unknown data parameters: {'foo'}"),
        ("getdiaobjectinfo", None, "must pass either objids or objids_table"),
        ("getdiaobjectinfo/dr1", None, "must pass either objids or objids_table"),
        ("getdiaobjectinfo/dr1", {"processing_version": "realtime"}, "Conflicting processing versions; dr1 specified"),
        ("getdiaobjectinfo/dr1/1", {"objectids": [1]}, "object id given in both URL and body"),
        ("getdiaobjectinfo/dr1/kitten", None, "must be a list of integers or a list of uuids"),
        ("getdiaobjectinfo/dr1/1", {"columns": ["foo"]}, "Unknown Columns: {'foo'}"),
        ("objectsearch", {"foo_min": 1}, "Unknown search keyword foo_min"),
        ("objectsearch", {"ndets_min": "many"}, "ndets_min must be a number"),
        ("objectsearch", {"ra": 1, "radius": 1}, "a cone needs ra, dec and radius"),
        ("objectsearch", {"ra": 1, "dec": 1, "radius": None}, "a cone needs ra, dec and radius"),
        ("objectsearch", {"dec": 1}, "a cone needs ra, dec and radius"),
        ("objectsearch", {"ra": 1, "dec": 91, "radius": 1}, "dec must be between -90 and 90"),
    ],
)
def test_mistakes_are_422(client: Any, path: str, body: Any, said: str) -> None:
    with pytest.raises(RefusedError) as told:
        client.send(f"/{path}", body)
    assert said in str(told.value)


def test_nobody_is_let_in_without_a_log_in(fastdb_site: str) -> None:
    from broker_assets.api.fastdb.routes import FUNCTIONS

    for path, _, _ in FUNCTIONS:
        if path.startswith("auth/"):
            continue
        filled = path.format(procver="default", table="diasource", which="object", objid="1", queryid="1")
        answer = sent(f"{fastdb_site}/{filled}", {})
        assert (answer.status_code, answer.text) == (422, "Not logged in"), path


def test_a_token_is_taken_too(talk: Callable[..., Any], fastdb_site: str, fastdb_database: str) -> None:
    from broker_assets.access import accounts, tokens
    from broker_assets.database import engine

    with engine.connect(fastdb_database, autocommit=True) as connection:
        token = tokens.issue(connection, accounts.get(connection, "berta"), "test", "read", most=9)
    headers = {"Authorization": f"Token {token}"}
    assert sent(f"{fastdb_site}/getprocvers", headers=headers).status_code == 200
    writing = sent(f"{fastdb_site}/spectrum/askforspectrum", {}, headers=headers)
    assert (writing.status_code, writing.text[:18]) == (422, "the token may only")


def test_other_readers_take_a_version_too(client: Any, fastdb_site: str) -> None:
    """Light curves of our own interface and of the TOM, and snapshots, which name theirs."""
    site = fastdb_site.removesuffix("/fastdb")
    client.verify_logged_in()
    client.session.headers["X-CSRFToken"] = client.session.cookies["csrftoken"]

    def detections(version: str | None, path: str = "objects/1/lightcurve") -> int:
        query = {} if version is None else {"processing_version": version}
        answer = client.session.get(f"{site}/api/v1/{path}", params=query)
        assert answer.status_code == 200, answer.text
        content = answer.json()
        return len((content["lightcurves"][0] if "lightcurves" in content else content)["diaSources"])

    for path in ("objects/1/lightcurve", "lightcurves?ids=1"):
        assert [detections(version, path) for version in (None, "realtime", "dr1", "only_dr1")] == [3, 3, 3, 0]
    assert client.session.get(f"{site}/api/v1/objects/1/lightcurve?processing_version=none").status_code == 422

    def by_object(path: str) -> dict[str, int]:
        content = client.session.get(f"{site}/api/v1/{path}&processing_version=dr1&root=true").json()
        every = content.get("lightcurves") or [content, *content["linked"]]
        return {str(one["diaObjectId"]): len(one["diaSources"]) for one in every}

    for path in ("objects/1/lightcurve?parts=detections", "lightcurves?ids=1&parts=detections"):
        assert by_object(path) == {"1": 3, "2": 2, "101": 3}

    def features(version: str) -> list[Any]:
        answer = client.session.get(f"{site}/api/v1/objects/1/features", params={"processing_version": version})
        assert answer.status_code == 200, answer.text
        content = answer.json()
        assert (content["diaObjectId"], content["processingVersion"]) == (1, version)
        return list(content["features"])

    def drawn(version: str) -> str:
        answer = client.session.get(f"{site}/objects/1/points.csv", params={"processing_version": version})
        assert answer.status_code == 200, answer.text
        return str(answer.text)

    assert [len(drawn(version).splitlines()) - 1 for version in ("realtime", "dr1", "only_dr1")] == [10, 11, 6]
    assert ",2001" in drawn("dr1")
    assert ",2001" not in drawn("realtime")
    page = client.session.get(f"{site}/objects/1/?processing_version=dr1").text
    assert "In the processing version dr1" in page
    assert "points.json?processing_version=dr1" in page
    assert "nrSources" in page
    assert client.session.get(f"{site}/objects/1/?processing_version=none").status_code == 404

    # The page of the root object has all its objects, and their points in any version.
    found = re.search(r"/roots/[0-9a-f-]{36}/", page)
    assert found is not None
    root = f"{site}{found[0]}"
    asked = client.post(
        "/spectrum/askforspectrum",
        {"requester": "SRS", "rootids": [found[0][7:-1]], "priorities": [4], "ras": [10], "decs": [1]},
    )
    assert asked["num"] == 1
    answers = [client.session.get(root, params={"processing_version": one}).text for one in ("realtime", "dr1")]
    for answer, points in zip(answers, (10, 11), strict=True):
        assert f"{points} points of all objects" in answer
        assert "wanted by SRS, priority 4" in answer
        assert 'class="curve"' in answer
        assert [number for number in (1, 2, 101) if f">{number}<" in answer] == [1, 2, 101]
    assert "wanted by SRS" not in requests.get(root, timeout=60).text
    assert "/objects/1/?processing_version=dr1" in answers[1]
    assert "/objects/101/" not in answers[1]  # of the data release alone, the broker has no page of it
    assert client.session.get(root, params={"processing_version": "none"}).status_code == 404
    assert client.session.get(f"{site}/roots/{uuid.uuid4()}/").status_code == 404
    assert client.session.get(f"{site}/api/v1/objects/1/features").json()["features"] == []  # no alert came
    # The points of all objects of the root: in dr1 the first visits are those of its own object, 1000 nJy brighter.
    said, again, alone = (features(version)[0] for version in ("realtime", "dr1", "only_dr1"))
    assert (said["diaSourceId"], again["diaSourceId"], alone["diaSourceId"]) == (10060, 10060, 10030)
    assert [one["nrSources"] for one in (said, again, alone)] == [5, 6, 3]
    assert [one["firstDiaSourceMjdTai"] for one in (said, again, alone)] == [61001.0, 61000.0, 61000.0]
    assert [one["latest_psfFlux"] for one in (said, again, alone)] == [1006.0, 1006.0, 2003.0]
    assert client.session.get(f"{site}/api/v1/objects/1/features?processing_version=none").status_code == 422
    frozen = client.session.post(f"{site}/api/v1/snapshots", json={"ids": [1], "processing_version": "default"}).json()
    assert frozen["versions"]["processing"]["version"] == "realtime"
    assert frozen["question"]["processing_version"] == "default"
    again = client.session.post(f"{site}/api/v1/snapshots", json={"ids": [1]}).json()
    assert again["versions"]["processing"] == frozen["versions"]["processing"]
    for path in ("ltcv", "gethottransients"):
        body = {"processing_version": "none", **({"objectid": 1} if path == "ltcv" else {})}
        refused = client.session.post(f"{site}/elasticc2/{path}", json=body)
        assert (refused.status_code, refused.text[-31:]) == (422, "Unknown processing version none")
        body["processing_version"] = "dr1"
        assert client.session.post(f"{site}/elasticc2/{path}", json=body).json() == {"status": "ok", "diaobject": []}

"""Light curves over HTTP."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from longest_history import longest

from broker_assets.annotations.annotators import add_annotator, remove_annotator
from broker_assets.database.engine import connect
from broker_assets.stream.annotation_followup import annotate

pytestmark = pytest.mark.database


def test_light_curves_have_every_point_in_order(site: Any) -> None:
    alert = longest(site.alerts)
    packet = site.record(alert)
    curve = site.client.get(f"/api/objects/{alert.diaobjectid}/lightcurve").json()
    assert curve["diaObjectId"] == str(alert.diaobjectid)
    assert curve["survey"] == "rubin"
    sources = [*packet["prvDiaSources"], packet["diaSource"]]
    assert [point["diaSourceId"] for point in curve["diaSources"]] == [str(one["diaSourceId"]) for one in sources]
    assert np.allclose([point["psfFlux"] for point in curve["diaSources"]], [one["psfFlux"] for one in sources])
    assert len(curve["diaForcedSources"]) == len(packet["prvDiaForcedSources"])
    times = [point["midpointMjdTai"] for point in curve["diaForcedSources"]]
    assert times == sorted(times)
    assert set(curve["diaSources"][0]) == {
        "diaSourceId", "midpointMjdTai", "band", "psfFlux", "psfFluxErr", "reliability"
    }  # fmt: skip
    full = site.client.get(f"/api/objects/{alert.diaobjectid}/lightcurve", params={"full": True}).json()
    assert full["diaObject"]["nDiaSources"] == len(sources)
    assert "pixelFlags_cr" in full["diaSources"][0]


def test_features_of_an_object_and_of_its_alerts(site: Any) -> None:
    alert = longest(site.alerts)
    packet = site.record(alert)
    about = site.client.get(f"/api/objects/{alert.diaobjectid}").json()
    assert about["survey"] == "rubin"
    sources = [*packet["prvDiaSources"], packet["diaSource"]]
    assert sum(about["diaObject"][f"n{band}Sources"] for band in "ugrizy") == len(sources)
    assert about["diaObject"]["latest_psfFlux"] == pytest.approx(packet["diaSource"]["psfFlux"])
    rows = site.client.get(f"/api/objects/{alert.diaobjectid}/features").json()["features"]
    own = [item for item in site.alerts if item.diaobjectid == alert.diaobjectid]
    assert len(rows) == len(own) > 1
    newest = rows[-1]
    assert newest["diaSourceId"] == str(packet["diaSource"]["diaSourceId"])
    for name in ("ebv", "medianR", "jump1", "latestPairColourBands", "lastDiaSourceMjdTai"):
        assert newest[name] == about["diaObject"][name]
    assert site.client.get("/api/objects/1/features").status_code == 404


def test_scores_of_classifiers(site: Any, filled_database_url: str) -> None:
    alert = longest(site.alerts)
    where = f"/api/objects/{alert.diaobjectid}"
    assert site.client.get(where).json()["classifications"] == []
    scores = (("1", "tiny", "a", 0.25), ("1", "tiny", "b", 0.75), ("7", "other", "x", 1.0))
    with connect(filled_database_url, autocommit=True) as connection:
        for version, name, label, score in scores:
            connection.execute(
                "INSERT INTO object_classes (diaobjectid, classifier, class, version, score, diasourceid, night,"
                " ingestid) VALUES (%s, %s, %s, %s, %s, %s, %s, 1)",
                (alert.diaobjectid, name, label, version, score, alert.diasourceid, alert.night),
            )
        found = site.client.get(where).json()["classifications"]
        connection.execute("DELETE FROM object_classes")
    other, tiny = found
    assert (other["classifier"], other["version"], other["scores"]) == ("other", "7", {"x": 1.0})
    assert tiny["scores"] == {"a": 0.25, "b": 0.75}
    assert (tiny["diaSourceId"], tiny["night"]) == (str(alert.diasourceid), alert.night)


def test_what_an_object_is_near_to(site: Any) -> None:
    alert = longest(site.alerts)
    url = f"/api/objects/{alert.diaobjectid}"
    assert site.client.get(url).json()["sherlock"]["classification"] == "VS"
    answer = site.client.get(f"{url}/context").json()
    assert answer["sherlock"]["catalogue_object_id"] == "V1"
    assert answer["sherlock"]["additional_output"] == f"{url}/context"
    own = [item for item in site.alerts if item.diaobjectid == alert.diaobjectid]
    assert len(answer["context"]) == len(own)
    assert answer["context"][-1]["separationArcsec"] == answer["sherlock"]["separationArcsec"]
    for row in answer["context"]:
        assert row["classification"] == "VS"
        assert set(row["versions"]) == {"catalogues:vsx", "context_rules"}
    other = next(item for item in site.alerts if item.diaobjectid not in (0, alert.diaobjectid))
    assert site.client.get(f"/api/objects/{other.diaobjectid}").json()["sherlock"]["classification"] == "ORPHAN"
    assert site.client.get("/api/objects/1/context").status_code == 404


def test_what_public_annotators_say_of_an_object(site: Any, filled_database_url: str) -> None:
    alert = longest(site.alerts)
    where = f"/api/objects/{alert.diaobjectid}"
    assert site.client.get(where).json()["annotations"] == []
    with connect(filled_database_url) as connection:
        add_annotator(connection, "open_one", "anna", public=True)
        add_annotator(connection, "hidden_one", "anna")
        for topic in ("open_one", "hidden_one"):
            said = {"topic": topic, "objectId": alert.diaobjectid, "classification": "SN", "classdict": {"p": 0.5}}
            assert annotate(connection, "anna", [said]).outcomes == ["stored"]
        connection.commit()
    try:
        [found] = site.client.get(where).json()["annotations"]
    finally:
        with connect(filled_database_url) as connection:
            for topic in ("open_one", "hidden_one"):
                remove_annotator(connection, topic)
            connection.commit()
    assert (found["topic"], found["classification"], found["classdict"]) == ("open_one", "SN", {"p": 0.5})
    assert {"annotationID", "version", "timestamp", "explanation", "url"} <= set(found)

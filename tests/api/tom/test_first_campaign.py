"""The first campaign over HTTP: written by its loader, read by everybody, the truth by few."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import first_campaign as campaign
import pytest

from broker_assets.tom.first_campaign.summaries import FIRST

pytestmark = pytest.mark.database


def test_what_the_loader_writes_is_read(own_site: str, log_in: Any) -> None:
    root, anna, truth = (log_in(own_site, name) for name in ("root", "anna", "truth"))
    thing = campaign.alert(1, 0)["diaObject"]
    assert truth.post("elasticc/adddiaobject", json=thing).json() == {"status": "ok", "message": "ObjectID: 1"}
    alerts = [campaign.alert(thing, place) for thing in (1, 2) for place in range(5)]
    counts = {"objects": 1, "sources": 10, "forcedsources": 14, "alerts": 10}
    assert root.post("elasticc/addelasticcalert", json=alerts).json() == {"status": "ok", "message": counts}
    point = {"SourceID": 100, "SNID": 1, "MJD": 60000.0, "DETECT": True, "TRUE_GENTYPE": 10, "TRUE_GENMAG": 21.5}
    for given, numbers, missing in ((point, [100], []), ([point, point | {"SourceID": 7}], [100, 7], [7])):
        answer = root.post("elasticc/addtruth", json=given).json()
        assert answer == {"status": "ok", "message": numbers, "missing": missing}
    for given in (campaign.truth(1), [campaign.truth(2), campaign.truth(77)]):
        assert root.post("elasticc/addobjecttruth", json=given).json()["status"] == "ok"
    marked = root.post("elasticc/markalertsent", json=[100, 101]).json()
    assert (marked["status"], marked["alertIds"], marked["timestamp"][-6:]) == ("ok", [100, 101], "+00:00")

    page = anna.get("elasticc/diaobject/?limit=1").json()
    assert (page["count"], len(page["results"]), len(page["results"][0])) == (2, 1, 74)
    assert [row["diaObjectId"] for row in anna.session.get(page["next"]).json()["results"]] == [2]
    row = anna.get("elasticc/diasource/204/").json()
    assert list(row) == [
        "diaSourceId", "ccdVisitId", "parentDiaSourceId", "midPointTai", "filterName", "ra", "decl", "psFlux",
        "psFluxErr", "snr", "nobs", "diaObject",
    ]  # fmt: skip
    assert row["diaObject"] == 2
    assert anna.get("elasticc/diaobject/5/").json() == {"detail": "No DiaObject matches the given query."}
    assert truth.get("elasticc/diatruth/100/").json() == {
        "diaSourceId": 100, "diaObjectId": 1, "mjd": 60000.0, "detect": True, "gentype": 10, "genmag": 21.5,
    }  # fmt: skip
    alert = anna.get("elasticc/diaalert/204/").json()
    assert (len(alert["prvDiaSources"]), len(alert["prvDiaForcedSources"])) == (4, 5)
    assert [one["alertId"] for one in anna.get("elasticc/diaalert/?limit=3").json()["results"]] == [100, 101, 102]
    found = anna.post("elasticc/getalerts", json={"offset": 8, "num": 5}).json()
    assert [one["alertId"] for one in found.pop("alerts")] == [203, 204]
    assert found == {"status": "ok", "offset": 8, "num": 2, "totnum": 10}
    both = truth.post("elasticc/getalertsandtruth", json={"offset": 0, "num": 1}).json()
    assert [one["diaSourceId"] for one in both["truth"]] == [7, 100]
    assert both["objecttruth"]["1"]["gentype"] == 10
    assert anna.get("elasticc/getalerts").json()["totnum"] == 10
    assert anna.get("elasticc/brokermessage/objectid=2/").json()["totalcount"] == 0
    assert anna.get("elasticc/brokermessage/1/").json() == {}

    # Rights, methods and mistakes.
    for path in ("adddiaobject", "addelasticcalert", "addtruth", "addobjecttruth", "markalertsent"):
        assert anna.post(f"elasticc/{path}", json=[]).status_code == 403
        wrong = root.post(f"elasticc/{path}", json=[])
        assert (wrong.status_code, wrong.json()["status"]) == (422, "error")
        assert root.get(f"elasticc/{path}").status_code == 405
    bad = root.post("elasticc/addelasticcalert", json=[{**alerts[0], "diaSource": None}])
    assert bad.json() == {"status": "error", "message": "alert 0 has no diaSource", "exception": "BadDocumentError"}
    assert root.post("elasticc/markalertsent", json=[5]).json()["message"] == "there is no alert 5"
    assert root.post("elasticc/diaobject/", json={}).json() == {"detail": 'Method "POST" not allowed.'}
    for path in ("diatruth/", "diatruth/100/", "getalertsandtruth", "latestconfmatrix", "adminsummary"):
        assert anna.get(f"elasticc/{path}").status_code == 403
    assert anna.post("elasticc/getalerts", json={"num": -1}).status_code == 422

    # Pages, with and without the slash.
    for name in FIRST:
        for path in (name, f"{name}/"):
            shown = truth.get(f"elasticc/{path}")
            assert shown.status_code == 200
        assert FIRST[name].title in shown.text
    front = anna.get("elasticc/")
    assert all(f'href="/elasticc/{name}"' in front.text for name in FIRST)
    assert "Alerts sent by day" in anna.get("elasticc2/alertstreamhists").text

    # Two at once on every writing endpoint.
    more = [campaign.alert(thing, place) for thing in range(10, 20) for place in range(2)]

    def write(client: Any) -> int:
        new = client.post("elasticc/addelasticcalert", json=more).json()["message"]["alerts"]
        for path, given in (
            ("adddiaobject", [one["diaObject"] for one in reversed(more)]),
            ("addtruth", [point | {"SourceID": one["alertId"]} for one in more]),
            ("addobjecttruth", [campaign.truth(thing) for thing in range(10, 20)]),
            ("markalertsent", [one["alertId"] for one in more]),
        ):
            assert client.post(f"elasticc/{path}", json=given).json()["status"] == "ok"
        return int(new)

    with ThreadPoolExecutor(2) as pool:
        assert sum(pool.map(write, [root, truth])) == 20

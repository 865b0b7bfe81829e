"""The web application over HTTP."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import fastavro
import httpx
import numpy as np
import pytest
from astropy.io import fits

from broker_assets.settings import Settings
from broker_assets.simulation import SimulatedAlert, schemas

pytestmark = pytest.mark.database


def record(alert: SimulatedAlert) -> dict[str, Any]:
    """The packet as fastavro reads it."""
    found: Any = fastavro.schemaless_reader(io.BytesIO(alert.payload[5:]), schemas.load("11.1"), None)
    return found


def longest(alerts: list[SimulatedAlert]) -> SimulatedAlert:
    """The last alert of the object with the most alerts."""
    counts: dict[int, int] = {}
    for alert in alerts:
        if alert.diaobjectid:
            counts[alert.diaobjectid] = counts.get(alert.diaobjectid, 0) + 1
    best = max(counts, key=lambda identifier: counts[identifier])
    return [alert for alert in alerts if alert.diaobjectid == best][-1]


def test_the_page_shows_the_ledger_and_loads_nothing_from_elsewhere(site: Any) -> None:
    answer = site.client.get("/")
    assert answer.status_code == 200
    assert f"<b>{len(site.alerts) + 3:,}</b>" in answer.text
    assert "http://" not in answer.text.replace(site.url, "")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    fragment = site.client.get("/fragment").text
    assert "Quarantine" in fragment
    assert "<script" not in fragment
    # Kafka is unavailable in these tests, and the page says so.
    assert "Something does not work" in fragment
    assert "<code>broker-assets quarantine list</code>" in fragment


def test_health_and_status(site: Any) -> None:
    assert site.client.get("/health").json() == {"status": "ok"}
    status = site.client.get("/api/status").json()
    assert status["healthy"] is False
    assert any(problem.startswith("Kafka") for problem in status["problems"])
    totals = status["totals"]
    assert totals["received"] == totals["stored"] + totals["duplicate"] + totals["quarantined"]
    assert totals["stored"] == len(site.alerts)
    assert status["waiting"] == 3
    assert sum(reason["waiting"] for reason in status["quarantine"]) == 3
    assert sum(night["stored"] for night in status["nights"]) == len(site.alerts)
    states = {service["name"]: service["state"] for service in status["services"]}
    assert states == {"database": "running", "Kafka": "unavailable"}


@pytest.mark.parametrize("kind", ["science", "template", "difference"])
def test_cutouts_are_those_of_the_packet(site: Any, kind: str) -> None:
    alert = site.alerts[10]
    answer = site.client.get(f"/api/sources/{alert.diasourceid}/cutouts/{kind}.fits")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/fits"
    assert answer.content == record(alert)[f"cutout{kind.capitalize()}"]
    assert fits.getdata(io.BytesIO(answer.content)).shape == (30, 30)
    picture = site.client.get(f"/api/sources/{alert.diasourceid}/cutouts/{kind}.png", params={"scale": 2})
    assert picture.headers["content-type"] == "image/png"
    assert picture.content.startswith(b"\x89PNG")
    assert picture.content[16:24] == (60).to_bytes(4, "big") * 2


def test_a_packet_comes_back_as_it_was_received(site: Any) -> None:
    alert = site.alerts[-1]
    answer = site.client.get(f"/api/sources/{alert.diasourceid}/packet.avro")
    packet: Any
    (packet,) = fastavro.reader(io.BytesIO(answer.content))
    assert str(packet) == str(record(alert))
    document = site.client.get(f"/api/sources/{alert.diasourceid}/packet").json()
    assert document["diaSource"]["midpointMjdTai"] == alert.midpointmjdtai
    assert document["diaSource"]["diaSourceId"] == str(alert.diasourceid)
    assert document["diaSource"]["dipoleLength"] is None or packet["diaSource"]["isDipole"]
    assert document["cutoutScience"] == {"bytes": 8640}
    assert "NaN" not in json.dumps(document)


def test_light_curves_have_every_point_in_order(site: Any) -> None:
    alert = longest(site.alerts)
    packet = record(alert)
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


def test_why_names_batch_file_and_offsets(site: Any) -> None:
    (found,) = site.client.get(f"/api/why/{site.alerts[0].diasourceid}").json()
    assert found["topic"] == "rubin-alerts"
    assert found["run_id"] == "test"
    assert found["archive_schema"] == "lsst.v11_1.alert"
    assert found["ranges"][0]["first_offset"] == 0


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/api/sources/1/packet", 404, "is unknown"),
        ("/api/sources/1/cutouts/science.fits", 404, "is unknown"),
        ("/api/sources/x/packet", 422, ""),
        ("/api/sources/99999999999999999999/packet", 422, ""),
        ("/api/objects/1/lightcurve", 404, "is unknown"),
        ("/api/objects/0/lightcurve", 404, "is unknown"),
        ("/api/objects/1;drop table/lightcurve", 404, "neither"),
        ("/api/objects/ZTF18abc/lightcurve", 404, "neither"),
        ("/api/objects/ZTF18abcdefg/lightcurve", 404, "is unknown"),
        ("/api/why/1", 404, "is unknown"),
        ("/api/nothing", 404, ""),
    ],
)
def test_what_is_not_there_is_said_plainly(site: Any, path: str, status: int, words: str) -> None:
    answer = site.client.get(path)
    assert answer.status_code == status
    assert words in answer.text


def test_a_cutout_that_does_not_exist_is_not_found(site: Any) -> None:
    for name in ("science.gif", "sciences.fits", "science", ".fits"):
        assert site.client.get(f"/api/sources/{site.alerts[0].diasourceid}/cutouts/{name}").status_code == 404


def test_a_source_known_from_a_history_has_no_packet(site: Any) -> None:
    received = {alert.diasourceid for alert in site.alerts}
    historic = [
        source["diaSourceId"]
        for alert in site.alerts
        for source in record(alert)["prvDiaSources"] or []
        if source["diaSourceId"] not in received
    ]
    answer = site.client.get(f"/api/sources/{historic[0]}/packet")
    assert answer.status_code == 404
    assert "history" in answer.text


def test_without_a_database_the_page_says_so(
    tmp_path: Path, serve: Callable[[Settings], AbstractContextManager[str]]
) -> None:
    with serve(Settings(home=tmp_path)) as url, httpx.Client(base_url=url) as client:
        assert client.get("/health").status_code == 503
        page = client.get("/")
        assert page.status_code == 200
        assert "no database is configured" in page.text
        assert client.get("/api/objects/1/lightcurve").status_code == 503

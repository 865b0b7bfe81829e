"""Packets and cutouts over HTTP, and where a source comes from."""

from __future__ import annotations

import io
import json
from typing import Any

import fastavro
import pytest
from astropy.io import fits

pytestmark = pytest.mark.database


@pytest.mark.parametrize("kind", ["science", "template", "difference"])
def test_cutouts_are_those_of_the_packet(site: Any, kind: str) -> None:
    alert = site.alerts[10]
    answer = site.client.get(f"/api/sources/{alert.diasourceid}/cutouts/{kind}.fits")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/fits"
    assert answer.content == site.record(alert)[f"cutout{kind.capitalize()}"]
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
    assert str(packet) == str(site.record(alert))
    document = site.client.get(f"/api/sources/{alert.diasourceid}/packet").json()
    assert document["diaSource"]["midpointMjdTai"] == alert.midpointmjdtai
    assert document["diaSource"]["diaSourceId"] == str(alert.diasourceid)
    assert not packet["diaSource"]["isDipole"]
    assert document["diaSource"]["dipoleLength"] is None
    assert document["cutoutScience"] == {"bytes": 8640}
    assert "NaN" not in json.dumps(document)


@pytest.mark.parametrize("number", ["1_0", "１２", "nan"])
def test_numbers_in_an_address_are_written_in_digits(site: Any, number: str) -> None:
    for path in (f"/api/sources/{number}/packet", f"/api/sources/1/cutouts/science.png?scale={number}"):
        assert site.client.get(path).status_code == 422


def test_why_names_batch_file_and_offsets(site: Any) -> None:
    (found,) = site.client.get(f"/api/why/{site.alerts[0].diasourceid}").json()
    packet = found["packet"]
    assert (packet["topic"], packet["partition"], packet["offset"]) == ("rubin-alerts", 0, 0)
    assert packet["schema_id"] == "lsst.v11_1.alert"
    assert found["batch"]["run_id"] == "test"
    assert found["missing"] == []


def test_why_of_other_rows(site: Any) -> None:
    alert = next(alert for alert in site.alerts[::-1] if alert.diaobjectid)
    (found,) = site.client.get("/api/rows/objects/why", params={"diaObjectId": alert.diaobjectid}).json()
    offset = max(row for row, other in enumerate(site.alerts) if other.diaobjectid == alert.diaobjectid)
    assert (found["packet"]["diasourceid"], found["packet"]["offset"]) == (str(alert.diasourceid), offset)
    for path, status in (
        ("objects/why", 422),
        ("objects/why?ra=1", 422),
        ("objects/why?diaobjectid=x", 422),
        ("objects/why?diaobjectid=1", 404),
        ("watchlists/why?wl_id=1", 404),
        ("nothing/why?id=1", 404),
    ):
        assert site.client.get(f"/api/rows/{path}").status_code == status


def test_a_cutout_that_does_not_exist_is_not_found(site: Any) -> None:
    for name in ("science.gif", "sciences.fits", "science", ".fits"):
        assert site.client.get(f"/api/sources/{site.alerts[0].diasourceid}/cutouts/{name}").status_code == 404


def test_a_source_known_from_a_history_has_no_packet(site: Any) -> None:
    received = {alert.diasourceid for alert in site.alerts}
    historic = [
        source["diaSourceId"]
        for alert in site.alerts
        for source in site.record(alert)["prvDiaSources"] or []
        if source["diaSourceId"] not in received
    ]
    answer = site.client.get(f"/api/sources/{historic[0]}/packet")
    assert answer.status_code == 404
    assert "history" in answer.text


def test_a_packet_is_sent_in_pieces_with_its_length(site: Any) -> None:
    alert = site.alerts[-1]
    with site.client.stream("GET", f"/api/sources/{alert.diasourceid}/packet.avro") as answer:
        length = int(answer.headers["content-length"])
        assert length == sum(len(piece) for piece in answer.iter_raw()) > len(alert.payload)

"""Sky maps of events: list, page of one with its state, ranking and regions."""

from __future__ import annotations

import datetime
import io
from typing import Any

import pytest
from mocpy import MOC
from whole_sky_notice import whole_sky_notice

from broker_assets.sky.events import apply_notice, read_notice

pytestmark = pytest.mark.database
RETRACTION = b'{"superevent_id": "S3", "alert_type": "RETRACTION", "time_created": "2099-11-20T10:00:00Z"}'


def test_nothing_has_arrived_yet(people: Any) -> None:
    assert "No notice of an event has arrived yet" in people.guest.text("/mma_watchmaps/")
    assert people.guest.get("/mma_watchmaps/1/").status_code == 404
    assert people.guest.get("/mma_watchmaps/1/picture.png").status_code == 404
    assert people.guest.get("/mma_watchmaps/1/ranking.csv").status_code == 404
    assert people.guest.get("/gw_maps/").headers["location"] == "/mma_watchmaps/"


def test_maps_have_states_classes_and_candidates(people: Any) -> None:
    now = datetime.datetime.now(datetime.UTC)
    connection = people.connection
    first = apply_notice(connection, read_notice(whole_sky_notice("S2", now))).identifier
    connection.execute("UPDATE mma_areas SET version = '2000' WHERE mw_id = %s", (first,))
    second = apply_notice(connection, read_notice(whole_sky_notice("S2", now, "UPDATE"))).identifier
    gone = apply_notice(connection, read_notice(whole_sky_notice("S3", now))).identifier
    apply_notice(connection, read_notice(RETRACTION))
    connection.execute("INSERT INTO objects (diaobjectid, survey, ra, decl) VALUES (7, 1, 10, -5)")
    connection.execute(
        "INSERT INTO mma_area_hits (diaobjectid, mw_id, contour, probdens2) VALUES (7, %s, 42.5, 0.1)", (second,)
    )
    listed = people.guest.text("/mma_watchmaps/")
    assert f"/mma_watchmaps/{second}/" in listed
    assert f"/mma_watchmaps/{first}/" not in listed
    assert "✗ retracted" in listed
    page = people.guest.text(f"/mma_watchmaps/{second}/")
    assert 'href="/objects/7/"' in page
    assert "42.5" in page
    old = people.guest.text(f"/mma_watchmaps/{first}/")
    assert "Superseded" in old
    assert f'<a href="/mma_watchmaps/{second}/">newer map' in old
    assert "Retracted" in people.guest.text(f"/mma_watchmaps/{gone}/")
    to = people.guest.get(f"/mma_watchmaps/{second}/?v=1").headers["location"]
    assert to == f"/mma_watchmaps/{first}/"
    assert people.guest.get(f"/mma_watchmaps/{second}/?v=9").status_code == 404
    assert people.guest.text(f"/mma_watchmaps/{second}/ranking.csv").splitlines()[1].startswith("7,")
    region = MOC.from_fits(io.BytesIO(people.guest.get(f"/mma_watchmaps/{second}/50.moc").content))
    assert 0.3 < region.sky_fraction < 0.7
    assert people.guest.get(f"/mma_watchmaps/{second}/51.moc").status_code == 404
    assert people.guest.get(f"/mma_watchmaps/{second}/picture.png").content.startswith(b"\x89PNG")

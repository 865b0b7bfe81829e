"""What is known of the maps of events: their versions and states."""

from __future__ import annotations

import datetime

import pytest
from whole_sky_notice import whole_sky_notice

from broker_assets.database import engine
from broker_assets.sky.events import apply_notice, read_notice
from broker_assets.sky.map_overview import UnknownMap, map_content, newest_maps, versions

pytestmark = pytest.mark.database
RETRACTION = b'{"superevent_id": "S2", "alert_type": "RETRACTION", "time_created": "2099-11-20T10:00:00Z"}'


def test_versions_of_an_event_have_states(database_url: str) -> None:
    now = datetime.datetime.now(datetime.UTC)
    with engine.connect(database_url) as connection:
        first = apply_notice(connection, read_notice(whole_sky_notice("S1", now))).identifier
        connection.execute("UPDATE mma_areas SET version = '2000' WHERE mw_id = %s", (first,))
        second = apply_notice(connection, read_notice(whole_sky_notice("S1", now, "UPDATE"))).identifier
        gone = apply_notice(connection, read_notice(whole_sky_notice("S2", now))).identifier
        apply_notice(connection, read_notice(RETRACTION))
        assert first is not None
        assert second is not None
        assert {found.mw_id: found.state for found in newest_maps(connection)} == {
            second: "matched" if versions(connection, second)[0].active else "not matched",
            gone: "retracted",
        }
        newest, old = versions(connection, first)
        assert (newest.mw_id, old.mw_id, old.state) == (second, first, "superseded")
        assert newest.classes == sorted(newest.classes, key=lambda one: -one[1])
        assert newest.hits == 0
        assert map_content(connection, first).contour_moc(90).sky_fraction > 0.8
        for missing in (versions, map_content):
            with pytest.raises(UnknownMap):
                missing(connection, 99)

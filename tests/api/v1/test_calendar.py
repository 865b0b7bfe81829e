"""The calendar by the interface."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

pytestmark = pytest.mark.database


def test_events_and_nights(v1_as: Callable[..., httpx.Client]) -> None:
    ann = v1_as("calendar.ann")
    event = {"name": "FORS2", "begins": "2026-12-01T01:00:00Z", "ends": "2026-12-01T02:00:00Z"}
    made = ann.post("/calendar/events", json=event)
    assert made.status_code == 201, made.text
    path = f"/calendar/events/{made.json()['number']}"
    assert ann.put(path, json=event | {"name": "changed"}).status_code == 200
    assert v1_as("calendar.bob").put(path, json=event).status_code == 404
    assert ann.post("/calendar/events", json=event | {"ends": event["begins"]}).status_code == 400
    seen = ann.get("/calendar", params={"begin": "2026-12-01", "days": 2, "observatory": "Paranal"}).json()
    assert [one["name"] for one in seen["events"]] == ["changed"]
    assert [one["evening"] for one in seen["nights"]] == ["2026-12-01", "2026-12-02"]
    assert ann.get("/calendar", params={"begin": "2026-12-01", "observatory": "Atlantis"}).status_code == 404
    assert ann.delete(path).status_code == 204
    assert ann.get("/calendar", params={"begin": "2026-12-01"}).json() == {"events": [], "nights": []}

"""Lines of a stream become events."""

from __future__ import annotations

from broker_assets.client.events import read_events


def test_lines() -> None:
    lines = ["retry: 3000", "", "event:end", 'data:{"detail": "a: b"}', "", "id: 1", "", "data: {}", "", "data: {}"]
    found = list(read_events(lines))
    assert [(one.name, one.data, one.identifier) for one in found] == [
        ("end", {"detail": "a: b"}, ""),
        ("", {}, "1"),
        ("message", {}, ""),
    ]

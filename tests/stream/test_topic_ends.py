"""Ends of many topics: what is absent is left out, what cannot be asked is a problem of its own."""

from __future__ import annotations

from collections.abc import Mapping

from broker_assets.settings import ClusterSettings, StreamLocation
from broker_assets.stream.messages import SourceUnavailableError, StreamEnds, TopicAbsentError
from broker_assets.stream.topic_ends import ask_ends


def test_one_topic_that_cannot_be_asked_hides_no_other() -> None:
    def location(name: str) -> StreamLocation:
        if name == "nowhere":
            raise LookupError("no cluster")
        return StreamLocation(name, name, ClusterSettings())

    def ends(place: StreamLocation, positions: Mapping[int, int]) -> StreamEnds:
        if place.topic == "absent":
            raise TopicAbsentError("no such topic")
        if place.topic == "away":
            raise SourceUnavailableError("no answer")
        return StreamEnds(place.topic, dict.fromkeys(positions, 10), {})

    positions = {name: {0: 4} for name in ("here", "absent", "away", "nowhere")}
    found, problems = ask_ends(positions, location, ends)
    assert {name: one.lag(positions[name]) for name, one in found.items()} == {"here": {0: 6}}
    assert problems == {"away": "no answer", "nowhere": "no cluster"}
    assert ask_ends({}, location, ends) == ({}, {})

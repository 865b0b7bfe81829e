"""When notices of events are read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from dagster import DagsterInstance, RunRequest, SkipReason, build_sensor_context
from followed_lists import tick
from platform_in_process import platform, survey

from broker_assets.jobs.notices import build_read_notices
from broker_assets.resources.database import Database
from broker_assets.sensors.notices import build_notices
from broker_assets.stream.messages import SourceUnavailableError, StreamEnds

__all__ = ["platform", "survey"]

pytestmark = pytest.mark.database


def test_notices_are_not_read_without_a_topic(platform: Any) -> None:
    assert "BROKER_NOTICES__TOPIC" in tick(platform, "notices").skip_message


class Kafka:
    """Topics by their number of messages; none for one that is away."""

    def __init__(self, topics: Mapping[str, int | None]) -> None:
        self.topics = topics
        self.seconds = 0.0

    def ends(self, name: str, positions: Mapping[int, int], *, timeout: float) -> StreamEnds:
        self.seconds += timeout
        number = self.topics[name]
        if number is None:
            raise SourceUnavailableError(f"{name} is away")
        return StreamEnds(name, {0: number}, {0: 0})


@pytest.mark.parametrize(
    ("topics", "lag"),
    [
        ({"ep": 0, "icecube": 2}, 2),
        ({"away": None, "icecube": 2, "ep": 1}, 3),
        ({"away": None, "icecube": 0}, None),
        ({f"topic {number}": 0 for number in range(60)}, None),
    ],
)
def test_what_waits_on_any_topic_is_read(database_url: str, topics: dict[str, int | None], lag: int | None) -> None:
    kafka = Kafka(topics)
    sensor = build_notices(list(topics), build_read_notices({}))
    with DagsterInstance.ephemeral() as instance:
        resources = {"database": Database(database_url), "kafka": kafka}
        asked = sensor(build_sensor_context(instance=instance, resources=resources))
    if lag is None:
        assert isinstance(asked, SkipReason)
        assert ("away is away" in str(asked.skip_message)) == ("away" in topics)
    else:
        assert isinstance(asked, RunRequest)
        assert asked.tags["broker/lag"] == str(lag)
    assert kafka.seconds <= 25.1

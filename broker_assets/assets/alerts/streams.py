"""The alert streams: Kafka topics, filled by the surveys and only observed here.

One external asset per stream, under the stream's name, which by default is its topic. Their versions are recorded by
`broker_assets.sensors.kafka_lag`, without a run. The names with which a drain run and the sensor that starts it
identify each other are here too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from dagster import AssetKey, AssetSpec, DagsterRunStatus, MetadataValue

from broker_assets.assets.labels import STREAM_OBSERVER, STREAM_OPERATORS, about, labels
from broker_assets.settings import ClusterSettings, Settings, StreamSettings

DRAIN_TAG = "broker/drain"
"""Tag of a drain run: topic and partitions that it reads. Limited to one run at a time in `dagster.yaml`."""


ACTIVE_RUNS = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
"""States of a run that has not ended."""


def stream_key(name: str) -> AssetKey:
    """Asset key of a stream.

    Examples
    --------
    >>> stream_key("rubin-alerts").to_user_string()
    'alert_stream/rubin-alerts'
    """
    return AssetKey(["alert_stream", name])


def drain_tag(topic: str, partitions: Sequence[int]) -> str:
    """Value of the drain tag.

    Examples
    --------
    >>> drain_tag("rubin-alerts", (0, 1, 2, 3))
    'rubin-alerts:0-3'
    >>> drain_tag("rubin-alerts", (7,))
    'rubin-alerts:7'
    >>> drain_tag("rubin-alerts", (0, 2))
    'rubin-alerts:0,2'
    """
    ordered = sorted(partitions)
    if len(ordered) > 1 and ordered == list(range(ordered[0], ordered[-1] + 1)):
        return f"{topic}:{ordered[0]}-{ordered[-1]}"
    return f"{topic}:{','.join(map(str, ordered))}"


DRAIN_OP = "drain_partitions"
"""Name of the single op of a drain run."""


def drain_config(topic: str, partitions: Sequence[int]) -> dict[str, Any]:
    """Run configuration of a drain run."""
    return {"ops": {DRAIN_OP: {"config": {"topic": topic, "partitions": list(partitions)}}}}


def alert_streams(settings: Settings) -> list[AssetSpec]:
    """The external assets of the streams of the settings."""
    return [_alert_stream(stream, settings.location(stream).cluster) for stream in settings.streams]


def _alert_stream(stream: StreamSettings, cluster: ClusterSettings) -> AssetSpec:
    registry = cluster.registry.url if stream.framing != "container" else None
    return AssetSpec(
        key=stream_key(stream.name),
        group_name="alerts",
        kinds={"kafka", "avro"},
        **labels(STREAM_OPERATORS, survey=stream.survey, level="raw", family="alerts", store="kafka"),
        **about(
            f"Alerts of {stream.survey} on the Kafka topic {stream.topic}, {stream.framing} framing.",
            STREAM_OBSERVER,
            {
                "topic": stream.topic,
                "kafka": cluster.bootstrap_servers or "the embedded broker",
                "survey": stream.survey,
                "framing": stream.framing,
                "schemas": MetadataValue.text(stream.schemas or registry or "in the messages"),
            },
        ),
    )

"""Operators account for lost offsets, once."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.database


def acknowledge(platform: Any, topic: str, note: str) -> None:
    configuration = {"ops": {"mark_gaps": {"config": {"topic": topic, "note": note}}}}
    assert platform.run("acknowledge_gaps", run_config=configuration).success


def test_gaps_of_one_topic_are_marked_once(platform: Any) -> None:
    platform.execute(
        "INSERT INTO ingest_batch (topic, kind, code_version, started_at) VALUES ('a', 'stream', '1', now())"
    )
    for topic, partition in (("a", 0), ("a", 1), ("b", 0)):
        platform.execute(
            'INSERT INTO stream_gap (topic, "partition", first_offset, next_offset, reason, ingestid)'
            f" VALUES ('{topic}', {partition}, 10, 15, 'retention', 1)"
        )
    acknowledge(platform, "a", "Ada: the survey sends them again")
    reasons = platform.query('SELECT topic, reason FROM stream_gap ORDER BY topic, "partition"')
    assert [topic for topic, reason in reasons if "Ada: the survey sends them again" in reason] == ["a", "a"]
    assert reasons[-1] == ("b", "retention")
    acknowledge(platform, "a", "again")
    assert platform.query('SELECT topic, reason FROM stream_gap ORDER BY topic, "partition"') == reasons

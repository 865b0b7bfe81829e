"""The status shows how far the topics of annotators have been read, whoever's broker is unavailable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from listed_topics import ListedTopics
from pydantic import SecretStr

from broker_assets.annotations.annotators import add_annotator
from broker_assets.database import engine
from broker_assets.monitoring.status import gather
from broker_assets.settings import AnnotationSettings, DatabaseSettings, Settings
from broker_assets.stream.annotation_lag import stream_named
from broker_assets.stream.annotations import read_annotations

pytestmark = pytest.mark.database


def test_positions_and_lag_of_annotators(database_url: str, packets: Any, tmp_path: Path) -> None:
    source = packets.ListSource.of([b'{"objectId": 70, "classification": "SN"}'] * 2)
    with engine.connect(database_url, autocommit=True) as connection:
        add_annotator(connection, "fastfinder", "anna")
        add_annotator(connection, "away", "anna")
        stream = stream_named(connection, "annotator.fastfinder.anno_fastfinder")
    read_annotations(source, database_url, stream, AnnotationSettings(), idle_seconds=0.05)
    source.append(0, b"{}")
    kafka: Any = ListedTopics(anno_fastfinder=source, anno_away=None)
    settings = Settings(home=tmp_path, database=DatabaseSettings(url=SecretStr(database_url)), streams=[])
    status = gather(settings, kafka)
    [found] = [one for one in status.streams if one.topic == stream.name]
    assert (found.survey, found.lag) == ("annotations", 1)
    assert [(one.position, one.end, one.lag) for one in found.partitions] == [(2, 3, 1)]
    assert any("annotator.away.anno_away cannot be read" in notice for notice in status.notices)
    assert any("2 annotations wait for objects" in notice for notice in status.notices)
    assert not any("anno_" in problem for problem in status.problems)

"""The status answers whatever is away, and names what is wrong."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from broker_assets.database.engine import connect
from broker_assets.monitoring.status import Status, gather
from broker_assets.provenance import versions
from broker_assets.settings import DatabaseSettings, KafkaSettings, Settings, StreamSettings
from broker_assets.stream.messages import SourceError, StreamEnds, TopicAbsentError


class Ends:
    """Clusters of which each stream has so many messages, or fails."""

    def __init__(self, **known: int | SourceError) -> None:
        self.known = known

    def ends(self, name: str, positions: Mapping[int, int], *, timeout: float) -> StreamEnds:
        answer = self.known[name]
        if isinstance(answer, SourceError):
            raise answer
        return StreamEnds(name, {0: answer}, {0: 0})


def settings(home: Path, url: str | None, *streams: str) -> Settings:
    return Settings(
        home=home,
        database=DatabaseSettings(url=SecretStr(url) if url is not None else None),
        kafka=KafkaSettings(bootstrap_servers="kafka.example:9092"),
        streams=[StreamSettings(topic=name, survey="rubin", framing="confluent") for name in streams],
    )


def service(status: Status, name: str) -> tuple[str, str]:
    [found] = [service for service in status.services if service.name == name]
    return found.state, found.detail


def test_nothing_answers(tmp_path: Path) -> None:
    status = gather(settings(tmp_path, None, "one"), Ends(one=SourceError("no broker")))
    assert not status.healthy
    assert service(status, "database") == (
        "unavailable", "no database is configured and no platform is running here",
    )  # fmt: skip
    assert [(stream.topic, stream.lag, stream.detail) for stream in status.streams] == [("one", None, "no broker")]


def test_a_database_that_is_away_hides_no_stream(tmp_path: Path) -> None:
    away = "postgresql+psycopg://nobody@127.0.0.1:1/none"
    status = gather(settings(tmp_path, away, "one"), Ends(one=5))
    assert service(status, "database")[0] == "unavailable"
    assert [(stream.topic, stream.lag) for stream in status.streams] == [("one", 5)]


@pytest.mark.database
def test_a_cluster_that_is_away_hides_no_other(tmp_path: Path, database_url: str) -> None:
    answers = Ends(one=SourceError("refused"), two=7, three=TopicAbsentError("three"))
    status = gather(settings(tmp_path, database_url, "one", "two", "three"), answers)
    assert service(status, "database")[0] == "running"
    found = {stream.topic: (stream.lag, stream.detail) for stream in status.streams}
    assert found == {"one": (None, "refused"), "two": (7, ""), "three": (None, "no such topic yet")}
    assert not status.healthy


@pytest.mark.database
def test_a_quiet_platform_is_healthy(tmp_path: Path, database_url: str) -> None:
    status = gather(settings(tmp_path, database_url, "one"), Ends(one=0))
    assert status.healthy, status.problems
    assert status.notices == []
    assert Status.model_validate_json(status.model_dump_json()) == status


def batch(connection: psycopg.Connection, *, minutes: float, stored: int = 0) -> None:
    """A finished batch, this old."""
    end = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=minutes)
    connection.execute(
        "INSERT INTO ingest_batch (topic, kind, code_version, started_at, finished_at, received, stored, duplicate,"
        " quarantined, bytes) VALUES ('one', 'stream', '1', %s, %s, %s, %s, 0, 0, 10)",
        (end, end, stored, stored),
    )


@pytest.mark.database
def test_a_stream_that_has_stalled_is_a_problem(tmp_path: Path, database_url: str) -> None:
    with connect(database_url, autocommit=True) as connection:
        batch(connection, minutes=90)
        stalled = gather(settings(tmp_path, database_url, "one"), Ends(one=50))
        assert any("one has stalled: 50 messages are waiting" in problem for problem in stalled.problems)
        assert gather(settings(tmp_path, database_url, "one"), Ends(one=0)).problems == []
        batch(connection, minutes=0.1)
        moving = gather(settings(tmp_path, database_url, "one"), Ends(one=50))
        assert moving.healthy, moving.problems
        assert [shown.kind for shown in moving.batches] == ["stream", "stream"]


@pytest.mark.database
def test_a_ledger_that_does_not_balance_is_a_problem(tmp_path: Path, database_url: str) -> None:
    """A batch that claims messages of which nothing else in the ledger knows."""
    with connect(database_url, autocommit=True) as connection:
        batch(connection, minutes=1, stored=3)
    status = gather(settings(tmp_path, database_url, "one"), Ends(one=0))
    assert (status.totals.received, status.totals.stored) == (3, 3)
    assert any("does not balance: batch 1" in problem for problem in status.problems)


@pytest.mark.database
def test_stale_artefacts_are_a_notice(tmp_path: Path, database_url: str) -> None:
    with connect(database_url) as connection:
        versions.record(connection, [versions.Artefact(asset="a", data_version="1", code_version="old")])
        versions.deploy(connection, {"a": "new"})
    status = gather(settings(tmp_path, database_url), Ends())
    assert status.healthy
    assert status.stale_count == 1
    assert any("1 artefacts are stale" in notice for notice in status.notices)

"""The status answers whatever is away, and names what is wrong."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from broker_assets.accounting import ledger
from broker_assets.database.engine import connect
from broker_assets.monitoring.alerts import WATCHER, Alert, Cause
from broker_assets.monitoring.status import NAMED, Status, gather
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.resources.notifier import DeliveryError, Notifier
from broker_assets.settings import (
    ClusterSettings,
    DatabaseSettings,
    KafkaSettings,
    MovingListSettings,
    NoticeSettings,
    Settings,
    StreamSettings,
)
from broker_assets.stream.messages import SourceError, StreamEnds, TopicAbsentError

UNKNOWN = "how far it was read is unknown without the database"


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
    [stream] = status.streams
    assert (stream.topic, stream.lag, stream.detail) == ("one", None, UNKNOWN)
    assert [(part.position, part.end, part.lag) for part in stream.partitions] == [(None, 5, None)]
    assert status.totals is None


@pytest.mark.database
def test_a_cluster_that_is_away_hides_no_other(tmp_path: Path, database_url: str) -> None:
    answers = Ends(one=SourceError("refused"), two=7, three=TopicAbsentError("three"))
    status = gather(settings(tmp_path, database_url, "one", "two", "three"), answers)
    assert service(status, "database")[0] == "running"
    found = {stream.topic: (stream.lag, stream.detail) for stream in status.streams}
    assert found == {"one": (None, "refused"), "two": (7, ""), "three": (None, "no such topic yet")}
    assert not status.healthy


@pytest.mark.database
def test_a_topic_that_was_read_and_is_gone_is_a_problem(tmp_path: Path, database_url: str) -> None:
    with connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO stream_offset (topic, \"partition\", next_offset) VALUES ('one', 0, 7)")
    status = gather(settings(tmp_path, database_url, "one"), Ends(one=TopicAbsentError("no topic 'one'")))
    assert status.problems == ["one: no topic 'one'"]
    assert [stream.detail for stream in status.streams] == ["no topic 'one'"]


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


def position(connection: psycopg.Connection, partition: int, *, minutes: float) -> None:
    """The position of a partition, moved so long ago."""
    moved = datetime.datetime.now(datetime.UTC) - datetime.timedelta(minutes=minutes)
    connection.execute(
        "INSERT INTO stream_offset (topic, \"partition\", next_offset, updated_at) VALUES ('one', %s, 0, %s)"
        ' ON CONFLICT (topic, "partition") DO UPDATE SET updated_at = excluded.updated_at',
        (partition, moved),
    )


@pytest.mark.database
def test_a_partition_that_has_stalled_is_a_problem_whatever_the_others_do(tmp_path: Path, database_url: str) -> None:
    ours = settings(tmp_path, database_url, "one")
    ends = Ends(one=50)
    with connect(database_url, autocommit=True) as connection:
        batch(connection, minutes=0.1)
        position(connection, 0, minutes=90)
        position(connection, 1, minutes=0.1)
        (problem,) = gather(ours, ends).problems
        assert problem.startswith("one has stalled: 50 messages wait in partition 0, whose position has not moved for")
        assert gather(ours, Ends(one=0)).problems == []
        notifier = Notifier(Database(database_url))
        notifier.beat(WATCHER, "looked")
        assert gather(ours, ends).problems == [], "after a quiet hour, messages have waited only since the last look"
        notifier.record([Alert(Cause("stream", "alert_stream/one", "0", "moves"), "50 messages wait")])
        assert gather(ours, ends).problems == [problem]
        position(connection, 0, minutes=0.1)
        notifier.end({Cause("stream", "alert_stream/one", "0", "moves"): "it moves"})
        moving = gather(ours, ends)
        assert moving.healthy, moving.problems
        assert [shown.kind for shown in moving.batches] == ["stream"]


def alerts(database_url: str, *found: Alert) -> Notifier:
    notifier = Notifier(Database(database_url))
    notifier.record(found)
    notifier.beat(WATCHER, "")
    return notifier


@pytest.mark.database
@pytest.mark.parametrize(
    "cause",
    [
        Cause("check", "sources", "2024-05-01", "ledger_balances"),
        Cause("run", "sources", "2024-05-01"),
        Cause("backfill", "sources", "", "abcdefgh"),
        Cause("sensor", "kafka_lag"),
        Cause("freshness", "sources"),
        Cause("stream", "alert_stream/one", "1", "moves"),
        Cause("canary", "alert_stream/canary"),
    ],
    ids=lambda cause: cause.kind,
)
def test_an_open_error_is_a_problem_until_it_ends(tmp_path: Path, database_url: str, cause: Cause) -> None:
    notifier = alerts(database_url, Alert(cause, "it failed"))
    ours = settings(tmp_path, database_url, "one")
    status = gather(ours, Ends(one=0))
    assert not status.healthy
    assert status.problems == [f"{cause.place}: it failed"]
    assert [alert.cause for alert in status.alerts] == [cause]
    notifier.end({cause: "it works"})
    assert gather(ours, Ends(one=0)).healthy


@pytest.mark.database
def test_an_open_warning_is_a_notice(tmp_path: Path, database_url: str) -> None:
    alerts(database_url, Alert(Cause("check", "sources", "", "as_usual"), "it is unusual", "warning"))
    status = gather(settings(tmp_path, database_url, "one"), Ends(one=0))
    assert status.healthy
    assert status.notices == ["sources: it is unusual"]


@pytest.mark.database
def test_many_alerts_are_counted(tmp_path: Path, database_url: str) -> None:
    alerts(database_url, *(Alert(Cause("run", f"asset{number:02d}"), "failed") for number in range(NAMED + 5)))
    status = gather(settings(tmp_path, database_url, "one"), Ends(one=0))
    assert len(status.alerts) == NAMED + 5
    assert len(status.problems) == NAMED + 1
    assert status.problems[-1] == "5 more alerts: `broker-assets alerts list` shows them"


class Refusing:
    """A destination that refuses."""

    name = "refusing"

    def send(self, subject: str, body: str, importance: str) -> None:
        raise DeliveryError("the mail server is away")


@pytest.mark.database
def test_alerts_that_cannot_be_sent_are_a_problem(tmp_path: Path, database_url: str) -> None:
    alerts(database_url, Alert(Cause("check", "sources"), "it is unusual", "warning"))
    Notifier(Database(database_url), [Refusing()]).deliver()
    status = gather(settings(tmp_path, database_url, "one"), Ends(one=0))
    assert status.problems == ["alerts cannot be sent: the mail server is away"]


@pytest.mark.database
def test_nobody_looks_any_more(tmp_path: Path, database_url: str) -> None:
    notifier = alerts(database_url)
    ours = settings(tmp_path, database_url, "one")
    assert gather(ours, Ends(one=0)).healthy
    with connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE heartbeat SET at = at - interval '10 minutes'")
    (problem,) = gather(ours, Ends(one=0)).problems
    assert problem.startswith("nobody has looked for failed checks, runs and backfills since")
    notifier.beat(WATCHER, "")
    assert gather(ours, Ends(one=0)).healthy


@pytest.mark.database
def test_a_ledger_that_does_not_balance_is_a_problem(tmp_path: Path, database_url: str) -> None:
    """A batch that claims messages of which nothing else in the ledger knows."""
    with connect(database_url, autocommit=True) as connection:
        batch(connection, minutes=1, stored=3)
    status = gather(settings(tmp_path, database_url, "one"), Ends(one=0))
    assert status.totals is not None
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


def with_notices(settings: Settings) -> Settings:
    """The same with the topics of a map and of a moving list."""
    notices = NoticeSettings(
        topic="igwn.gwalert",
        lists=[MovingListSettings(name="X-ray", topics=("ep", "svom"))],
        kafka=ClusterSettings(bootstrap_servers="gcn.example:9092"),
    )
    return settings.model_copy(update={"notices": notices})


@pytest.mark.database
def test_positions_of_all_topics_are_known(tmp_path: Path, database_url: str) -> None:
    read = {"one": 4, "igwn.gwalert": 3, "ep": 2}
    with connect(database_url) as connection:
        ingestid = ledger.open_batch(connection, topic="one", kind="stream", code_version="1", run_id=None)
        connection.cursor().executemany(
            'INSERT INTO stream_offset (topic, "partition", next_offset, ingestid) VALUES (%s, 0, %s, %s)',
            [(topic, position, ingestid) for topic, position in read.items()],
        )
    status = gather(with_notices(settings(tmp_path, database_url, "one")), Ends(**read, svom=7))
    found = {stream.topic: (stream.partitions[0].position, stream.lag) for stream in status.streams}
    assert found == {"one": (4, 0), "igwn.gwalert": (3, 0), "ep": (2, 0), "svom": (None, 7)}


def test_topics_of_notices_are_shown_and_their_broker_is_not_our_problem(tmp_path: Path) -> None:
    ours = with_notices(settings(tmp_path, None, "one"))
    known: dict[str, int | SourceError] = {"one": 1, "igwn.gwalert": 0, "ep": 2, "svom": SourceError("no broker")}
    status = gather(ours, Ends(**known))
    found = [(stream.topic, stream.survey, stream.lag, stream.detail) for stream in status.streams[1:]]
    assert found == [
        ("igwn.gwalert", "notices", None, UNKNOWN), ("ep", "notices", None, UNKNOWN),
        ("svom", "notices", None, "no broker"),
    ]  # fmt: skip
    assert not [problem for problem in status.problems if "svom" in problem]

"""A run that applies notices, and what it says without a topic."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from dagster import DagsterInstance, Definitions
from event_notices import einstein_probe, icecube, svom

from broker_assets.accounting import ledger
from broker_assets.database.engine import connect
from broker_assets.jobs.notices import NOT_CONFIGURED, build_read_notices
from broker_assets.resources.database import Database
from broker_assets.settings import Settings
from broker_assets.stream.messages import SourceUnavailableError, StreamEnds
from broker_assets.stream.notices import notice_topic, notice_topics
from broker_assets.stream.one_by_one import Topic

pytestmark = pytest.mark.database


class Topics:
    """A Kafka of some topics, whose sources are opened anew."""

    def __init__(self, sources: dict[str, Any]) -> None:
        self.sources = sources
        self.opened: list[str] = []

    def source(self, name: str) -> Any:
        """The topic from where it is; closed by the run before."""
        self.opened.append(name)
        self.sources[name].closed = False
        return self.sources[name]

    def ends(self, name: str, positions: dict[int, int], *, timeout: float = 5.0) -> StreamEnds:
        """Where the topic ends."""
        if self.sources[name] is None:
            raise SourceUnavailableError(f"{name} is away")
        return StreamEnds(name, {number: len(log) for number, log in self.sources[name].logs.items()}, {})


def run(topics: dict[str, Topic], database: Database, kafka: Any) -> tuple[bool, list[str]]:
    """Whether the run succeeds, and its messages."""
    job = build_read_notices(topics)
    definitions = Definitions(jobs=[job], resources={"database": database, "kafka": kafka})
    with DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def(job.name).execute_in_process(instance=instance, raise_on_error=False)
        entries = instance.all_logs(result.run_id)
    return result.success, [str(entry.user_message) + str(entry.to_json()) for entry in entries]


def test_messages_are_read_once_and_counted(database_url: str, packets: ModuleType) -> None:
    kafka = Topics({"igwn.gwalert": packets.ListSource.of([b"not a notice", b"{}"])})
    topics = {"igwn.gwalert": notice_topic("igwn.gwalert")}
    success, messages = run(topics, Database(database_url), kafka)
    assert success
    assert kafka.sources["igwn.gwalert"].closed
    assert any("0 stored, 0 known, 2 quarantined" in message for message in messages)
    with connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM quarantine").fetchone() == (2,)
    success, _ = run(topics, Database(database_url), kafka)
    assert success
    assert kafka.opened == ["igwn.gwalert"]  # nothing waited the second time


def test_several_topics_are_read_and_one_that_is_away_does_not_stop_them(
    database_url: str, packets: ModuleType
) -> None:
    settings = Settings(
        notices={  # type: ignore[arg-type]
            "kafka": {"bootstrap_servers": "gcn.example:9092"},
            "lists": [
                {"name": "X-ray", "topics": ["ep", "svom"], "days_after": 20_000},
                {"name": "neutrinos", "topics": ["away", "icecube"], "days_after": 20_000},
            ],
        }
    )
    kafka = Topics(
        {
            "ep": packets.ListSource.of([einstein_probe(), b"{}", einstein_probe()]),
            "svom": packets.ListSource.of([svom()]),
            "away": None,
            "icecube": packets.ListSource.of([icecube(2, "update"), icecube(1)]),
        }
    )
    success, messages = run(notice_topics(settings), Database(database_url), kafka)
    assert not success
    assert any("away is away" in message for message in messages)
    assert any("ep: 1 stored, 1 known, 1 quarantined" in message for message in messages)
    with connect(database_url) as connection:
        cones = connection.execute(
            "SELECT list.owner, list.name, cone.name FROM watchlist_cones AS cone JOIN watchlists AS list USING (wl_id)"
            " ORDER BY 2, 3"
        ).fetchall()
        assert cones == [
            ("system", "X-ray", "01709131337"), ("system", "X-ray", "sb26112801"),
            ("system", "neutrinos", "IceCube-261128A"),
        ]  # fmt: skip
        assert ledger.positions(connection, "icecube") == {0: 2}


def test_without_a_topic_the_run_says_what_to_set(database_url: str) -> None:
    success, messages = run({}, Database(database_url), object())
    assert not success
    assert any(NOT_CONFIGURED in message for message in messages)

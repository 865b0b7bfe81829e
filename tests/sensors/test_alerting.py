"""The sensor that looks for what is wrong: nothing is lost, whatever fails, and it leaves a heartbeat."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dagster import DagsterInstance, Definitions, SkipReason, build_sensor_context
from operator_mailbox import Operator

from broker_assets.build import build_defs
from broker_assets.monitoring.alerts import last_watch
from broker_assets.resources.database import Database
from broker_assets.resources.notifier import Notifier
from broker_assets.resources.object_store import ObjectStore
from broker_assets.sensors.alerting import Watched, build_alerting
from broker_assets.settings import Settings

pytestmark = pytest.mark.database


@pytest.fixture
def operator(database_url: str) -> Iterator[Operator]:
    with DagsterInstance.ephemeral() as instance:
        yield Operator(instance, database_url)


class Sensor:
    """The sensor with its cursor."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.cursor: str | None = None
        self.sensor = build_alerting(Settings(streams=[]))

    def tick(self, **resources: Any) -> str:
        given = {"notifier": self.operator.notifier, "database": self.operator.database, "kafka": None}
        given |= {"object_store": ObjectStore("memory://")} | resources
        context = build_sensor_context(
            instance=self.operator.instance, cursor=self.cursor, resources=given, definitions=Definitions()
        )
        result = self.sensor(context)
        assert isinstance(result, SkipReason)
        self.cursor = context.cursor
        return str(result.skip_message)


def test_cursor_moves_with_what_is_recorded(operator: Operator) -> None:
    sensor = Sensor(operator)
    operator.check(False)
    assert sensor.tick() == "1 alerts seen, 1 sent, 0 waiting"
    assert sensor.tick() == "0 alerts seen, 0 sent, 0 waiting"


def test_refused_message_is_sent_later(operator: Operator) -> None:
    operator.mailbox.refuses = True
    operator.check(False)
    assert "1 waiting (mailbox is full)" in operator.look()
    operator.mailbox.refuses = False
    assert len(operator.told()) == 1


def test_nothing_is_lost_while_the_database_is_away(operator: Operator) -> None:
    sensor = Sensor(operator)
    sensor.tick()
    before = sensor.cursor
    operator.check(False)
    away = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    assert "read again later" in sensor.tick(notifier=Notifier(away, [operator.mailbox]), database=away)
    assert sensor.cursor == before
    sensor.tick()
    assert len(operator.mailbox.told()) == 1


def test_cause_that_began_and_ended_before_anybody_looked_is_no_news(operator: Operator) -> None:
    operator.run("maintenance", "disk is full")
    operator.run("maintenance")
    assert operator.told() == []
    assert operator.lasting() == []


def test_each_look_leaves_a_heartbeat(operator: Operator) -> None:
    with operator.database.transaction() as connection:
        assert last_watch(connection) is None
    operator.look()
    with operator.database.transaction() as connection:
        first = last_watch(connection)
    operator.look()
    with operator.database.transaction() as connection:
        second = last_watch(connection)
    assert first is not None
    assert second is not None
    assert second > first


def test_materialisations_are_no_alerts(operator: Operator) -> None:
    operator.made("sources")
    assert operator.look() == "0 alerts seen, 0 sent, 0 waiting"


def test_whole_platform_is_watched() -> None:
    """Every check, with what blocks, every sensor and schedule, and the assets that must be fresh."""
    definitions = build_defs(settings=Settings())
    repository = definitions.get_repository_def()
    watched = Watched.of(repository)
    assert {("sources", "ledger_balances"), ("telemetry_register", "failing_files")} <= watched.checks.keys()
    assert watched.checks["sources", "ledger_balances"]
    assert not watched.checks["sources", "alerts_as_usual"]
    assert {"kafka_lag", "alerting", "nightly_checks", "daily_maintenance"} <= watched.running
    assert len(watched.running) == len([*repository.sensor_defs, *repository.schedule_defs])

"""When messages of brokers are read; `jobs/test_broker_messages` has what waits and what does not."""

from __future__ import annotations

from dagster import DagsterInstance, SkipReason, build_sensor_context
from listed_topics import ListedTopics

from broker_assets.jobs.broker_messages import build_read_broker_messages
from broker_assets.resources.database import Database
from broker_assets.sensors.broker_messages import build_broker_messages_sensor
from broker_assets.settings import Settings
from broker_assets.settings.surveys import BrokerSettings, SurveySettings

AWAY = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")


def skipped(settings: Settings) -> str:
    sensor = build_broker_messages_sensor(settings, build_read_broker_messages(settings))
    with DagsterInstance.ephemeral() as instance:
        found = sensor(build_sensor_context(instance=instance, resources={"database": AWAY, "kafka": ListedTopics()}))
    assert isinstance(found, SkipReason)
    return str(found.skip_message)


def test_without_brokers_nothing_is_asked() -> None:
    assert "no active brokers" in skipped(Settings())


def test_a_database_that_is_away_is_a_reason_to_skip() -> None:
    brokers = {"fink": BrokerSettings(kind="fink", topics=["answers"])}
    assert "cannot be read" in skipped(Settings(survey=SurveySettings(brokers=brokers)))

"""A run of `read_broker_messages`: what it stores, and when the sensor starts it."""

from __future__ import annotations

from typing import Any

import numpy as np
import psycopg
import pytest
from dagster import DagsterInstance, Definitions, RunRequest, SkipReason, build_sensor_context
from listed_topics import ListedTopics

from broker_assets.database.engine import conninfo
from broker_assets.jobs.broker_messages import build_read_broker_messages
from broker_assets.resources.database import Database
from broker_assets.sensors.broker_messages import build_broker_messages_sensor
from broker_assets.settings import Settings
from broker_assets.settings.surveys import BrokerSettings, SurveySettings
from broker_assets.tom.survey.fake_broker import ReceivedAlert, answers

pytestmark = pytest.mark.database


def test_what_waits_is_stored_and_found_by_the_sensor(database_url: str, packets: Any) -> None:
    datums = answers([ReceivedAlert(number, number, 0) for number in range(3)], 0, np.random.default_rng(1))
    kafka = ListedTopics(answers=packets.ListSource.of([*datums, b"?"]), away=None)
    brokers = {
        "fink": BrokerSettings(kind="fink", topics=["answers"]),
        "antares": BrokerSettings(kind="antares", topics=["away"]),
    }
    settings = Settings(survey=SurveySettings(brokers=brokers, idle_seconds=0.0))
    job = build_read_broker_messages(settings)
    sensor = build_broker_messages_sensor(settings, job)
    resources = {"database": Database(database_url), "kafka": kafka}
    definitions = Definitions(jobs=[job], sensors=[sensor], resources=resources)
    with DagsterInstance.ephemeral() as instance:

        def tick() -> Any:
            return sensor(build_sensor_context(instance=instance, resources=resources, definitions=definitions))

        request = tick()
        assert isinstance(request, RunRequest)
        assert request.tags["broker/lag"] == "7"
        result = definitions.resolve_job_def(job.name).execute_in_process(instance=instance)
        logs = [str(entry.user_message) for entry in instance.all_logs(result.run_id)]
        assert any("broker.fink.answers: 7 received = 6 stored + 0 known + 1 quarantined" in line for line in logs)
        assert any("does not answer" in line for line in logs)
        skipped = tick()
        assert isinstance(skipped, SkipReason)
        assert "nothing waits on 1 topics" in str(skipped.skip_message)
    with psycopg.connect(conninfo(database_url)) as connection:
        assert connection.execute("SELECT count(*) FROM elasticc2_brokermessage").fetchone() == (6,)

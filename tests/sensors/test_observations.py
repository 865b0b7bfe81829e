"""The sensor of requests is tried with its job in `tests/jobs/test_observations.py`; here: without a database."""

from __future__ import annotations

from dagster import DagsterInstance, SkipReason, build_sensor_context

from broker_assets.jobs.observations import build_observe
from broker_assets.resources.database import Database
from broker_assets.sensors.observations import build_observations_sensor
from broker_assets.settings import Settings


def test_an_absent_database_is_said() -> None:
    away = Database("postgresql+psycopg://nobody@127.0.0.1:9/nothing")
    with DagsterInstance.ephemeral() as instance:
        sensor = build_observations_sensor(build_observe(Settings()))
        answer = sensor(build_sensor_context(instance=instance, resources={"database": away}))
    assert isinstance(answer, SkipReason)
    assert "requests cannot be read" in str(answer.skip_message)

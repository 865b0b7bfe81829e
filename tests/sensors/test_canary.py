"""A canary passes the whole stream: real Kafka, the sensor that starts runs, a drain run; and leaves nothing behind."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from dagster import DagsterInstance, SensorResult, SkipReason, build_sensor_context
from delivery_peers import read_topic
from operator_mailbox import Operator
from pydantic import SecretStr

from broker_assets.build import build_defs
from broker_assets.monitoring.alerts import last_canary
from broker_assets.resources.database import Database
from broker_assets.resources.kafka import Kafka
from broker_assets.sensors.canary import build_canary
from broker_assets.settings import CanarySettings, DatabaseSettings, DrainSettings, KafkaSettings, Settings
from broker_assets.stream.canary import SCHEMA

pytestmark = [pytest.mark.kafka, pytest.mark.database]

SCIENCE = ("diasources", "diaforcedsources", "objects", "ingest_batch", "archive_file", "stream_offset", "artefact")


def settings_of(home: Path, url: str, kafka: str, topic: str) -> Settings:
    return Settings(
        home=home,
        database=DatabaseSettings(url=SecretStr(url)),
        kafka=KafkaSettings(bootstrap_servers=kafka),
        streams=[],
        canary=CanarySettings(topic=topic),
        drain=DrainSettings(idle_seconds=0.5, batch_seconds=0.2),
    )


def test_canary_passes_the_stream_and_is_in_no_table_of_science(
    kafka: str, topic: str, database_url: str, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path, database_url, kafka, topic)
    definitions = build_defs(settings=settings)
    repository = definitions.get_repository_def()
    resources = {"database": Database(database_url), "kafka": Kafka.of(settings)}
    with DagsterInstance.ephemeral() as instance:

        def tick(name: str, cursor: str | None = None) -> tuple[SensorResult | SkipReason, str | None]:
            sensor = repository.get_sensor_def(name)
            wanted = {key: resources[key] for key in sensor.required_resource_keys}
            context = build_sensor_context(instance=instance, cursor=cursor, resources=wanted, definitions=definitions)
            return sensor(context), context.cursor  # type: ignore[return-value]

        nothing, _ = tick("kafka_lag")
        assert isinstance(nothing, SensorResult)
        assert not nothing.run_requests, "before its tables exist"
        said, cursor = tick("canary")
        assert str(said.skip_message) == "a canary was sent"  # type: ignore[union-attr]
        again, _ = tick("canary", cursor)
        assert "the next canary is due in" in str(again.skip_message)  # type: ignore[union-attr]
        found, _ = tick("kafka_lag")
        assert isinstance(found, SensorResult)
        (request,) = found.run_requests or ()
        assert not found.asset_events, "it is no asset"
        run = definitions.resolve_job_def("drain").execute_in_process(
            instance=instance, run_config=request.run_config, tags=request.tags
        )
        assert run.success
        assert [event for event in run.all_events if event.is_step_materialization] == []
        assert run.get_asset_check_evaluations() == []

        operator = Operator(instance, database_url, canary=settings.canary)
        assert operator.told() == []
        with operator.database.transaction() as connection:
            came = last_canary(connection)
        assert came is not None
        assert 0.0 < came[1] < 600.0
        assert time.time() - came[0].timestamp() < 600.0
        counted = {table: operator.query(f"SELECT count(*) FROM {table}")[0][0] for table in SCIENCE}
        assert counted == dict.fromkeys(SCIENCE, 0)
        assert operator.query(f"SELECT received, stored FROM {SCHEMA}.ingest_batch") == [(1, 1)]
        assert operator.query(f"SELECT count(*) > 0 FROM {SCHEMA}.diasources") == [(True,)]
        assert operator.query(f"SELECT state, receipt->>'topic' FROM {SCHEMA}.deliveries") == [
            ("delivered", f"{topic}-delivered")
        ], "it reaches its sink"
        assert len(read_topic(kafka, f"{topic}-delivered", 1)) == 1
        assert len(list((tmp_path / "archive" / "canary").rglob("*.avro"))) == 1

        # it takes longer than it should, then none comes any more
        strict = settings.canary.model_copy(update={"latency_seconds": came[1] / 2})
        operator._options["canary"] = strict
        (late,) = operator.told()
        assert late.startswith("error: alert_stream/canary: the last canary took")
        operator._options["canary"] = settings.canary
        (fine,) = operator.told()
        assert fine.startswith("resolved: alert_stream/canary: the last canary took")
        (absent,) = operator.told(now=time.time() + 3600.0)
        assert absent.startswith("error: alert_stream/canary: no canary has come through the stream for 60 minutes")


def test_kafka_that_refuses_is_tried_again(database_url: str, tmp_path: Path) -> None:
    settings = settings_of(tmp_path, database_url, "127.0.0.1:1", "nowhere")
    context = build_sensor_context(resources={"database": Database(database_url)})
    said = build_canary(settings)(context)
    assert "the canary could not be sent, the next tick tries again" in str(said.skip_message)  # type: ignore[union-attr]
    assert context.cursor is None


def test_without_a_topic_there_is_none(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert settings.canary.stream is None
    with pytest.raises(ValueError, match="BROKER_CANARY__TOPIC"):
        build_canary(settings)
    assert "canary" not in {sensor.name for sensor in build_defs(settings=settings).get_repository_def().sensor_defs}

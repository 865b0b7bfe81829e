"""Nights of the simulated survey as assets: a whole cycle; a night that is run again does nothing."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dagster import DagsterInstance, Definitions

from broker_assets.assets.tom.survey import NIGHTLY, PARENTS, SURVEY
from broker_assets.build import tom
from broker_assets.database.engine import conninfo
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.resources.kafka import Kafka
from broker_assets.settings import Settings
from broker_assets.settings.stream import KafkaSettings
from broker_assets.settings.surveys import BrokerSettings, SurveySettings

pytestmark = [pytest.mark.database, pytest.mark.kafka, pytest.mark.shared]

NIGHTS = ("2023-11-29", "2023-11-30")
"""With 8 and 4 alerts."""


@pytest.fixture
def settings(kafka: str, tmp_path: Path) -> Settings:
    name = f"assets-{os.getpid()}"
    return Settings(
        kafka=KafkaSettings(bootstrap_servers=kafka),
        survey=SurveySettings(
            wide_topic=f"{name}-wide", deep_full_topic=f"{name}-full", deep_limited_topic=f"{name}-limited",
            rehearsal_topic=f"{name}-answers", archives=tmp_path, idle_seconds=1.0,
            brokers={"fake": BrokerSettings(kind="elasticc", topics=[f"{name}-answers"])},
        ),
    )  # fmt: skip


def run(definitions: Definitions, instance: DagsterInstance, night: str) -> dict[str, Any]:
    """A night; gives the metadata of its materialisations by asset."""
    job = definitions.resolve_job_def("survey_night")
    result = job.execute_in_process(instance=instance, partition_key=night)
    assert result.success
    events = [
        event.step_materialization_data.materialization for event in result.all_events if event.is_step_materialization
    ]
    return {
        event.asset_key.to_user_string(): {name: value.value for name, value in event.metadata.items()}
        for event in events
    }


def test_a_cycle_by_nights(survey_url: str, settings: Settings, tmp_path: Path) -> None:
    database = Database(survey_url)
    resources = {"database": database, "kafka": Kafka.of(settings)}
    definitions = Definitions.merge(tom.definitions(settings), Definitions(resources=resources))
    with DagsterInstance.ephemeral() as instance:
        assert (
            definitions.resolve_implicit_global_asset_job_def()
            .execute_in_process(instance=instance, asset_selection=[definitions.get_assets_def(SURVEY).key])
            .success
        )
        nights = instance.get_dynamic_partitions("simulated_nights")
        assert set(NIGHTS) <= set(nights)
        assert len(nights) == len(set(nights)) > 300
        first = run(definitions, instance, NIGHTS[0])
        assert {name: shown["dagster/row_count"] for name, shown in first.items()} == {
            "survey_alerts": 8, "survey_archives": 8, "rehearsed_answers": 16, "broker_messages": 16,
            "reported_objects": 8, "object_rollups": first["object_rollups"]["dagster/row_count"],
        }  # fmt: skip
        assert first["broker_messages"]["stored now"] == 16
        assert first["object_rollups"]["curves changed"] == first["object_rollups"]["classes changed"] == 0
        with tarfile.open(tmp_path / f"{NIGHTS[0]}.tar") as archive:
            assert len(archive.getnames()) == 8
        second = run(definitions, instance, NIGHTS[1])
        assert (second["survey_alerts"]["dagster/row_count"], second["reported_objects"]["dagster/row_count"]) == (4, 4)
        with database.transaction() as connection:
            # Roll-ups are those of the objects now, whatever night has changed them.
            wanted = [(name, night) for name in NIGHTLY if name != "object_rollups" for night in NIGHTS]
            known = versions.recorded(connection, wanted)
        # A night that is run again sends, reads and imports nothing.
        again = run(definitions, instance, NIGHTS[0])
        assert (again["survey_alerts"]["sent now"], again["broker_messages"]["received now"]) == (0, 0)
        with database.transaction() as connection:
            assert {key: found.data_version for key, found in versions.recorded(connection, wanted).items()} == {
                key: found.data_version for key, found in known.items()
            }
    for name, night in wanted:
        assert {use.asset for use in known[name, night].inputs} == set(PARENTS[name])
    with psycopg.connect(conninfo(survey_url)) as connection:
        assert connection.execute(
            "SELECT (SELECT count(*) FROM elasticc2_ppdbalert WHERE alertsenttimestamp IS NOT NULL),"
            " (SELECT count(*) FROM elasticc2_brokermessage), (SELECT count(*) FROM elasticc2_diasource)"
        ).fetchone() == (12, 24, 12)


def test_a_simulation_that_cannot_be_loaded_fails_the_asset(database_url: str, tmp_path: Path) -> None:
    settings = Settings(survey=SurveySettings(simulations=[tmp_path / "nowhere"]))
    resources = {"database": Database(database_url), "kafka": Kafka.of(settings)}
    definitions = Definitions.merge(tom.definitions(settings), Definitions(resources=resources))
    with DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, asset_selection=[definitions.get_assets_def(SURVEY).key], raise_on_error=False
        )
        assert not result.success
        assert "could not be loaded" in str(result.failure_data_for_node(SURVEY))

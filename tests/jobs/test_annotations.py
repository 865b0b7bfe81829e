"""A run of `read_annotations`: what it applies, what it reports, and when the sensor starts it."""

from __future__ import annotations

from typing import Any

import pytest
from dagster import DagsterInstance, Definitions, RunRequest, SkipReason, build_sensor_context
from listed_topics import ListedTopics

from broker_assets.annotations.annotators import add_annotator
from broker_assets.assets.annotations import build_annotation_assets
from broker_assets.database import engine
from broker_assets.jobs.annotations import build_read_annotations
from broker_assets.resources.database import Database
from broker_assets.sensors.annotations import build_annotations_sensor
from broker_assets.settings import AnnotationSettings, Settings

pytestmark = pytest.mark.database


def test_what_waits_is_applied_reported_and_found_by_the_sensor(database_url: str, packets: Any) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO objects (diaobjectid, survey) VALUES (1, 1), (2, 1)")
        add_annotator(connection, "fastfinder", "anna")
        add_annotator(connection, "away", "anna")
    messages = [b'{"objectId": %d, "classification": "SN"}' % number for number in (1, 2, 1)]
    kafka = ListedTopics(anno_fastfinder=packets.ListSource.of([*messages, b"{"]), anno_away=None)
    settings = Settings(annotations=AnnotationSettings(idle_seconds=0.2))
    seen: list[int] = []

    def triggered(inside: Any, ingestid: int, rows: Any) -> int:
        seen.extend(rows["diaobjectid"].to_pylist())
        return 0

    job = build_read_annotations(settings, triggered)
    sensor = build_annotations_sensor(settings, job)
    resources = {"database": Database(database_url), "kafka": kafka}
    definitions = Definitions(assets=build_annotation_assets(), jobs=[job], sensors=[sensor], resources=resources)
    with DagsterInstance.ephemeral() as instance:

        def tick() -> Any:
            return sensor(build_sensor_context(instance=instance, resources=resources, definitions=definitions))

        request = tick()
        assert isinstance(request, RunRequest)
        assert request.tags["broker/lag"] == "4"
        result = definitions.resolve_job_def(job.name).execute_in_process(instance=instance)
        [event] = [event for event in result.all_events if event.is_step_materialization]
        materialization = event.step_materialization_data.materialization
        assert (materialization.asset_key.to_user_string(), materialization.partition) == ("annotations", "fastfinder")
        assert materialization.metadata["dagster/row_count"].value == 2
        assert materialization.metadata["quarantined"].value == 1
        assert instance.get_dynamic_partitions("annotators") == ["fastfinder"]
        logs = [str(entry.user_message) for entry in instance.all_logs(result.run_id)]
        assert any("annotator.fastfinder.anno_fastfinder: 4 received" in line for line in logs)
        assert any("does not answer" in line for line in logs)
        assert sorted(seen) == [1, 2]
        skipped = tick()
        assert isinstance(skipped, SkipReason)
        assert "nothing waits on 1 topics" in str(skipped.skip_message)
        assert "does not answer" in str(skipped.skip_message)
        again = definitions.resolve_job_def(job.name).execute_in_process(instance=instance)
        assert not [event for event in again.all_events if event.is_step_materialization]

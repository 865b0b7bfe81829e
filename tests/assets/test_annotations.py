"""What is reported of annotations: a partition for each annotator that has said something."""

from __future__ import annotations

import pytest

from broker_assets.annotations.annotators import add_annotator
from broker_assets.assets.annotations import annotation_entries
from broker_assets.database import engine
from broker_assets.stream.annotation_followup import annotate
from broker_assets.stream.annotations import AnnotationsRead

pytestmark = pytest.mark.database


def test_the_version_is_the_newest_change_and_the_number_of_objects(database_url: str) -> None:
    with engine.connect(database_url, autocommit=True) as connection:
        connection.execute("INSERT INTO objects (diaobjectid, survey) VALUES (1, 1), (2, 1)")
        for topic in ("said", "silent"):
            add_annotator(connection, topic, "anna")
        annotate(connection, None, [{"topic": "said", "objectId": n, "classification": "SN"} for n in (1, 2)])
        read = {
            "annotator.said.anno_said": AnnotationsRead(received=5, quarantined=1),
            "rubin-alerts": AnnotationsRead(),
        }
        [first] = annotation_entries(connection, read)
        annotate(connection, None, [{"topic": "said", "objectId": 1, "classification": "AGN"}])
        [second] = annotation_entries(connection, {})
        annotate(connection, None, [{"topic": "said", "objectId": 1, "classification": "AGN"}])
        [third] = annotation_entries(connection, {})
    assert first.key == ("annotations", "said")
    assert not callable(first.metadata)
    assert (first.metadata["dagster/row_count"], first.metadata["received"], first.metadata["quarantined"]) == (2, 5, 1)
    versions = [entry.artefact.data_version for entry in (first, second, third)]
    assert versions[0] != versions[1] == versions[2]
    assert all(version.endswith("/2") for version in versions)

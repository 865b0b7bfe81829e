"""What is said of each classifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, DagsterInstance, Definitions
from tiny_classifiers import tiny

from broker_assets.assets.classifiers.models import CLASSIFIER, INACTIVE, build_classifier, entries
from broker_assets.classifiers.store import ClassifierStore
from broker_assets.partitions import classifiers
from broker_assets.provenance import versions
from broker_assets.resources.database import Database


def test_the_version_is_that_of_the_active_model(tmp_path: Path) -> None:
    store = ClassifierStore(tmp_path / "store")
    assert entries(store.folder) == {}
    stored = store.add(tiny(tmp_path / "a"))
    store.add(tiny(tmp_path / "b", seed=2, version="2"), activate=False)
    [(name, entry)] = entries(store.folder).items()
    assert (name, entry.artefact.partition) == ("tiny", "tiny")
    assert entry.artefact.data_version == f"1 ({stored.sha256[:8]})"
    said: Any = entry.metadata() if callable(entry.metadata) else {}
    assert said["versions"] == ["1", "2"]
    assert said["classes"]["red"] == "neither"
    store.activate("tiny", None)
    assert entries(store.folder)["tiny"].artefact.data_version == INACTIVE


@pytest.mark.database
@pytest.mark.parametrize("present", [True, False])
def test_observing_by_hand(database_url: str, tmp_path: Path, present: bool) -> None:
    if present:
        ClassifierStore(tmp_path / "store").add(tiny(tmp_path / "a"))
    with DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions(str(classifiers.name), ["tiny"])
        made = Definitions([build_classifier(tmp_path / "store")], resources={"database": Database(database_url)})
        result = made.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=instance, partition_key="tiny", asset_selection=[AssetKey(CLASSIFIER)], raise_on_error=False
        )
        assert result.success is present
    with Database(database_url).transaction() as connection:
        assert set(versions.data_versions(connection, CLASSIFIER)) == ({"tiny"} if present else set())

"""The training in Dagster: once, the same each time, shown with its metrics, stale with its examples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from dagster import AssetKey, DagsterInstance
from tiny_classifiers import tiny

from broker_assets.assets.classifiers import training
from broker_assets.assets.classifiers.training import DEFAULT, TRAINING_SET, code_versions, examples_path
from broker_assets.build import build_defs
from broker_assets.classifiers import default
from broker_assets.classifiers.checking import check
from broker_assets.classifiers.default import Trained
from broker_assets.classifiers.store import ClassifierStore
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.settings import ClassifierSettings, Settings

pytestmark = pytest.mark.database

OBJECTS = 1100


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(classifiers=ClassifierSettings(folder=tmp_path / "store", examples_objects=OBJECTS))


def made(settings: Settings, url: str, instance: DagsterInstance, *assets: str, **options: Any) -> Any:
    definitions = build_defs(settings=settings, resource_overrides={"database": Database(url)})
    return definitions.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, asset_selection=[AssetKey(asset) for asset in assets], **options
    )


def metadata(instance: DagsterInstance, asset: str) -> Any:
    [record, *_] = instance.fetch_materializations(AssetKey(asset), limit=1).records
    assert record.asset_materialization is not None
    return record.asset_materialization.metadata


def test_from_examples_to_an_active_classifier(settings: Settings, database_url: str) -> None:
    store = ClassifierStore(settings.classifier_folder)
    with DagsterInstance.ephemeral() as instance:
        assert made(settings, database_url, instance, TRAINING_SET, DEFAULT).success
        [first] = store.active()
        assert first.name == default.NAME
        said = metadata(instance, DEFAULT)
        assert said["confusion matrix"].value.startswith("![plot](data:image/png")
        assert said["held-out accuracy"].value > 0.6
        assert said["version"].value == first.version
        assert metadata(instance, TRAINING_SET)["classes"].value["AGN"] > 50
        with Database(database_url).transaction() as connection:
            known = versions.current(connection, DEFAULT)
            examples = versions.current(connection, TRAINING_SET)
        assert known is not None
        assert examples is not None
        assert [(use.asset, use.data_version) for use in known.inputs] == [(TRAINING_SET, examples.data_version)]
        assert [use.asset for use in examples.inputs] == ["dust_map"]

        # The same again: the same version, and nothing to be kept of another one.
        assert made(settings, database_url, instance, DEFAULT).success
        assert store.versions() == [first]

        # Other examples make it stale; what an operator has switched off stays off.
        table = pq.read_table(examples_path(settings.classifier_folder))
        store.activate(default.NAME, None)
        pq.write_table(table.slice(0, table.num_rows - 5), examples_path(settings.classifier_folder))
        assert made(settings, database_url, instance, DEFAULT).success
        assert store.active() == []
        assert len(store.versions()) == 2


def test_old_versions_are_removed(settings: Settings, tmp_path: Path) -> None:
    store = ClassifierStore(settings.classifier_folder)
    for number in range(5):
        folder = tiny(tmp_path / str(number), seed=number, name=default.NAME, version=str(number))
        training.add(store, Trained(check(folder), np.zeros((3, 3), np.int64), {}, {}, 0))
    assert [item.version for item in store.versions()] == ["2", "3", "4"]
    assert [item.version for item in store.active()] == ["4"]


def test_without_examples_it_says_what_to_do(settings: Settings, database_url: str) -> None:
    with DagsterInstance.ephemeral() as instance:
        result = made(settings, database_url, instance, DEFAULT, raise_on_error=False)
        assert not result.success
        assert "is missing" in str(result.failure_data_for_node(DEFAULT).error.message)


def test_code_versions_name_what_they_consist_of(settings: Settings) -> None:
    codes = code_versions(settings)
    assert f"{OBJECTS} objects" in codes[TRAINING_SET]
    assert "features" in codes[TRAINING_SET]

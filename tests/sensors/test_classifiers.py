"""Classifiers that are added, activated or removed are observed once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from dagster import AssetKey, DagsterEventType, DagsterInstance, RunRequest, build_sensor_context
from tiny_classifiers import tiny

from broker_assets.assets.classifiers.models import INACTIVE
from broker_assets.assets.classifiers.training import DEFAULT, TRAINING_SET, code_versions
from broker_assets.build import build_defs
from broker_assets.classifiers.store import ClassifierStore
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.sensors.classifiers import reasons_to_train
from broker_assets.settings import ClassifierSettings, Settings

pytestmark = pytest.mark.database


def tick(instance: DagsterInstance, url: str, folder: Path, **options: Any) -> Any:
    """A tick: the reason why there is no run, or the request of one."""
    settings = Settings(classifiers=ClassifierSettings(folder=folder, **options))
    made = build_defs(settings=settings)
    with build_sensor_context(
        instance=instance, resources={"database": Database(url)}, repository_def=made.get_repository_def()
    ) as context:
        result: Any = made.get_sensor_def("classifiers")(context)
    return result if isinstance(result, RunRequest) else str(result.skip_message)


def recorded(url: str) -> dict[str, str]:
    with Database(url).transaction() as connection:
        return dict(versions.data_versions(connection, "classifier"))


def test_changes_are_observed_once(database_url: str, tmp_path: Path) -> None:
    store = ClassifierStore(tmp_path / "store")
    with DagsterInstance.ephemeral() as instance:
        assert tick(instance, database_url, store.folder) == "nothing has changed"
        stored = store.add(tiny(tmp_path / "a"))
        assert tick(instance, database_url, store.folder).startswith("1 classifiers")
        assert tick(instance, database_url, store.folder) == "nothing has changed"
        assert recorded(database_url) == {"tiny": f"1 ({stored.sha256[:8]})"}
        assert instance.get_dynamic_partitions("classifiers") == ["tiny"]
        store.activate("tiny", None)
        assert tick(instance, database_url, store.folder).startswith("1 classifiers")
        assert recorded(database_url) == {"tiny": INACTIVE}
        events = instance.get_latest_storage_id_by_partition(
            AssetKey("classifier"), DagsterEventType.ASSET_OBSERVATION, {"tiny"}
        )
        assert set(events) == {"tiny"}
        store.remove("tiny")
        assert tick(instance, database_url, store.folder).startswith("1 classifiers")
        assert recorded(database_url) == {}
        assert instance.get_dynamic_partitions("classifiers") == []


def test_a_new_event_log_is_filled_again(database_url: str, tmp_path: Path) -> None:
    ClassifierStore(tmp_path / "store").add(tiny(tmp_path / "a"))
    for _ in range(2):
        with DagsterInstance.ephemeral() as instance:
            assert tick(instance, database_url, tmp_path / "store").startswith("1 classifiers")


def test_what_is_damaged_or_away_is_said(database_url: str, tmp_path: Path) -> None:
    stored = ClassifierStore(tmp_path / "store").add(tiny(tmp_path / "a"))
    with DagsterInstance.ephemeral() as instance:
        assert "tries again" in tick(instance, "postgresql+psycopg://nobody@127.0.0.1:1/none", tmp_path / "store")
        (stored.folder / "about.json").write_text("{")
        assert "damaged" in tick(instance, database_url, tmp_path / "store")


def test_the_default_classifier_is_trained_where_the_settings_ask_for_it(database_url: str, tmp_path: Path) -> None:
    with DagsterInstance.ephemeral() as instance:
        assert tick(instance, database_url, tmp_path) == "nothing has changed"
        asked = tick(instance, database_url, tmp_path, train_default=True)
        assert asked.job_name == "train_classifier"
        assert "there is no training_set yet" in asked.tags["broker/reason"]
        # The same key is one run, however often it is asked for.
        assert tick(instance, database_url, tmp_path, train_default=True).run_key == asked.run_key


def test_what_makes_it_stale(database_url: str, tmp_path: Path) -> None:
    codes = code_versions(Settings())
    store = ClassifierStore(tmp_path / "store")

    def reasons(**made: tuple[str, str, str]) -> list[str]:
        """Reasons after some versions were recorded: data version, code version, version of the input."""
        parents = {TRAINING_SET: "dust_map", DEFAULT: TRAINING_SET}
        with Database(database_url).transaction() as connection:
            for asset, (version, code, used) in made.items():
                inputs = (versions.Input(asset=parents[asset], data_version=used),) if asset in parents else ()
                entry = versions.Artefact(asset=asset, data_version=version, code_version=code, inputs=inputs)
                versions.record(connection, [entry])
            return reasons_to_train(connection, store.folder, codes)

    good = {
        "dust_map": ("d", "1", ""), TRAINING_SET: ("t", codes[TRAINING_SET], "d"), DEFAULT: ("m", codes[DEFAULT], "t")
    }  # fmt: skip
    assert reasons(**good) == ["the folder has no classifier light_curve"]
    store.add(tiny(tmp_path / "tiny", name="light_curve"))
    assert reasons() == []
    assert reasons(dust_map=("e", "1", "")) == ["training_set was made from another dust_map"]
    assert reasons(training_set=("u", codes[TRAINING_SET], "e")) == [
        "default_classifier was made from another training_set"
    ]
    assert reasons(default_classifier=("n", "0", "u")) == ["default_classifier was made by other code"]

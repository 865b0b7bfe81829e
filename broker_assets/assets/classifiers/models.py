"""The models that score alerts: `classifier`, one partition per classifier.

They are not built here but observed: operators add them, and training adds its result. The data version of a partition
is the active version of the classifier. The sensor `classifiers` records what has changed, without a run; observing a
partition by hand does the same.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from dagster import (
    AssetExecutionContext,
    AssetsDefinition,
    AssetSpec,
    Failure,
    ObserveResult,
    ResourceParam,
    multi_observable_source_asset,
)

from broker_assets.assets.classifiers.training import DEFAULT
from broker_assets.assets.labels import ALL_SURVEYS, CLASSIFIER_OBSERVER, STREAM_OPERATORS, about, labels
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.classifiers.store import ClassifierStore, Stored
from broker_assets.partitions import classifiers
from broker_assets.provenance import versions
from broker_assets.resources.database import Database

CLASSIFIER: Final = "classifier"
INACTIVE: Final = "not active"
"""Data version of a classifier without an active version."""


def entries(folder: Path) -> dict[str, Entry]:
    """The entry that reports each classifier of a store, by name."""
    store = ClassifierStore(folder)
    known: dict[str, list[Stored]] = {}
    for stored in store.versions():
        known.setdefault(stored.name, []).append(stored)
    return {name: _entry(name, found) for name, found in known.items()}


def _entry(name: str, found: list[Stored]) -> Entry:
    active = next((item for item in found if item.active), None)
    version = INACTIVE if active is None else f"{active.version} ({active.sha256[:8]})"
    artefact = versions.Artefact(asset=CLASSIFIER, partition=name, data_version=version)

    def metadata() -> dict[str, Any]:
        said: dict[str, Any] = {"versions": [item.version for item in found]}
        if active is not None:
            description = active.description()
            said |= {
                "active": active.version,
                "SHA-256": active.sha256,
                "bytes": active.bytes,
                "from": active.source,
                "classes": {label: text for output in description.outputs for label, text in output.classes.items()},
                "about": description.description,
            }
        return said

    return Entry(artefact, description=version, metadata=metadata)


def build_classifier(folder: Path) -> AssetsDefinition:
    """The observed asset; `folder` is that of the classifiers."""
    spec = AssetSpec(
        CLASSIFIER,
        deps=[DEFAULT],
        group_name="classifiers",
        kinds={"onnx", "file"},
        **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="model", family="alerts", store="files"),
        **about(
            "Models that score alerts, one partition per classifier (`broker-assets classifiers`). The data version is "
            "that of the active model.",
            CLASSIFIER_OBSERVER,
        ),
    )

    @multi_observable_source_asset(name="observe_classifier", specs=[spec], partitions_def=classifiers)
    def observe(context: AssetExecutionContext, database: ResourceParam[Database]) -> Iterator[ObserveResult]:
        found = entries(folder).get(context.partition_key)
        if found is None:
            raise Failure(f"there is no longer a classifier {context.partition_key!r}", allow_retries=False)
        yield from Reporter(context.instance, database, context.log, run_id=context.run.run_id).seen(found)

    observed: AssetsDefinition = observe
    return observed

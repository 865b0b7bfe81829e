"""The default classifier: `training_set`, alerts of a simulated survey, and `default_classifier`, trained with them.

Both are built by the job `train_classifier`. If the settings ask for it, the sensor `classifiers` starts the job at the
first start and whenever one of the two is stale; otherwise an operator does.
"""

import hashlib
import io
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pyarrow.parquet as pq
from dagster import AssetExecutionContext, AssetsDefinition, Failure, MaterializeResult, ResourceParam, asset

from broker_assets.assets.labels import ALL_SURVEYS, STREAM_OPERATORS, TRAIN, about, labels
from broker_assets.assets.metadata import shown
from broker_assets.assets.reporter import Entry, Reporter
from broker_assets.classifiers import default
from broker_assets.classifiers.pictures import confusion_png
from broker_assets.classifiers.store import ClassifierStore, Stored
from broker_assets.lightcurves.object_features import DUST_MAP, ObjectFeatures
from broker_assets.monitoring.alerts import NEXT_STEP
from broker_assets.provenance import versions
from broker_assets.resources.database import Database
from broker_assets.settings import Settings
from broker_assets.storage.atomic import replace_atomically
from broker_assets.stream.simulated_examples import ExampleSurvey, simulated_examples

TRAINING_SET: Final = "training_set"
DEFAULT: Final = "default_classifier"
SEED: Final = 1
"""Seed of the training."""
KEPT: Final = 2
"""Versions of the default classifier that are kept besides the active one."""


def examples_path(folder: Path) -> Path:
    """File of the training set, in a folder with a name that no classifier can have."""
    return folder / "_training" / "examples.parquet"


def survey_of(settings: Settings) -> ExampleSurvey:
    """The simulated survey that the settings describe."""
    own = settings.classifiers
    return ExampleSurvey(seed=own.examples_seed, objects=own.examples_objects)


def code_versions(settings: Settings) -> dict[str, str]:
    """Code version of both assets; that of the training set includes the versions of all code that computes it."""
    features = ObjectFeatures.of(settings.features).version
    return {
        TRAINING_SET: f"examples {survey_of(settings).version}; features {features}",
        DEFAULT: default.TRAINING_VERSION,
    }


def build_training_assets(settings: Settings) -> list[AssetsDefinition]:
    """The two assets."""
    folder = settings.classifier_folder
    codes = code_versions(settings)

    @asset(
        name=TRAINING_SET,
        deps=[DUST_MAP],
        group_name="classifiers",
        code_version=codes[TRAINING_SET],
        kinds={"parquet", "file"},
        **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="input", family="alerts", store="files"),
        **about(
            "Alerts of a simulated survey whose classes are known, with the inputs of the default classifier, "
            "computed by the code of the stream.",
            TRAIN,
        ),
    )
    def training_set(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        features = ObjectFeatures.of(settings.features)
        survey = survey_of(settings)
        examples = simulated_examples(survey, default.INPUT, features)
        sink = io.BytesIO()
        pq.write_table(examples, sink, compression="zstd")
        replace_atomically(examples_path(folder), sink.getvalue())
        counts = examples.group_by("class").aggregate([([], "count_all")]).to_pylist()
        made = versions.Artefact(
            asset=TRAINING_SET,
            data_version=default.examples_version(examples),
            code_version=codes[TRAINING_SET],
            inputs=(versions.Input(asset=DUST_MAP, data_version=features.dust.version),),
        )
        metadata = {
            "examples": examples.num_rows,
            "objects": len(examples["diaobjectid"].unique()),
            "survey": survey.version,
            "classes": {row["class"]: row["count_all"] for row in sorted(counts, key=lambda row: row["class"])},
            "file": str(examples_path(folder)),
        }
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        yield from reporter.made(Entry(made, metadata=metadata))

    @asset(
        name=DEFAULT,
        deps=[training_set],
        group_name="classifiers",
        code_version=codes[DEFAULT],
        kinds={"onnx", "scikitlearn"},
        **labels(STREAM_OPERATORS, survey=ALL_SURVEYS, level="model", family="alerts", store="files"),
        **about(
            f"A random forest and an isolation forest, trained on the training set and added to the classifiers as "
            f"`{default.NAME}`. They show the path from examples to scores; the scores are not for science.",
            TRAIN,
        ),
    )
    def default_classifier(
        context: AssetExecutionContext, database: ResourceParam[Database]
    ) -> Iterator[MaterializeResult[Any]]:
        try:
            examples = pq.read_table(examples_path(folder))
        except FileNotFoundError:
            raise Failure(
                f"{examples_path(folder)} is missing", {NEXT_STEP: f"materialise {TRAINING_SET}"}, allow_retries=False
            ) from None
        trained = default.train(examples, seed=SEED)
        stored = add(ClassifierStore(folder), trained)
        made = versions.Artefact(
            asset=DEFAULT,
            data_version=stored.version,
            code_version=codes[DEFAULT],
            inputs=(versions.Input(asset=TRAINING_SET, data_version=default.examples_version(examples)),),
        )
        context.log.info(f"{stored.name} {stored.version}: {trained.metrics}")
        reporter = Reporter(context.instance, database, context.log, run_id=context.run.run_id)
        yield from reporter.made(Entry(made, metadata=_metadata(trained, stored)))

    return [training_set, default_classifier]


def add(store: ClassifierStore, trained: default.Trained) -> Stored:
    """Add a trained model; it becomes the active version unless an operator has deactivated the classifier."""
    before = [item for item in store.versions() if item.name == default.NAME]
    activate = not before or any(item.active for item in before)
    stored = store.put(trained.checked, source=DEFAULT, activate=activate)
    others = [item for item in store.versions() if item.name == default.NAME and not item.active and item != stored]
    others.sort(key=lambda item: item.folder.stat().st_mtime)
    for old in others[: max(len(others) - KEPT, 0)]:
        store.remove(old.name, old.version)
    return stored


def _metadata(trained: default.Trained, stored: Stored) -> dict[str, Any]:
    classes = trained.checked.description.outputs[0].classes
    recall = trained.confusion.diagonal() / trained.confusion.sum(axis=1)
    picture = confusion_png(trained.confusion, list(classes))
    return shown(
        {
            "version": stored.version,
            "active": stored.active,
            "examples": sum(trained.counts.values()),
            "examples by class": trained.counts,
            "held-out examples": trained.held_out,
            **{f"held-out {name}": round(value, 4) for name, value in trained.metrics.items()},
            "held-out recall": {name: round(float(value), 3) for name, value in zip(classes, recall, strict=True)},
            "confusion matrix": picture,
            "seed": SEED,
            "libraries": {name: version(name) for name in ("scikit-learn", "onnx", "numpy")},
            "SHA-256": hashlib.sha256(trained.checked.content).hexdigest(),
            "bytes": stored.bytes,
        }
    )

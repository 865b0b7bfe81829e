"""Classifiers: the models that score alerts, the default one, and what follows them."""

from __future__ import annotations

from dagster import AssetSelection, Definitions, define_asset_job

from broker_assets.assets.classifiers.models import build_classifier
from broker_assets.assets.classifiers.training import DEFAULT, TRAINING_SET, build_training_assets
from broker_assets.sensors.classifiers import build_classifiers_sensor
from broker_assets.settings import Settings


def definitions(settings: Settings) -> Definitions:
    """Definitions of classifiers."""
    train = define_asset_job(
        "train_classifier",
        selection=AssetSelection.assets(TRAINING_SET, DEFAULT),
        description="Simulates the training set, trains the default classifier with it and adds it to the classifiers.",
    )
    return Definitions(
        assets=[build_classifier(settings.classifier_folder), *build_training_assets(settings)],
        jobs=[train],
        sensors=[build_classifiers_sensor(settings, train)],
    )

"""Follows the models on disk, and trains the default classifier where the settings ask for it.

Models that were added, activated or removed are observed without a run. What must be observed or trained is derived
from the folder, provenance and Dagster at every tick, so nothing is lost when a tick or a run fails, and the sensor has
no cursor.
"""

from collections.abc import Mapping
from logging import Logger
from pathlib import Path
from typing import Any

import psycopg
from dagster import (
    DagsterInstance,
    DefaultSensorStatus,
    ResourceParam,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    sensor,
)

from broker_assets.assets.classifiers.models import CLASSIFIER, entries
from broker_assets.assets.classifiers.training import DEFAULT, TRAINING_SET, code_versions
from broker_assets.classifiers import default
from broker_assets.classifiers.description import ClassifierError
from broker_assets.classifiers.store import ClassifierStore
from broker_assets.dagster_internals import UnresolvedAssetJobDefinition
from broker_assets.partitions import classifiers
from broker_assets.provenance import versions
from broker_assets.resources.database import DATABASE_AWAY, Database
from broker_assets.sensors.observed_partitions import follow_partitions
from broker_assets.sensors.run_history import requested
from broker_assets.settings import Settings


def observe_classifiers(instance: DagsterInstance, database: Database, log: Logger, folder: Path) -> int:
    """Observe classifiers that are new or changed, forget those that are gone, and return the number of both."""
    present = entries(folder)
    found = {name: entry.artefact.data_version for name, entry in present.items()}
    return follow_partitions(instance, database, log, CLASSIFIER, classifiers, found, present.__getitem__)


def reasons_to_train(connection: psycopg.Connection[Any], folder: Path, codes: Mapping[str, str]) -> list[str]:
    """Why the default classifier must be trained; empty if it need not be.

    Parameters
    ----------
    connection : psycopg.Connection
        Connection with which provenance is read.
    folder : Path
        Folder of the classifiers.
    codes : mapping of str to str
        Deployed code version of the training set and of the classifier.
    """
    reasons = []
    for asset in (TRAINING_SET, DEFAULT):
        known = versions.current(connection, asset)
        if known is None:
            reasons.append(f"there is no {asset} yet")
            continue
        if known.code_version != codes[asset]:
            reasons.append(f"{asset} was made by other code")
        for use in known.inputs:
            now = versions.current(connection, use.asset, use.partition)
            if now is not None and now.data_version != use.data_version:
                reasons.append(f"{asset} was made from another {use.asset}")
    if not any(item.name == default.NAME for item in ClassifierStore(folder).versions()):
        reasons.append(f"the folder has no classifier {default.NAME}")
    return reasons


def build_classifiers_sensor(settings: Settings, train: UnresolvedAssetJobDefinition) -> SensorDefinition:
    """The sensor; `train` is the job that trains the default classifier."""
    folder, codes = settings.classifier_folder, code_versions(settings)

    @sensor(
        name="classifiers",
        job=train,
        minimum_interval_seconds=settings.automation.follow_seconds,
        default_status=DefaultSensorStatus.RUNNING,
        description="Observes the classifiers that were added, activated or removed; trains the default classifier "
        "where the settings ask for it.",
    )
    def follow(context: SensorEvaluationContext, database: ResourceParam[Database]) -> RunRequest | SkipReason:
        try:
            observed = observe_classifiers(context.instance, database, context.log, folder)
            with database.transaction() as connection:
                reasons = reasons_to_train(connection, folder, codes) if settings.classifiers.train_default else []
        except DATABASE_AWAY as error:
            return SkipReason(f"the versions of classifiers cannot be read, the next tick tries again: {error}")
        except ClassifierError as error:
            return SkipReason(f"the folder of the classifiers is damaged: {error}")
        if reasons:
            asked = requested(context.instance, train.name, reasons)
            return asked if isinstance(asked, RunRequest) else SkipReason(asked)
        return SkipReason(f"{observed} classifiers are new, changed or gone" if observed else "nothing has changed")

    return follow

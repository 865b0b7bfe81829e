"""Puts the platform together: merges what each subject offers, and adds the resources.

Nothing is implemented here: a module of this package lists the assets, checks, jobs, sensors and schedules of one
subject, and a new subject adds one module and one line. `build_defs` makes fresh definitions each time, so that a test
replaces a resource or a setting in one argument. It opens no connection and needs no service: definitions load on any
machine.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from dagster import AssetsDefinition, AssetSpec, BetaWarning, Definitions, PreviewWarning, in_process_executor

from broker_assets import tracing
from broker_assets.build import (
    alerts,
    backups,
    classifiers,
    delivery,
    filters,
    platform,
    publication,
    queries,
    sky,
    telemetry,
    tom,
)
from broker_assets.build.annotations import definitions as annotation_definitions
from broker_assets.enrichment_plan import enrichment_plan
from broker_assets.resources.backups import Backups
from broker_assets.resources.cold import Cold
from broker_assets.resources.database import Database
from broker_assets.resources.decoders import Decoders
from broker_assets.resources.kafka import Kafka
from broker_assets.resources.notifier import Notifier
from broker_assets.resources.object_store import ObjectStore
from broker_assets.resources.publisher import Publisher
from broker_assets.resources.telemetry import Telemetry
from broker_assets.resources.tns import Tns
from broker_assets.sensors.code_versions import serves_definitions
from broker_assets.settings import Settings, load_settings
from broker_assets.stream.enrichment import EnrichmentPlan


def build_defs(
    *,
    settings: Settings | None = None,
    resource_overrides: Mapping[str, Any] | None = None,
    plan: EnrichmentPlan | None = None,
) -> Definitions:
    """Make the definitions of the platform.

    Parameters
    ----------
    settings : Settings, optional
        Default: those of this process.
    resource_overrides : mapping of str to object, optional
        Resources that replace the default ones, by name (`backups`, `database`, `kafka`, `object_store`, `cold`,
        `decoders`, `notifier`, `publisher`, `telemetry`, `tns`).
    plan : EnrichmentPlan, optional
        Enrichments of alerts; default: all of the platform.

    Raises
    ------
    ValueError
        If an override has a name that no resource has.
    """
    settings = settings if settings is not None else load_settings()
    # Every process that runs anything loads the definitions.
    tracing.start(settings.traces)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PreviewWarning)
        warnings.simplefilter("ignore", BetaWarning)
        return _definitions(settings, resources(settings, resource_overrides or {}), plan)


def resources(settings: Settings, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The resources by name."""
    # The code server evaluates sensors every few seconds.
    keep = serves_definitions(sys.argv)
    database = overrides.get("database") or Database.of(settings, keep=keep)
    telemetry = overrides.get("telemetry") or Telemetry.of(settings)
    ours: dict[str, Any] = {
        "backups": Backups.of(settings),
        "database": database,
        "kafka": Kafka.of(settings, keep=keep),
        "object_store": ObjectStore.of(settings),
        "cold": Cold.of(settings),
        "decoders": Decoders(settings),
        "notifier": Notifier.of(settings, database),
        "publisher": Publisher.of(settings, telemetry),
        "telemetry": telemetry,
        "tns": Tns.of(settings),
    }
    unknown = overrides.keys() - ours.keys()
    if unknown:
        raise ValueError(f"no resource is called {', '.join(sorted(unknown))}; known: {', '.join(ours)}")
    return ours | dict(overrides)


def _definitions(settings: Settings, resources: Mapping[str, Any], plan: EnrichmentPlan | None) -> Definitions:
    merged = subjects(settings, plan or enrichment_plan(settings))
    return Definitions.merge(
        *merged,
        platform.definitions(settings, code_versions(*merged), automated(*merged)),
        # A process per step costs three seconds and 100 MB; jobs that fan out say so themselves.
        Definitions(resources=dict(resources), executor=in_process_executor),
    )


def subjects(settings: Settings, plan: EnrichmentPlan) -> list[Definitions]:
    """The definitions of each subject."""
    return [
        alerts.definitions(settings, plan),
        delivery.definitions(settings, plan),
        sky.definitions(settings),
        classifiers.definitions(settings),
        annotation_definitions(settings),
        filters.definitions(settings),
        telemetry.definitions(settings),
        publication.definitions(settings),
        tom.definitions(settings),
        queries.definitions(settings),
        backups.definitions(settings),
    ]


def code_versions(*merged: Definitions) -> dict[str, str]:
    """Code version of every asset that has one."""
    return {spec.key.to_user_string(): spec.code_version for spec in _specs(*merged) if spec.code_version}


def automated(*merged: Definitions) -> set[str]:
    """Assets with an automation condition."""
    return {spec.key.to_user_string() for spec in _specs(*merged) if spec.automation_condition is not None}


def _specs(*merged: Definitions) -> Iterator[AssetSpec]:
    for subject in merged:
        for made in subject.assets or ():
            if isinstance(made, AssetsDefinition):
                yield from made.specs
            elif isinstance(made, AssetSpec):
                yield made

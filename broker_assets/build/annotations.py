"""Annotations: what annotators say, the run that reads it, and its checks."""

from __future__ import annotations

from dagster import Definitions

from broker_assets.assets.annotations import build_annotation_assets
from broker_assets.checks.annotations import build_annotation_checks
from broker_assets.jobs.annotations import build_read_annotations
from broker_assets.sensors.annotations import build_annotations_sensor
from broker_assets.settings import Settings
from broker_assets.stream.annotation_filters import filters_of_annotations


def definitions(settings: Settings) -> Definitions:
    """Definitions of annotations."""
    read = build_read_annotations(settings, filters_of_annotations(settings.filters))
    return Definitions(
        assets=build_annotation_assets(),
        asset_checks=build_annotation_checks(settings.annotations),
        jobs=[read],
        sensors=[build_annotations_sensor(settings, read)],
    )

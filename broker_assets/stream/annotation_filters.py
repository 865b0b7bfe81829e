"""The filters that annotations trigger, in the form that annotation runs need."""

from __future__ import annotations

from functools import partial

from broker_assets.filters.triggered import run
from broker_assets.settings.filters import FilterSettings
from broker_assets.stream.annotation_followup import Triggered


def filters_of_annotations(settings: FilterSettings) -> Triggered:
    """A function that runs the filters triggered by the annotators of new annotations, and queues their messages."""
    return partial(run, seconds=settings.annotation_seconds)

"""The filters that annotations trigger, as runs of annotations call them."""

from __future__ import annotations

from functools import partial

from broker_assets.filters.triggered import run
from broker_assets.settings.filters import FilterSettings
from broker_assets.stream.annotation_followup import Triggered


def filters_of_annotations(settings: FilterSettings) -> Triggered:
    """What runs the filters that ask for the annotators of new annotations, and queues their messages."""
    return partial(run, seconds=settings.annotation_seconds)

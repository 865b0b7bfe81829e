"""The filters that annotations trigger, as runs of annotations call them."""

from __future__ import annotations

from broker_assets.filters.triggered import run
from broker_assets.stream.annotation_followup import Triggered


def filters_of_annotations() -> Triggered:
    """What runs the filters that ask for the annotators of new annotations, and queues their messages."""
    return run

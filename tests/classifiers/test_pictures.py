"""Plots of trainings."""

from __future__ import annotations

import numpy as np

from broker_assets.classifiers.default import CLASSES
from broker_assets.classifiers.pictures import confusion_png


def test_a_confusion_matrix_fits_into_the_event_log() -> None:
    content = confusion_png(np.arange(36).reshape(6, 6) * 7, list(CLASSES))
    assert content.startswith(b"\x89PNG")
    assert len(content) < 37_000


def test_classes_without_examples() -> None:
    assert confusion_png(np.zeros((2, 2), np.int64), ["a", "b"]).startswith(b"\x89PNG")

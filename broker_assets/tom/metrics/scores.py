"""Counts probabilities of classes, and whether the class was right, over millions of messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import pyarrow as pa

from broker_assets.tom.metrics.curves import BINS

NOT_A_PROBABILITY: Final = -1
"""Bin of numbers that are not from 0 to 1."""
_ROUNDING: Final = 1e-5
"""In bins, more than the error of a number of 32 bits: 0.29, stored as 0.28999999, is in the bin from 0.29."""


def count_scores(messages: pa.Table, right: Sequence[tuple[int, int]]) -> pa.Table:
    """Count the classes in messages by classifier, class, whether it is right, and bin of the probability.

    A class that a message lists twice counts twice; a null in place of a class counts nowhere.

    Parameters
    ----------
    messages : pyarrow.Table
        `classifier_id` (int64), `gentype` (int32), `classid` (list of int16) and `probability` (list of float32, of the
        same length).
    right : sequence of (int, int)
        Pairs of class and model for which the class is right.

    Returns
    -------
    pyarrow.Table
        `classifier_id`, `classid`, `is_right`, `bin` (0 to `BINS` - 1, or `NOT_A_PROBABILITY`) and `messages`.

    Raises
    ------
    ValueError
        If a message has different numbers of classes and probabilities.
    """
    reported, given = (messages.column(name).combine_chunks() for name in ("classid", "probability"))
    listed = reported.value_lengths().to_numpy()
    if not np.array_equal(given.value_lengths().to_numpy(), listed):
        raise ValueError("a message has another number of probabilities than of classes")
    named = reported.flatten().is_valid().to_numpy(zero_copy_only=False)
    classid = reported.flatten().fill_null(0).to_numpy()
    probability = given.flatten().fill_null(np.nan).to_numpy()

    classifiers, classifier = np.unique(messages.column("classifier_id").to_numpy(), return_inverse=True)
    models, model = np.unique(messages.column("gentype").to_numpy(), return_inverse=True)
    # Class numbers have 16 bits: a table of all of them is cheaper than sorting millions of rows.
    first = int(np.iinfo(np.int16).min)
    used = np.zeros(1 << 16, np.bool_)
    used[classid.astype(np.int32) - first] = True
    classes = np.flatnonzero(used)
    place = np.zeros(1 << 16, np.int64)
    place[classes] = np.arange(classes.size)
    of_class = place[classid.astype(np.int32) - first]

    is_right = np.zeros((classes.size, models.size), np.bool_)
    for number, gentype in right:
        at = np.searchsorted(models, gentype)
        if -first + number < used.size and used[number - first] and at < models.size and models[at] == gentype:
            is_right[place[number - first], at] = True

    bins = np.full(probability.size, NOT_A_PROBABILITY, np.int64)
    valid = (probability >= 0) & (probability <= 1)
    scaled = probability[valid].astype(np.float64) * BINS
    bins[valid] = np.minimum((scaled + _ROUNDING).astype(np.int64), BINS - 1)

    key = np.repeat(classifier.astype(np.int64), listed) * classes.size + of_class
    key = (key * 2 + is_right[of_class, np.repeat(model, listed)]) * (BINS + 1) + (bins + 1)
    counts = np.bincount(key[named])
    groups = np.flatnonzero(counts)
    rest, group_bin = np.divmod(groups, BINS + 1)
    rest, group_right = np.divmod(rest, 2)
    group_classifier, group_class = np.divmod(rest, max(classes.size, 1))
    return pa.table(
        {
            "classifier_id": pa.array(classifiers[group_classifier], pa.int64()),
            "classid": pa.array(classes[group_class] + first, pa.int32()),
            "is_right": pa.array(group_right.astype(np.bool_)),
            "bin": pa.array(group_bin - 1, pa.int16()),
            "messages": pa.array(counts[groups], pa.int64()),
        }
    )

"""Computes curves from counts of probabilities: ROC, precision and recall, calibration.

The counts are those of `tallies`: for a classifier and a class, the number of messages with a probability of the class
in each of `BINS` equal bins over [0, 1], separately for objects of which the class is right and for others. A message
that does not list the class gives it the probability 0. Counts of two sets of messages add up, so each message is read
only once.

Formulas: Fawcett, T. (2006), Pattern Recognition Letters 27, 861, sections 4 to 7 (ROC, area); Davis, J. & Goadrich, M.
(2006), ICML 23, 233, section 2 (precision, recall); Naeini, M. P. et al. (2015), AAAI 29, 2901 (expected calibration
error).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

BINS: Final = 100
"""Bins of the probability; 1 is in the last one."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """Counts of one class of a classifier."""

    right: NDArray[np.int64]
    """(BINS,) messages about objects of the class, by its probability."""
    wrong: NDArray[np.int64]
    """(BINS,) messages about other objects, by the probability of the class."""

    @classmethod
    def of(cls, right: ArrayLike, wrong: ArrayLike, *, unlisted_right: int = 0, unlisted_wrong: int = 0) -> Scores:
        """Counts that include the messages that do not list the class, with probability 0.

        Raises
        ------
        ValueError
            If there are not `BINS` counts of each, or one is negative.
        """
        counts = [np.array(given, np.int64) for given in (right, wrong)]
        for given, unlisted in zip(counts, (unlisted_right, unlisted_wrong), strict=True):
            if given.shape != (BINS,):
                raise ValueError(f"there are {given.shape} counts, and not {BINS}")
            given[0] += unlisted
            if (given < 0).any():
                raise ValueError("a count is negative")
        return cls(*counts)


@dataclass(frozen=True)
class Curves:
    """Curves of one class; the thresholds descend. Each is NaN where it is not defined."""

    threshold: Floats
    """(BINS + 1,) smallest probability that counts as "is of the class", at the lower end of a bin; at the first, none
    counts."""
    true_positive_rate: Floats
    """(BINS + 1,) fraction of the messages about objects of the class above the threshold: recall, completeness."""
    false_positive_rate: Floats
    """(BINS + 1,) fraction of the other messages above the threshold."""
    precision: Floats
    """(BINS + 1,) fraction of the messages above the threshold that are right: purity."""
    area: float
    """Area below the ROC: the chance that a right message has a larger probability than a wrong one; ties count
    half."""
    average_precision: float
    """Mean of the precision over the recall, by steps."""


def curves(scores: Scores) -> Curves:
    """ROC and precision against recall.

    Examples
    --------
    >>> right, wrong = np.zeros(BINS, int), np.zeros(BINS, int)
    >>> right[90], wrong[10] = 5, 20
    >>> found = curves(Scores.of(right, wrong))
    >>> found.area, found.average_precision
    (1.0, 1.0)
    """
    right, wrong = (np.concatenate([[0], np.cumsum(counts[::-1])]) for counts in (scores.right, scores.wrong))
    with np.errstate(invalid="ignore", divide="ignore"):
        recall, fallout = right / right[-1], wrong / wrong[-1]
        precision = right / (right + wrong)
    above = np.concatenate([[np.inf], np.arange(BINS - 1, -1, -1) / BINS])
    steps = np.diff(recall)
    average = float(np.sum(steps[steps > 0] * precision[1:][steps > 0])) if right[-1] else float("nan")
    area = float(np.trapezoid(recall, fallout)) if right[-1] and wrong[-1] else float("nan")
    return Curves(above, recall, fallout, precision, area, average)


@dataclass(frozen=True)
class Calibration:
    """How often a class with a given probability is right."""

    probability: Floats
    """(n,) middle of each range."""
    right: Floats
    """(n,) fraction of the messages in it that are right; NaN without messages."""
    uncertainty: Floats
    """(n,) standard error of `right`, binomial; NaN without messages."""
    messages: NDArray[np.int64]
    """(n,) number of messages in it."""
    error: float
    """Mean distance of `right` from `probability` over the messages; NaN without messages."""


def calibration(scores: Scores, ranges: int = 20) -> Calibration:
    """Compare probabilities with the fraction that is right.

    Parameters
    ----------
    scores : Scores
        Counts without the messages that do not list the class, which give it no probability.
    ranges : int
        Number of ranges of equal width, a divisor of `BINS`.

    Raises
    ------
    ValueError
        If `ranges` is not a divisor of `BINS`.

    Examples
    --------
    >>> right, wrong = np.zeros(BINS, int), np.zeros(BINS, int)
    >>> right[52], wrong[52] = 30, 10
    >>> found = calibration(Scores.of(right, wrong), 10)
    >>> float(found.right[5]), round(float(found.probability[5]), 2), round(found.error, 2)
    (0.75, 0.55, 0.2)
    """
    if ranges < 1 or BINS % ranges:
        raise ValueError(f"{ranges} does not divide {BINS}")
    right, wrong = (counts.reshape(ranges, -1).sum(axis=1) for counts in (scores.right, scores.wrong))
    messages = right + wrong
    middle = (np.arange(ranges) + 0.5) / ranges
    with np.errstate(invalid="ignore", divide="ignore"):
        share = right / messages
        uncertainty = np.sqrt(share * (1.0 - share) / messages)
    some = messages > 0
    total = messages.sum()
    error = float(np.sum(messages[some] * np.abs(share[some] - middle[some])) / total) if total else float("nan")
    return Calibration(middle, share, uncertainty, messages, error)

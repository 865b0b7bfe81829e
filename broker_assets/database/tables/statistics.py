"""Statistics of the stored light curves of objects, night by night."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from broker_assets.database.tables.columns import (
    MJD,
    bigint,
    by_width,
    date,
    double,
    integer,
    metadata,
    real,
    text,
)


def _counts() -> list[sa.Column[Any]]:
    return [
        integer("nPoints", "number of points: detections, and forced points of images without one"),
        integer("nDetections", "number of detections among them"),
        integer("nForced", "number of forced points among them"),
        integer("nNotDetectedBefore", "points below five sigma before the first above; null if there is none"),
        integer("nLimits", "number of images without a detection, of which only the limit is known"),
        integer("nLimitsBefore", "those before the first detection"),
        integer("nLimitsAfter", "those after the last detection"),
        real("lastLimitBefore", "five-sigma limit of the last of them before the first detection", "nJy"),
        real("daysSinceLimit", "time from that limit to the first detection", "d"),
    ]


def _times() -> list[sa.Column[Any]]:
    return [
        real("duration", "time from the first point to the last", "d"),
        real("minimumTimeInterval", "shortest time between consecutive points", "d"),
        real("maximumTimeInterval", "longest time between consecutive points", "d"),
        double("timeMean", "mean time", MJD),
        real("timeStandardDeviation", "standard deviation of the times", "d"),
    ]


def _values() -> list[sa.Column[Any]]:
    return [
        real("mean", "mean flux; null over bands", "nJy"),
        real("weightedMean", "mean flux with the weights 1/σ²; null over bands", "nJy"),
        real("median", "median flux; null over bands", "nJy"),
        real("amplitude", "half of the difference of largest and smallest flux", "nJy"),
        real("percentAmplitude", "largest deviation from the median", "nJy"),
        real("standardDeviation", "standard deviation of the fluxes", "nJy"),
        real("skew", "skewness G1 of the fluxes"),
        real("kurtosis", "excess kurtosis G2 of the fluxes"),
        real("medianAbsoluteDeviation", "median of the absolute deviations from the median", "nJy"),
        real("medianBufferRange", "share of points within a tenth of the amplitude of the median"),
        real("interPercentileRange25", "range from the 25th to the 75th percentile", "nJy"),
        real("interPercentileRange10", "range from the 10th to the 90th percentile", "nJy"),
        real("interPercentileRange2", "range from the 2nd to the 98th percentile", "nJy"),
        real("percentageRatio40To5", "range of percentiles 40 to 60 divided by that of 5 to 95"),
        real("percentageRatio20To10", "range of percentiles 20 to 80 divided by that of 10 to 90"),
        real("beyond1Std", "share of points further than one standard deviation from the mean"),
        real("beyond2Std", "share of points further than two standard deviations from the mean"),
        real("andersonDarling", "statistic of the Anderson-Darling test of a normal distribution"),
        real("excessVariance", "variance beyond the mean squared uncertainty, over the squared mean; null over bands"),
        real("reducedChi2", "reduced χ² of a constant"),
        real("stetsonK", "Stetson's K"),
        real("roms", "robust median statistic: sum of |flux − median|/σ over N − 1"),
    ]


def _order() -> list[sa.Column[Any]]:
    return [
        real("eta", "von Neumann's η: squared differences of consecutive fluxes, over (N − 1) variances"),
        real("etaE", "η for uneven sampling: squared slopes instead of differences"),
        real("cusum", "range of the cumulative sums of deviations from the mean"),
        real("maximumSlope", "steepest slope between consecutive points", "nJy/d"),
        real("linearTrend", "slope of the unweighted straight line", "nJy/d"),
        real("linearTrendSigma", "uncertainty of linearTrend", "nJy/d"),
        real("linearTrendNoise", "standard deviation about that line", "nJy"),
        real("linearFitSlope", "slope of the straight line with the weights 1/σ²", "nJy/d"),
        real("linearFitSlopeSigma", "uncertainty of linearFitSlope", "nJy/d"),
        real("linearFitReducedChi2", "reduced χ² of that line"),
    ]


def _models() -> list[sa.Column[Any]]:
    return [
        real("period", "period of the highest peak of the periodogram", "d"),
        real("periodSN", "signal-to-noise ratio of that peak"),
        real("secondPeriod", "period of the second highest peak", "d"),
        real("secondPeriodSN", "signal-to-noise ratio of that peak"),
        real("bazinAmplitude", "amplitude A of the function of Bazin; null over bands", "nJy"),
        real("bazinBaseline", "baseline B of it", "nJy"),
        double("bazinTime", "reference time t0 of it", MJD),
        real("bazinRiseTime", "rise time of it", "d"),
        real("bazinFallTime", "fall time of it", "d"),
        real("bazinReducedChi2", "reduced χ² of it"),
    ]


STATISTIC_COLUMNS = tuple(item.name for part in (_counts, _times, _values, _order, _models) for item in part())
"""Columns that are computed from light curves."""

object_statistics = sa.Table(
    "object_statistics",
    metadata,
    *by_width(
        [
            bigint("diaObjectId", "object", primary_key=True, autoincrement=False),
            date("night", "night with an alert of it; nothing later was used", primary_key=True),
            text("band", "u, g, r, i, z, y, or all for all bands together", primary_key=True),
            bigint("diaSourceId", "source of its newest alert in that night", nullable=False),
            *_counts(),
            *_times(),
            *_values(),
            *_order(),
            *_models(),
        ]
    ),
    sa.Index("object_statistics_night", "night"),
    comment="Statistics of the light curves of the objects that had an alert in a night, as stored for that night",
)
"""Statistics of light curves."""

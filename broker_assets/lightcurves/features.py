"""All features of light curves: groups of columns of `objects`, each with formula, source and code version.

A group is one array pass over a whole batch. Raising the version of a group makes the stored features, and what is
derived from them, stale.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from broker_assets.database.arrow import arrow_schema
from broker_assets.database.tables.objects import objects
from broker_assets.lightcurves.counting import COUNTING_VERSION, counting
from broker_assets.lightcurves.curves import LightCurves
from broker_assets.lightcurves.explosions import EXPLOSION_VERSION, explosions
from broker_assets.lightcurves.galactic import GALACTIC_VERSION, galactic_latitude
from broker_assets.lightcurves.jumps import JUMP_VERSION, jumps
from broker_assets.lightcurves.luminosity import LUMINOSITY_VERSION, distance_moduli, luminosity
from broker_assets.lightcurves.pairs import PAIR_VERSION, pairs
from broker_assets.lightcurves.photometry import BANDS

Columns = Mapping[str, NDArray[Any]]

LASAIR: Final = "Lasair, schema 11_1"
"""Source of the definitions, unless a group names another."""
EXTINCTION_VERSION: Final = "1"


@dataclass(frozen=True)
class Feature:
    """One column."""

    name: str
    """Documented name; the SQL name is this in lower case."""
    formula: str
    """How it is computed from the light curve."""

    @property
    def column(self) -> str:
        """Name in SQL."""
        return self.name.lower()

    @property
    def unit(self) -> str:
        """Unit; empty for dimensionless numbers."""
        return str(objects.c[self.column].info["unit"])


@dataclass(frozen=True)
class Group:
    """Features that are computed together."""

    name: str
    version: str
    """Version of its code."""
    features: tuple[Feature, ...]
    compute: Callable[[LightCurves, NDArray[np.float64]], Columns]
    """Computes the columns from light curves and distance moduli (mag)."""
    source: str = LASAIR


def _extinction(curves: LightCurves, _: NDArray[np.float64]) -> Columns:
    return {"ebv": curves.ebv}


_PAIRS = tuple(
    feature
    for which, rank in (("latest", "newest"), ("penultimate", "second newest"))
    for feature in (
        Feature(f"{which}PairMJD", f"time of the later source of the {rank} pair: consecutive, < 40 min, two bands"),
        Feature(f"{which}PairColourMag", "−2.5·log₁₀(f_blue/f_red), corrected for extinction"),
        Feature(f"{which}PairColourBands", "its bands, bluer first"),
        Feature(f"{which}PairColourTemp", "T with B(λ_blue,T)/B(λ_red,T) = f_blue/f_red"),
    )
)

GROUPS: Final = (
    Group(
        "counting",
        COUNTING_VERSION,
        (
            Feature("firstDiaSourceMjdTai", "the survey's own time of the first source, else min t"),
            Feature("lastDiaSourceMjdTai", "max t"),
            Feature("latest_psfFlux", "flux of the newest source"),
            *(Feature(f"{band}_psfFlux", f"flux of the newest {band} source") for band in BANDS),
            *(Feature(f"{band}_latestMJD", f"time of the newest {band} source") for band in BANDS),
            Feature("medianR", "median of the reliabilities"),
            Feature("latestR", "reliability of the newest source"),
            Feature("nPosDiaSources", "sources with f > 0"),
            Feature("nPosDiaSourcesNights", "distinct int(t + 0.5) of sources with f > 0"),
            Feature("nSourcesGood", "sources of reliability > 0.5"),
            *(Feature(f"n{band}Sources", f"{band} sources") for band in BANDS),
        ),
        lambda curves, _: counting(curves),
    ),
    Group(
        "luminosity",
        LUMINOSITY_VERSION,
        (
            Feature("absMag", "min(31.4 − 2.5·log₁₀ f) − µ over sources with f > 0, corrected for extinction"),
            Feature("absMagMJD", "time of that source"),
        ),
        luminosity,
    ),
    Group(
        "explosion",
        EXPLOSION_VERSION,
        (
            Feature("BBBRiseRate", "k of A·B(λ,T)·exp(kτ), or k_r of the Bazin model"),
            Feature("BBBFallRate", "k_f of A·B(λ,T)·exp(−k_f(τ−t₀))/(1+exp(−k_r(τ−t₀)))"),
            Feature("BBBTemp", "T of the model"),
            Feature("BBBPeakFlux", "largest flux of the Bazin model, in its brightest band"),
            Feature("BBBPeakMJD", "t₁ + t₀ − ln(k_f/(k_r−k_f))/k_r; t₁ where k_r ≤ k_f"),
            Feature("BBBPeakAbsMag", "31.4 − 2.5·log₁₀ BBBPeakFlux − µ"),
        ),
        explosions,
        f"{LASAIR}; Bazin et al. 2009, A&A 499, 653; Moré 1978, LNM 630, 105",
    ),
    Group(
        "galactic",
        GALACTIC_VERSION,
        (Feature("glat", "asin(sin δₙ·sin δ + cos δₙ·cos δ·cos(α − αₙ))"),),
        lambda curves, _: galactic_latitude(curves),
    ),
    Group(
        "extinction",
        EXTINCTION_VERSION,
        (Feature("ebv", "E(B−V) of the dust map at the position"),),
        _extinction,
        "Schlegel, Finkbeiner & Davis 1998, ApJ 500, 525",
    ),
    Group(
        "jump",
        JUMP_VERSION,
        (
            Feature("jump1", "largest |f − mean|/σ of the last 10 d against the 60 d before, of the six bands"),
            Feature("jump2", "second largest of the six bands"),
        ),
        lambda curves, _: jumps(curves),
    ),
    Group("pair", PAIR_VERSION, _PAIRS, lambda curves, _: pairs(curves)),
)
"""All groups, in the order in which they are computed."""

FEATURES_VERSION: Final = ", ".join(f"{group.name} {group.version}" for group in GROUPS)
"""Version of the code of all features."""

FEATURES: Final = tuple(feature for group in GROUPS for feature in group.features)
"""All features."""

SCHEMA: Final = pa.schema(
    [
        pa.field(item.name, pa.float64() if pa.types.is_floating(item.type) else item.type)
        for item in arrow_schema(objects)
        if item.name in {feature.column for feature in FEATURES}
    ]
)
"""Columns of `features`; floating-point numbers of full precision, whatever the database stores."""


def features(curves: LightCurves) -> pa.Table:
    """Every feature of a batch of light curves.

    Parameters
    ----------
    curves : LightCurves
        Light curves of n objects.

    Returns
    -------
    (n,) pyarrow.Table
        `SCHEMA`; null where a feature is not defined, and for everything that is not finite.

    Examples
    --------
    >>> from broker_assets.lightcurves.curves import Points
    >>> points = Points.of(1, [0, 0], [61000.0, 61000.01], [5000.0, 6000.0], [1, 2], [0.9, 0.7])
    >>> row = features(LightCurves.of(points)).to_pylist()[0]
    >>> row["latestpaircolourbands"], round(row["latestpaircolourtemp"], 6), row["ngsources"]
    ('g-r', 6.892144, 1)
    """
    moduli = distance_moduli(curves)
    columns: dict[str, NDArray[Any]] = {}
    for group in GROUPS:
        columns.update(group.compute(curves, moduli))
    empty = np.diff(curves.sources.offsets) == 0
    return pa.Table.from_arrays([_column(columns[item.name], item.type, empty) for item in SCHEMA], schema=SCHEMA)


def _column(values: NDArray[Any], kind: pa.DataType, empty: NDArray[np.bool_]) -> pa.Array:
    if pa.types.is_floating(kind):
        return pa.array(values, kind, mask=~np.isfinite(values))
    if pa.types.is_integer(kind):
        return pa.array(values, kind, mask=empty)  # an object without sources has no counts either
    return pa.array(values, kind)

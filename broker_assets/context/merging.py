"""Merges matches that are one source on the sky, and ranks the results; the best one gives a position its class."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numba import njit
from numpy.typing import NDArray

from broker_assets.context.association import Matches
from broker_assets.context.catalogue import taken
from broker_assets.context.distances import kiloparsecs_per_arcsecond, luminosity_distance
from broker_assets.context.rules import CLASSES, Rules
from broker_assets.sky.separation import haversine

ONE_SOURCE: Final = 1.0
"""Arcseconds; matches of a position that are closer to each other are one source."""

DIRECT, SPECTROSCOPIC, PHOTOMETRIC = "dd", "sz", "pz"
"""Where a best distance comes from."""

_HOSTED: Final = tuple(CLASSES.index(name) for name in ("SN", "NT", "AGN"))
_STELLAR: Final = tuple(CLASSES.index(name) for name in ("CV", "VS"))
_BRIGHT: Final = CLASSES.index("BS")


@dataclass(frozen=True)
class Associated:
    """Sources that positions are associated with, by position and then by rank; arrays of equal length."""

    position: NDArray[np.int64]
    rank: NDArray[np.int64]
    """From 1, the best."""
    score: NDArray[np.float64]
    """Score by which they are ranked; the lowest is the best."""
    label: NDArray[np.int64]
    """Place of the class in `CLASSES`."""
    reliability: NDArray[np.int64]
    """See `Reliability`."""
    catalogue: pa.Array
    """Names of the catalogues that have the source, joined by a slash."""
    identifier: pa.Array
    """Identifier of the source in the catalogue that gives the class."""
    kind: pa.Array
    """Kind of the search that gives the class: star, galaxy, agn, qso, cv or unknown."""
    ra: NDArray[np.float64]
    """Right ascension of the closest of the matches, ICRS, degrees."""
    dec: NDArray[np.float64]
    separation: NDArray[np.float64]
    """Arcseconds."""
    east: NDArray[np.float64]
    north: NDArray[np.float64]
    kiloparsecs: NDArray[np.float64]
    """Projected distance, kpc, by the best distance."""
    distance: NDArray[np.float64]
    """Direct distance, Mpc."""
    redshift: NDArray[np.float64]
    redshift_error: NDArray[np.float64]
    photometric_redshift: NDArray[np.float64]
    photometric_redshift_error: NDArray[np.float64]
    best_distance: NDArray[np.float64]
    """Mpc: direct, else from the spectroscopic, else from the photometric redshift."""
    best_distance_flag: pa.Array
    """`DIRECT`, `SPECTROSCOPIC` or `PHOTOMETRIC`."""
    best_distance_source: pa.Array
    """Catalogue of the best distance."""
    magnitude: NDArray[np.float64]
    magnitude_error: NDArray[np.float64]
    band: pa.Array
    major_axis: NDArray[np.float64]
    """Arcseconds."""

    def __len__(self) -> int:
        return len(self.position)

    def take(self, rows: NDArray[np.int64]) -> Associated:
        """Select rows by their places."""
        return taken(self, rows)


def merged(matches: Matches, rules: Rules) -> Associated:
    """Merge the matches of each position that are one source, and rank the sources.

    Parameters
    ----------
    matches : Matches
        From `association.Index.matches`.
    rules : Rules
        The rules that gave the matches.

    Notes
    -----
    The class of a source in several catalogues is that of the most reliable match, then of the most accurate catalogue,
    then the first in `CLASSES`. Each distance is from the most accurate catalogue that has one, the magnitude is the
    one with the smallest error, and the position is that of the closest match.
    """
    source = matches.source
    group = _groups(matches.position, np.radians(source.ra), np.radians(source.dec), matches.separation)
    number = int(group.max()) + 1 if len(group) else 0
    accuracy = np.array([search.accuracy for search in rules.searches], np.int64)[matches.search]

    def best(
        *keys: NDArray[np.float64] | NDArray[np.int64], where: NDArray[np.bool_] | None = None
    ) -> NDArray[np.int64]:
        """The first match of each source by some keys, the most important first; −1 if there is none."""
        rows = np.flatnonzero(where) if where is not None else np.arange(len(group))
        order = rows[np.lexsort((*(key[rows] for key in reversed(keys)), group[rows]))]
        found = np.full(number, -1)
        found[group[order[::-1]]] = order[::-1]
        return found

    def value(rows: NDArray[np.int64], values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.where(rows >= 0, values[rows], np.nan) if len(values) else np.zeros(0)

    chief = best(matches.reliability, accuracy, matches.label)
    closest = best(matches.separation)
    direct = best(accuracy, where=source.distance > 0.0)
    measured = best(accuracy, where=np.isfinite(source.redshift))
    estimated = best(accuracy, where=np.isfinite(source.photometric_redshift))
    error = np.where(np.isfinite(source.magnitude_error), source.magnitude_error, np.inf)
    bright = best(error, accuracy, where=np.isfinite(source.magnitude))
    sized = best(accuracy, where=np.isfinite(source.major_axis))

    distance, redshift = value(direct, source.distance), value(measured, source.redshift)
    photometric = value(estimated, source.photometric_redshift)
    by_redshift, by_photometry = luminosity_distance(redshift), luminosity_distance(photometric)
    flags = np.where(
        np.isfinite(distance), 0, np.where(np.isfinite(by_redshift), 1, np.where(np.isfinite(by_photometry), 2, 3))
    )
    catalogues = pa.array([search.catalogue for search in rules.searches], pa.string())
    giving = np.choose(flags, [direct, measured, estimated, np.full(number, -1)])
    scale = kiloparsecs_per_arcsecond(distance, np.where(np.isfinite(redshift), redshift, photometric))
    separation = matches.separation[closest]
    result = Associated(
        position=matches.position[chief],
        rank=np.zeros(number, np.int64),
        score=np.zeros(number),
        label=matches.label[chief],
        reliability=matches.reliability[chief],
        catalogue=_names(group, matches.search, accuracy, rules),
        identifier=source.identifier.take(pa.array(chief)),
        kind=pa.array([search.kind for search in rules.searches], pa.string()).take(pa.array(matches.search[chief])),
        ra=source.ra[closest],
        dec=source.dec[closest],
        separation=separation,
        east=matches.east[closest],
        north=matches.north[closest],
        kiloparsecs=separation * scale,
        distance=distance,
        redshift=redshift,
        redshift_error=value(measured, source.redshift_error),
        photometric_redshift=photometric,
        photometric_redshift_error=value(estimated, source.photometric_redshift_error),
        best_distance=np.choose(flags, [distance, by_redshift, by_photometry, np.full(number, np.nan)]),
        best_distance_flag=pa.array([DIRECT, SPECTROSCOPIC, PHOTOMETRIC, None]).take(pa.array(flags)),
        best_distance_source=catalogues.take(pa.array(matches.search[giving], mask=giving < 0)),
        magnitude=value(bright, source.magnitude),
        magnitude_error=value(bright, source.magnitude_error),
        band=source.band.take(pa.array(bright, mask=bright < 0)),
        major_axis=value(sized, source.major_axis),
    )
    return _ranked(result)


def _ranked(found: Associated) -> Associated:
    """Sort by position and score, and number the ranks."""
    closeness = np.minimum(found.separation / 60.0, 100.0)
    hosted, stellar = np.isin(found.label, _HOSTED), np.isin(found.label, _STELLAR)
    near = np.isfinite(found.kiloparsecs)
    spectroscopic = np.isfinite(found.redshift) | np.isfinite(found.distance)
    terms = np.select(
        [near & spectroscopic, near, hosted, stellar, found.label == _BRIGHT],
        [
            2.0 - (50.0 - found.kiloparsecs) + closeness,
            5.0 - (50.0 - found.kiloparsecs) + closeness,
            2.0 + closeness,
            2.0 + found.separation,
            found.separation,
        ],
        10.0 + closeness,
    )
    score = np.asarray(found.reliability * 1000.0 + terms, np.float64)
    order = np.lexsort((found.separation, score, found.position))
    position = found.position[order]
    first = np.flatnonzero(np.concatenate([[True], position[1:] != position[:-1]])) if len(order) else order
    counts = np.diff(np.append(first, len(order)))
    rank = np.arange(len(order)) - np.repeat(first, counts) + 1
    return replace(found.take(order), rank=rank, score=score[order])


def _names(group: NDArray[np.int64], search: NDArray[np.int64], accuracy: NDArray[np.int64], rules: Rules) -> pa.Array:
    """Catalogues of each source, each once: first those that the rules name first, then by accuracy."""
    names = [one.catalogue for one in rules.searches]
    unique = list(dict.fromkeys(names))
    number = np.array([unique.index(name) for name in names], np.int64)[search]
    first = np.array([name in rules.first_names for name in unique], bool)[number]
    order = np.lexsort((number, accuracy, ~first, group))
    ordered, of_group = number[order], group[order]
    # A catalogue that occurs again in the same source is left out.
    _, kept = np.unique(of_group * len(unique) + ordered, return_index=True)
    kept = np.sort(kept)
    counts = np.bincount(of_group[kept], minlength=int(group.max()) + 1 if len(group) else 0)
    lists = pa.ListArray.from_arrays(
        pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32()),
        pa.array(unique, pa.string()).take(pa.array(ordered[kept])),
    )
    return pc.binary_join(lists, "/")


@njit(nogil=True, cache=True)
def _groups(position, ra, dec, separation):  # type: ignore[no-untyped-def]
    """Number of the source of each match; the matches of a position are adjacent, and the numbers ascend."""
    limit = np.sin(np.radians(ONE_SOURCE / 3600.0) / 2.0) ** 2
    group = np.full(position.size, -1, np.int64)
    number, begin = 0, 0
    while begin < position.size:
        end = begin
        while end < position.size and position[end] == position[begin]:
            end += 1
        order = begin + np.argsort(separation[begin:end])
        for place in range(order.size):
            row = order[place]
            if group[row] >= 0:
                continue
            group[row] = number
            for other in order[place + 1 :]:
                if group[other] < 0 and haversine(ra[row], dec[row], ra[other], dec[other]) <= limit:
                    group[other] = number
            number += 1
        begin = end
    return group

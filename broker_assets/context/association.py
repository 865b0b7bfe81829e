"""Associates positions with sources of catalogues: the searches of the rules, in array passes over all positions.

`merging` merges matches that are one source on the sky, and ranks the sources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import IntEnum
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from broker_assets.context.catalogue import SCHEMA, Sources, taken
from broker_assets.context.distances import kiloparsecs_per_arcsecond
from broker_assets.context.pairs import Zones, pairs, zones
from broker_assets.context.rules import CLASSES, Rules, Search
from broker_assets.sky.separation import ARCSEC_PER_RADIAN

FARTHEST_DIRECT: Final = 300.0
"""Arcseconds; farther from a galaxy with a direct distance, no projected distance is believed."""

BIG, HUGE = 600.0, 6000.0
"""Major axes, arcseconds, at and above which the ellipse of a galaxy is scaled by 0.7 and 0.5."""


class Reliability(IntEnum):
    """How close a match is; the lowest is the best."""

    SYNONYM = 1
    """The position coincides with the source."""
    ASSOCIATION = 2
    """The position is near the source."""
    ANNOTATION = 3
    """The position is near the source, and near no other."""


@dataclass(frozen=True)
class Matches:
    """Matches of positions with sources; arrays of equal length, by position, then search, then separation."""

    position: NDArray[np.int64]
    search: NDArray[np.int64]
    """Place in `Rules.searches`."""
    reliability: NDArray[np.int64]
    """See `Reliability`."""
    label: NDArray[np.int64]
    """Place of the class in `CLASSES`."""
    separation: NDArray[np.float64]
    """Arcseconds."""
    east: NDArray[np.float64]
    """Offset of the position from the source to the east, arcseconds."""
    north: NDArray[np.float64]
    """Offset of the position from the source to the north, arcseconds."""
    kiloparsecs: NDArray[np.float64]
    """Projected distance; NaN if neither distance nor spectroscopic redshift is known."""
    source: Sources
    """The sources, one for each match."""

    def __len__(self) -> int:
        return len(self.position)

    def take(self, rows: NDArray[np.int64]) -> Matches:
        """Select matches by their places."""
        return taken(self, rows)


@dataclass(frozen=True)
class Part:
    """The sources that one search looks at, ordered for it. Ordering takes time, searching does not."""

    number: int
    """Place in `Rules.searches`."""
    search: Search
    sources: Sources
    """Sources of the catalogue, including those that the search does not select."""
    order: Zones


def parts(rules: Rules, catalogue: str, sources: Sources) -> list[Part]:
    """The sources of a catalogue, ordered for each search of the rules that looks at it.

    Parameters
    ----------
    rules : Rules
        The rules.
    catalogue : str
        Name of the catalogue.
    sources : Sources
        Its sources, their positions at the epoch of the alerts.
    """
    found = []
    for number, search in enumerate(rules.searches):
        if search.catalogue != catalogue:
            continue
        chosen = np.flatnonzero(search.selects(sources))
        if chosen.size:
            rows = None if chosen.size == len(sources) else chosen
            order = zones(np.mod(sources.ra, 360.0), sources.dec, search.radius, rows)
            found.append(Part(number, search, sources, order))
    return found


class Index:
    """Sources of catalogues, ordered for the searches of some rules.

    Parameters
    ----------
    rules : Rules
        The rules.
    catalogues : mapping of str to Sources
        Catalogues by name, their positions at the epoch of the alerts; those that the rules do not name are ignored.
    ordered : sequence of Part
        Parts of other catalogues that are already ordered.
    """

    def __init__(self, rules: Rules, catalogues: Mapping[str, Sources], ordered: Sequence[Part] = ()) -> None:
        self.rules = rules
        found = [*ordered, *(part for name in catalogues for part in parts(rules, name, catalogues[name]))]
        self._parts = sorted(found, key=lambda part: part.number)

    def matches(self, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> Matches:
        """All matches of positions by the rules.

        Parameters
        ----------
        ra, dec : (n,) float64 arrays
            ICRS, degrees; `ra` in [0, 360).
        """
        found = [_found(part, ra, dec) for part in self._parts]
        found = [matches for matches in found if len(matches)]
        if not found:
            return _nothing()
        every = _joined(found)
        kept = self._kept(every, len(ra))
        order = np.lexsort((every.separation[kept], every.search[kept], every.position[kept]))
        return every.take(kept[order])

    def touched(self, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.bool_]:
        """For which positions any search finds something, whether or not another search would hide it.

        Parameters
        ----------
        ra, dec : (n,) float64 array
            ICRS, degrees.

        Returns
        -------
        (n,) bool array
        """
        found = np.zeros(len(ra), bool)
        for part in self._parts:
            found[_found(part, ra, dec).position] = True
        return found

    def _kept(self, every: Matches, positions: int) -> NDArray[np.int64]:
        """Rows of the matches that the three passes (synonyms, associations, annotations) keep."""
        searches = self.rules.searches
        stops = np.array([search.stop_on_synonym for search in searches], bool)
        synonym = every.reliability == Reliability.SYNONYM
        stopping = synonym & stops[every.search]
        last = np.full(positions, len(searches))
        np.minimum.at(last, every.position[stopping], every.search[stopping])
        stopped = last[every.position] < len(searches)
        kept = np.where(synonym, every.search <= last[every.position], ~stopped)
        annotation = every.reliability == Reliability.ANNOTATION
        other = np.zeros(positions, bool)
        other[every.position[kept & ~annotation]] = True
        return np.flatnonzero(kept & ~(annotation & other[every.position]))


def _found(part: Part, ra: NDArray[np.float64], dec: NDArray[np.float64]) -> Matches:
    """What one search finds."""
    search, sources = part.search, part.sources
    near = pairs(part.order, ra, dec)
    # Distant pairs are dropped before any other column of the sources is read.
    source_ra, source_dec = sources.ra[near.source], sources.dec[near.source]
    east, north = _offsets(ra[near.position], dec[near.position], source_ra, source_dec)
    good = np.ones(near.position.size, bool)
    if search.within_axis:
        good &= _within_ellipse(search, sources, near.source, near.separation, east, north)
    scale = kiloparsecs_per_arcsecond(sources.distance[near.source], sources.redshift[near.source])
    kiloparsecs = scale * near.separation
    if search.kiloparsecs is not None:
        direct = np.isfinite(sources.distance[near.source])
        good &= (kiloparsecs <= search.kiloparsecs) & ~(direct & (near.separation > FARTHEST_DIRECT))
    synonym = near.separation <= search.synonym_radius if search.synonym else np.zeros(good.size, bool)
    second = search.association or search.annotation
    good &= synonym | (second is not None)
    rows = np.flatnonzero(good)
    rest = Reliability.ASSOCIATION if search.association else Reliability.ANNOTATION
    first_label = CLASSES.index(search.synonym) if search.synonym else -1
    second_label = CLASSES.index(second) if second else -1
    return Matches(
        position=near.position[rows],
        search=np.full(rows.size, part.number),
        reliability=np.where(synonym[rows], int(Reliability.SYNONYM), int(rest)),
        label=np.where(synonym[rows], first_label, second_label),
        separation=near.separation[rows],
        east=east[rows],
        north=north[rows],
        kiloparsecs=kiloparsecs[rows],
        source=sources.take(near.source[rows]),
    )


def _offsets(
    ra: NDArray[np.float64], dec: NDArray[np.float64], from_ra: NDArray[np.float64], from_dec: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Offsets east and north of sources, arcseconds, in the tangent plane at the source (gnomonic, FITS code TAN)."""
    cosine, sine = np.cos(np.radians(dec)), np.sin(np.radians(dec))
    from_cosine, from_sine = np.cos(np.radians(from_dec)), np.sin(np.radians(from_dec))
    difference = np.radians(ra - from_ra)
    depth = sine * from_sine + cosine * from_cosine * np.cos(difference)
    east = cosine * np.sin(difference) / depth * ARCSEC_PER_RADIAN
    north = (sine * from_cosine - cosine * from_sine * np.cos(difference)) / depth * ARCSEC_PER_RADIAN
    return east, north


def _within_ellipse(
    search: Search,
    sources: Sources,
    rows: NDArray[np.int64],
    separation: NDArray[np.float64],
    east: NDArray[np.float64],
    north: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Whether positions lie within 2.5 times the ellipse of a galaxy, less for those of ten arcminutes and more.

    The ellipse of a galaxy without axis ratio and position angle is a circle with the diameter of its major axis.
    """
    axis = sources.major_axis[rows]
    reach = axis / 2.0 * 2.5 * np.where(axis >= HUGE, 0.5, np.where(axis >= BIG, 0.7, 1.0))
    ratio, angle = sources.axis_ratio[rows], np.radians(sources.position_angle[rows])
    shaped = np.isfinite(angle) & (ratio > 0.0) & (ratio <= 1.0)
    along = east * np.sin(angle) + north * np.cos(angle)
    across = east * np.cos(angle) - north * np.sin(angle)
    with np.errstate(divide="ignore", invalid="ignore"):
        elliptical = np.hypot(along, across / ratio)
    good = np.where(shaped, elliptical, separation) < reach
    if search.axis_needs_magnitude is not None:
        bright = sources.magnitude[rows] < search.axis_needs_magnitude
        good &= bright | np.isfinite(sources.redshift[rows])
    if search.not_larger:
        misleading = pc.is_in(sources.identifier.take(pa.array(rows)), value_set=pa.array(search.not_larger))
        good &= ~np.asarray(misleading)
    return good


def _joined(every: list[Matches]) -> Matches:
    values: dict[str, Any] = {}
    for item in fields(Matches):
        columns = [getattr(part, item.name) for part in every]
        values[item.name] = Sources.joined(columns) if item.name == "source" else np.concatenate(columns)
    return Matches(**values)


def _nothing() -> Matches:
    ids, numbers = np.zeros(0, np.int64), np.zeros(0)
    return Matches(ids, ids, ids, ids, numbers, numbers, numbers, numbers, Sources.of(SCHEMA.empty_table()))

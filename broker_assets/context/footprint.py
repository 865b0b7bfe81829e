"""The sources near some positions in all catalogues of the rules; nothing else is read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from broker_assets.context.catalogue import Sources
from broker_assets.context.rules import Rules, RulesError, Search
from broker_assets.context.store import FARTHEST, LARGE, Catalogue


def sources_near(
    rules: Rules,
    catalogues: Mapping[str, Catalogue],
    ra: NDArray[np.float64],
    dec: NDArray[np.float64],
    *,
    epoch: float,
) -> dict[str, Sources]:
    """Read the sources with which the rules may match the positions.

    Parameters
    ----------
    rules : Rules
        Which catalogues are searched, and how far.
    catalogues : mapping of str to Catalogue
        Those that are loaded.
    ra, dec : (n,) float64 arrays
        ICRS, degrees.
    epoch : float
        Julian year of the positions; sources with proper motion are moved to it.

    Raises
    ------
    RulesError
        If a search goes farther than `FARTHEST` and is not for sources of at least `LARGE` only.
    """
    found = {}
    for name in rules.catalogues:
        if name not in catalogues:
            continue
        near = catalogues[name].near(ra, dec)
        if goes_far(rules, name):
            # Large sources that are near are in both sets.
            small = near.take(np.flatnonzero(~(near.major_axis >= LARGE)))
            near = Sources.joined([small, catalogues[name].large()])
        found[name] = near.at(epoch)
    return found


def goes_far(rules: Rules, catalogue: str) -> bool:
    """Whether a search of a catalogue goes farther than `FARTHEST`.

    Raises
    ------
    RulesError
        If it is not for sources of at least `LARGE` only.
    """
    far = [_is_far(search) for search in rules.searches if search.catalogue == catalogue]
    return any(far)


def _is_far(search: Search) -> bool:
    if search.radius <= FARTHEST:
        return False
    least = (search.where or {}).get("major_axis", (0.0, 0.0))[0]
    if least < LARGE:
        raise RulesError(
            f"the search of {search.catalogue} goes {search.radius:.0f} arcseconds far: beyond {FARTHEST:.0f} only"
            f" sources with a major_axis of at least {LARGE:.0f} are looked for"
            f" (`where: {{major_axis: [{LARGE:.0f}, 1.0e+6]}}`)"
        )
    return True
